/**
 * Alerts for Slack's incoming webhooks (https://docs.slack.dev/messaging/formatting-message-text), which Mattermost and
 * Rocket.Chat take too. What comes from outside stands in code spans, where nothing is formatted or linked.
 */
import type { AlertJson } from "../alert.ts";
import { messageLines, plainText, shorten } from "./plain.ts";

/** Characters of one value. */
const LONGEST_VALUE = 1000;
/** Lines of a summary. */
const MOST_LINES = 100;
const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** A value as text that pings nobody: Mattermost and Rocket.Chat look for @names in code too, so the name is torn off. */
function code(text: string): string {
  const plain = plainText(shorten(text, LONGEST_VALUE)).replaceAll("`", "\u02cb");
  const quiet = plain.replace(/(?<![\p{L}\p{N}])@/gu, "@\u200b").replace(/(?<![\p{L}\p{N}])#/gu, "#\u200b");
  return `\`${quiet.replace(/[&<>]/g, (character) => ESCAPES[character]!) || " "}\``;
}

/** The body of a request. */
export function slackBody(event: Buffer): Buffer {
  const alert = JSON.parse(event.toString()) as AlertJson;
  const { type, severity, login, remote, evidence, count, first, last, host, policy } = alert;
  const title = alert.summary ? "*summary*" : `*${severity}*${alert.final ? " (final)" : ""}`;
  const fields = Object.entries({
    login,
    remote,
    count: alert.summary ? undefined : String(count),
    first: count > 1 ? first : undefined,
    last,
    evidence: evidence === undefined ? undefined : JSON.stringify(evidence),
    policy,
    host,
  });
  const lines = [
    `${title} ${code(type)}`,
    ...messageLines(alert).slice(0, MOST_LINES).map(code),
    ...fields.flatMap(([name, value]) => (value === undefined ? [] : [`• ${name}: ${code(value)}`])),
  ];
  return Buffer.from(JSON.stringify({ text: lines.join("\n"), mrkdwn: true }));
}
