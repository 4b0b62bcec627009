/** What a fixture expects of a replay: the part `expect`. */
import { parseRange, type Range } from "./times.ts";
import type { Plain, YamlValue } from "./yaml-value.ts";

/** What is left out is not checked. */
export interface ExpectedEvent {
  at: Range | undefined;
  /** Of a webhook, or the type of an alert. */
  name: string | undefined;
  /** A text is the whole body; of a mapping, what it names must be there. */
  body: Plain | undefined;
  line: number;
}

/** A number for a name, as in `webhook_counts: { alert: 12 }`. */
export interface ExpectedCount {
  name: string;
  count: number;
  line: number;
}

/** What is expected of events of one kind. What is undefined is not checked. */
interface ExpectedEvents {
  list: { events: ExpectedEvent[]; line: number } | undefined;
  counts: ExpectedCount[];
  /** Names that stay silent; their counts are 0. */
  silent: ExpectedCount[];
}

/** What is undefined is not checked. */
export interface Expectations {
  webhooks: ExpectedEvents;
  alerts: ExpectedEvents;
  reports: ExpectedCount | undefined;
  custom: ExpectedCount[];
  background: ExpectedCount[];
  logs: { pattern: RegExp; line: number }[];
  errors: { count: number; line: number | undefined };
}

export const EXPECT_KEYS = [
  "webhooks",
  "webhook_counts",
  "no_webhooks",
  "alerts",
  "alert_counts",
  "no_alerts",
  "stats",
  "background",
  "logs",
  "errors",
] as const;

/** @param start milliseconds since 1970 */
export function readExpectations(
  values: Partial<Record<(typeof EXPECT_KEYS)[number], YamlValue>> = {},
  start: number,
): Expectations {
  const { stats, background, logs, errors } = values;
  const { reports, custom } = stats?.mapping(["reports", "custom"]) ?? {};
  return {
    webhooks: readEvents(values.webhooks, values.webhook_counts, values.no_webhooks, (one) => readWebHook(one, start)),
    alerts: readEvents(values.alerts, values.alert_counts, values.no_alerts, (one) => readAlert(one, start)),
    reports: reports && { name: "reports", count: readCount(reports), line: reports.line },
    custom: readCounts(custom),
    background: readCounts(background),
    logs: logs?.list().map(readPattern) ?? [],
    errors: { count: errors ? readCount(errors) : 0, line: errors?.line },
  };
}

function readEvents(
  list: YamlValue | undefined,
  counts: YamlValue | undefined,
  silent: YamlValue | undefined,
  read: (value: YamlValue) => ExpectedEvent,
): ExpectedEvents {
  return {
    list: list && { events: list.list().map(read), line: list.line },
    counts: readCounts(counts),
    silent: silent?.list().map((value) => ({ name: value.text(), count: 0, line: value.line })) ?? [],
  };
}

function readWebHook(value: YamlValue, start: number): ExpectedEvent {
  const { at, name, body } = value.mapping(["at", "name", "body"]);
  const structured = body !== undefined && (body.isMapping || body.isList);
  return {
    at: at && readRange(at, start),
    name: name?.text(),
    body: body && (structured ? body.json() : body.text()),
    line: value.line,
  };
}

const ALERT_KEYS = ["type", "severity", "login", "remote", "message", "evidence", "policy", "count"] as const;

/** Fields of the alert stand beside its time. */
function readAlert(value: YamlValue, start: number): ExpectedEvent {
  const { at, type, ...fields } = value.mapping(["at", ...ALERT_KEYS]);
  const body = Object.entries(fields).map(([name, item]) => [name, item.json()] as const);
  return { at: at && readRange(at, start), name: type?.text(), body: Object.fromEntries(body), line: value.line };
}

function readRange(at: YamlValue, start: number): Range {
  const range = parseRange(at.scalarText(), start);
  if (range) return range;
  throw at.wrong(`a time such as +5m or a range such as +5m..+7m expected, got '${at.scalarText()}'`);
}

const readCount = (value: YamlValue): number => value.integer(0, Number.MAX_SAFE_INTEGER);

const readCounts = (value: YamlValue | undefined): ExpectedCount[] =>
  value?.entries().map(([name, item]) => ({ name, count: readCount(item), line: item.line })) ?? [];

function readPattern(value: YamlValue): { pattern: RegExp; line: number } {
  try {
    return { pattern: new RegExp(value.text()), line: value.line };
  } catch (error) {
    if (error instanceof SyntaxError) throw value.wrong(`no regular expression: ${error.message}`);
    throw error;
  }
}
