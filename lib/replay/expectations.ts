/** What a fixture expects of a replay: the part `expect`. */
import { parseRange, type Range } from "./times.ts";
import type { Plain, YamlValue } from "./yaml-value.ts";

/** What is left out is not checked. */
export interface ExpectedWebHook {
  at: Range | undefined;
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

/** What is undefined is not checked. */
export interface Expectations {
  webhooks: { list: ExpectedWebHook[]; line: number } | undefined;
  webhookCounts: ExpectedCount[];
  /** Hooks that stay silent; their counts are 0. */
  noWebhooks: ExpectedCount[];
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
  const { webhooks, webhook_counts, no_webhooks, stats, background, logs, errors } = values;
  const { reports, custom } = stats?.mapping(["reports", "custom"]) ?? {};
  return {
    webhooks: webhooks && { list: webhooks.list().map((value) => readWebHook(value, start)), line: webhooks.line },
    webhookCounts: readCounts(webhook_counts),
    noWebhooks: no_webhooks?.list().map((value) => ({ name: value.text(), count: 0, line: value.line })) ?? [],
    reports: reports && { name: "reports", count: readCount(reports), line: reports.line },
    custom: readCounts(custom),
    background: readCounts(background),
    logs: logs?.list().map(readPattern) ?? [],
    errors: { count: errors ? readCount(errors) : 0, line: errors?.line },
  };
}

function readWebHook(value: YamlValue, start: number): ExpectedWebHook {
  const { at, name, body } = value.mapping(["at", "name", "body"]);
  const range = at && parseRange(at.scalarText(), start);
  if (at && !range) {
    throw at.wrong(`a time such as +5m or a range such as +5m..+7m expected, got '${at.scalarText()}'`);
  }
  const structured = body !== undefined && (body.isMapping || body.isList);
  return {
    at: range,
    name: name?.text(),
    body: body && (structured ? body.json() : body.text()),
    line: value.line,
  };
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
