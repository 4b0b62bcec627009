/** Results of replays for people. */
import { escapeControls } from "../log/log.ts";
import type { Difference } from "./compare.ts";
import { hasPassed, type Result, type Summary, type Unused } from "./result.ts";
import { formatOffset } from "./times.ts";

/** Characters of a value that are shown; `--json` has it whole. */
const LONGEST_VALUE = 1000;

/** Differences of a fixture that are shown; `--json` has all. */
const MOST_DIFFERENCES = 20;

/** Makes a word stand out; without a terminal it stays as it is. */
export type Paint = (color: "red" | "green", word: string) => string;

/** A line for the fixture, and lines for each difference. */
export function formatResult(result: Result, paint: Paint): string[] {
  const { fixture, outcome, differences, updated } = result;
  const counts = [
    count(outcome.reports, "report"),
    count(outcome.webhooks.count, "webhook"),
    ...(outcome.alerts.count > 0 ? [count(outcome.alerts.count, "alert")] : []),
    count(outcome.backgroundCount, "background run"),
  ].join(", ");
  const verdict = hasPassed(result) ? paint("green", updated ? "new " : "ok  ") : paint("red", "FAIL");
  const title = `${verdict} ${escapeControls(fixture.name)}  (${fixture.file}: ${counts})`;
  if (updated) return [title, ...differences.flatMap((difference) => formatUpdate(fixture.file, difference))];
  const shown = differences.slice(0, MOST_DIFFERENCES);
  const more = differences.length - shown.length;
  return [
    title,
    ...shown.flatMap((difference) => formatDifference(fixture.file, difference)),
    ...(more > 0 ? [`  … and ${count(more, "more difference")}`] : []),
  ];
}

/** What has become of an expectation; the line is that of the former file. */
function formatUpdate(file: string, difference: Difference): string[] {
  const [place, ...values] = formatDifference(file, difference);
  return [`${place}: ${difference.update}`, ...values];
}

export const formatDifference = (file: string, { key, line, expected, got, at, cause }: Difference): string[] => [
  `  ${line === undefined ? file : `${file}:${line}`}  ${escapeControls(key)}`,
  ...labelled("expected", expected),
  ...labelled("got", got),
  ...(at === undefined ? [] : labelled("at", at)),
  ...(cause === undefined ? [] : labelled("by", cause)),
];

function labelled(label: string, value: string): string[] {
  const shown = value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}… (cut)` : value;
  return shown.split("\n").map((line, i) => `    ${(i === 0 ? label : "").padEnd(9)} ${escapeControls(line)}`);
}

export const formatUnused = ({ config, endpoints, background, webhooks }: Unused): string =>
  `never exercised in ${config}: ${[
    ...[...endpoints].map((name) => `endpoint ${name}`),
    ...[...background].map((name) => `background function ${name}`),
    ...[...webhooks].map((name) => `webhook ${name}`),
  ]
    .map(escapeControls)
    .join(", ")}`;

export function formatSummary(summary: Summary): string {
  const parts = [
    `${count(summary.fixtures, "fixture")}: ${summary.passed} passed, ${summary.failed} failed`,
    ...(summary.unusable > 0 ? [`${summary.unusable} cannot be used`] : []),
    count(summary.reports, "report"),
    count(summary.webhooks, "webhook"),
    ...(summary.alerts > 0 ? [count(summary.alerts, "alert")] : []),
    count(summary.backgroundRuns, "background run"),
    count(summary.errors, "Lua error"),
    `virtual time ${formatOffset(summary.virtualTime).slice(1)}`,
  ];
  return parts.join(", ");
}

const count = (number: number, name: string): string =>
  `${number.toLocaleString("en")} ${name}${number === 1 ? "" : "s"}`;
