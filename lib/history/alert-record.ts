/**
 * Alerts as the stores keep them: one record each, and one cool-down for each key, which says which alert has it and until
 * when. Whoever takes the cool-down of a key has raised its alert; whoever finishes an alert tells its final count.
 */
import type { ByteString } from "../text/byte-string.ts";

/** Fit for JSON. Times are seconds since 1970. */
export interface AlertRecord {
  id: string;
  /** What it is about: alerts of one key are one within the cool-down. */
  key: ByteString;
  type: string;
  severity: Severity;
  login: ByteString | null;
  /** An address as text, or another text. */
  remote: ByteString | null;
  message: ByteString;
  /** JSON, whose strings are bytes. */
  evidence: ByteString | null;
  /** What raised it. */
  policy: ByteString | null;
  host: string;
  /** How often it was raised, and when first and last. */
  count: number;
  first: number;
  last: number;
  /** When its cool-down ends, by the clock. */
  until: number;
}

/** Seconds by which the clocks of daemons that share a history may differ. */
export const CLOCK_SKEW = 60;

/** From the least to the most severe. */
export const SEVERITIES = ["low", "medium", "high", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a type may be. */
export const ALERT_TYPE = /^[A-Za-z0-9_]{1,64}$/;

export const isSeverity = (text: string): text is Severity => (SEVERITIES as readonly string[]).includes(text);

/** Which alerts; all of it must hold. Times are seconds since 1970 of the first time, the second is not included. */
export interface AlertFilter {
  type?: string;
  login?: ByteString;
  remote?: ByteString;
  severity?: Severity;
  since?: number;
  before?: number;
  /** Those behind this one, when the newest come first. */
  after?: AlertPlace;
}

/** Where an alert is among all: by its first time, and its id where two have the same. */
export interface AlertPlace {
  first: number;
  id: string;
}

/** How often an alert was raised again. */
export interface Fold {
  key: ByteString;
  id: string;
  count: number;
  last: number;
}

/** Whose alert a key has now: the one that was to be raised, or an earlier one that it was folded into. */
export interface Raised {
  id: string;
  isNew: boolean;
  until: number;
}

/** The columns in both databases, in the order of {@link toColumns}. */
export const ALERT_COLUMNS =
  "id, key, type, severity, login, remote, message, evidence, policy, host, count, first, last, until";

type Columns = (string | number | null)[];

/** Texts of two kinds alike: those of this program are bytes, too. */
export const toColumns = (alert: AlertRecord): Columns => [
  alert.id,
  alert.key,
  alert.type,
  SEVERITIES.indexOf(alert.severity),
  alert.login,
  alert.remote,
  alert.message,
  alert.evidence,
  alert.policy,
  alert.host,
  alert.count,
  alert.first,
  alert.last,
  alert.until,
];

export function fromColumns(columns: Columns): AlertRecord {
  const [id, key, type, severity, login, remote, message, evidence, policy, host, count, first, last, until] = columns;
  return {
    id: id as string,
    key: key as ByteString,
    type: type as string,
    severity: SEVERITIES[Number(severity)]!,
    login: login as ByteString | null,
    remote: remote as ByteString | null,
    message: message as ByteString,
    evidence: evidence as ByteString | null,
    policy: policy as ByteString | null,
    host: host as string,
    count: Number(count),
    first: Number(first),
    last: Number(last),
    until: Number(until),
  };
}

/** Whether an alert is one that a filter means. */
export function matches(
  alert: AlertRecord,
  { type, login, remote, severity, since, before, after }: AlertFilter,
): boolean {
  return (
    (type === undefined || alert.type === type) &&
    (login === undefined || alert.login === login) &&
    (remote === undefined || alert.remote === remote) &&
    (severity === undefined || alert.severity === severity) &&
    (since === undefined || alert.first >= since) &&
    (before === undefined || alert.first < before) &&
    (after === undefined || newestFirst(after, alert) < 0)
  );
}

/** For sorting. */
export const newestFirst = (a: AlertPlace, b: AlertPlace): number =>
  b.first - a.first || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
