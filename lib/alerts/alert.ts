/** What an alert is: as it is raised, and the one shape in which everybody gets it (conf/alert.schema.json). */
import type { AlertRecord, Severity } from "../history/alert-record.ts";
import { type ByteString, toText } from "../text/byte-string.ts";

/** As a policy raises it. Times are seconds since 1970, durations seconds. */
export interface Draft {
  type: string;
  severity: Severity;
  login: ByteString | undefined;
  remote: ByteString | undefined;
  message: ByteString | undefined;
  /** JSON, whose strings are bytes. */
  evidence: ByteString | undefined;
  key: ByteString | undefined;
  policy: ByteString | undefined;
  t: number;
  cooldown: number;
}

/** The one shape everywhere. What is absent is left out. */
export interface AlertJson {
  id: string;
  type: string;
  severity: Severity;
  login?: string;
  remote?: string;
  message: string;
  evidence?: unknown;
  count: number;
  /** ISO 8601 in UTC with milliseconds. */
  first: string;
  last: string;
  host: string;
  policy?: string;
  version: 1;
  /** Its cool-down is over: the count is the last. */
  final?: true;
  /** No alert, but the daily summary, whose message may have lines. */
  summary?: true;
}

/** Bytes of a message. */
const LONGEST_MESSAGE = 1000;

/** What one alert is about unless its policy says so. */
export const keyOf = ({ key, type, login, remote }: Draft): ByteString =>
  key ?? (`${type}\0${login ?? ""}\0${remote ?? ""}` as ByteString);

/** One line for people: `brute force: joe from 192.0.2.1`. */
export function messageOf({
  message,
  type,
  login,
  remote,
}: Pick<Draft, "message" | "type" | "login" | "remote">): ByteString {
  const subject = [login, remote && `from ${remote}`].filter(Boolean).join(" ");
  const text = (message || `${type.replaceAll("_", " ")}${subject && ": "}${subject}`).replace(/[\r\n]+/g, " ");
  // A character is not cut in half.
  const begin = text.slice(0, LONGEST_MESSAGE).replace(/[\xc0-\xff][\x80-\xbf]{0,3}$/, "");
  return (text.length > LONGEST_MESSAGE ? `${begin}...` : text) as ByteString;
}

/** @param final whether it is told for the last time */
export function toJson(alert: AlertRecord, final = false): AlertJson {
  const { id, type, severity, login, remote, message, evidence, count, first, last, host, policy } = alert;
  return {
    id,
    type,
    severity,
    ...(login !== null && { login: toText(login) }),
    ...(remote !== null && { remote: toText(remote) }),
    message: toText(message),
    ...(evidence !== null && { evidence: JSON.parse(toText(evidence)) as unknown }),
    count,
    first: isoTime(first),
    last: isoTime(last),
    host,
    ...(policy !== null && { policy: toText(policy) }),
    version: 1,
    ...(final && { final: true as const }),
  };
}

/** @param seconds since 1970 */
export const isoTime = (seconds: number): string => new Date(Math.round(seconds * 1000)).toISOString();

/** For the log line: `count="1" login="joe" …`; what is absent is left out. */
export const fieldsOf = ({ type, severity, login, remote, message, count }: AlertRecord): [string, string][] =>
  Object.entries({ type, severity, login, remote, message, count: String(count) }).flatMap(([name, value]) =>
    value === null ? [] : [[name, name === "type" ? value : toText(value as ByteString)] as [string, string]],
  );
