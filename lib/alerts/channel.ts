/** An alert channel, as the configuration says it: where alerts go, and which of them. */
import type { AlertRecord, Severity } from "../history/alert-record.ts";
import { SEVERITIES } from "../history/alert-record.ts";
import type { WebHook } from "../webhooks/hook.ts";

export const CHANNEL_KINDS = ["webhook", "alertmanager", "slack", "wforce", "mail"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

export interface AlertChannel {
  /** Whose queue it is: a webhook with `channel`. */
  hook: WebHook;
  kind: ChannelKind;
  minSeverity: Severity;
  /** All unless given. */
  types: ReadonlySet<string> | undefined;
  /** Logins and addresses leave as keyed hashes. */
  redact: boolean;
  /** Takes the daily summary. */
  summary: boolean;
}

export const lets = ({ minSeverity, types }: AlertChannel, { severity, type }: AlertRecord): boolean =>
  SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(minSeverity) && (types?.has(type) ?? true);
