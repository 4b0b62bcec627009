/** Results of replays for machines: JSON, and JUnit's XML as CI systems read it. */
import { findUnused, hasPassed, isUnusable, type Result, summarize, type Unusable } from "./result.ts";
import { formatDifference } from "./text-output.ts";

/** One JSON document; see README.md. */
export function formatJson(results: readonly (Result | Unusable)[]): string {
  const { virtualTime, backgroundRuns, errors, ...summary } = summarize(results);
  const document = {
    fixtures: results.map(describe),
    never_exercised: findUnused(results).map(({ config, endpoints, background, webhooks }) => ({
      config,
      endpoints: [...endpoints],
      background: [...background],
      webhooks: [...webhooks],
    })),
    summary: { ...summary, background_runs: backgroundRuns, lua_errors: errors, virtual_seconds: virtualTime / 1000 },
  };
  return JSON.stringify(document, undefined, 2);
}

function describe(result: Result | Unusable): object {
  const { file, name } = result.fixture;
  if (isUnusable(result)) return { file, name, passed: false, error: result.error };
  const { fixture, outcome, differences, updated } = result;
  return {
    file,
    name,
    passed: hasPassed(result),
    updated,
    differences,
    reports: outcome.reports,
    webhooks: outcome.webhooks.count,
    webhook_counts: Object.fromEntries(outcome.webhooks.counts),
    alerts: outcome.alerts.count,
    alert_counts: Object.fromEntries(outcome.alerts.counts),
    background: Object.fromEntries(outcome.backgroundRuns),
    custom_stats: Object.fromEntries(outcome.customStats),
    lua_errors: outcome.errorCount,
    virtual_seconds: (outcome.end - fixture.start) / 1000,
  };
}

/** Elements as Jenkins, GitLab and others read them. Real time is left out: the same replay gives the same file. */
export function formatJUnit(results: readonly (Result | Unusable)[]): string {
  const { fixtures, failed, unusable } = summarize(results);
  const counts = `tests="${fixtures}" failures="${failed}" errors="${unusable}"`;
  const cases = results.map((result) => {
    const { file, name } = result.fixture;
    const names = `classname="${escapeXml(file)}" name="${escapeXml(name)}"`;
    const problem = isUnusable(result) ? element("error", "cannot be used", result.error) : failureOf(result);
    return problem === undefined
      ? `    <testcase ${names}/>\n`
      : `    <testcase ${names}>\n      ${problem}\n    </testcase>\n`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>\n',
    `<testsuites ${counts}>\n  <testsuite name="trackalert --replay" ${counts}>\n`,
    ...cases,
    "  </testsuite>\n</testsuites>\n",
  ].join("");
}

function failureOf(result: Result): string | undefined {
  if (hasPassed(result)) return undefined;
  const { fixture, differences } = result;
  const text = differences.flatMap((difference) => formatDifference(fixture.file, difference)).join("\n");
  return element("failure", differences.map(({ key }) => key).join(", "), text);
}

const element = (name: string, message: string, text: string): string =>
  `<${name} message="${escapeXml(message)}">${escapeXml(text)}</${name}>`;

/** Characters that XML 1.0 cannot hold, not even escaped. */
const NOT_IN_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;" };

const escapeXml = (text: string): string =>
  text.replace(NOT_IN_XML, "\ufffd").replace(/[&<>"\n]/g, (character) => ENTITIES[character]!);
