import { findUnused, hasPassed, type Result, summarize } from "./result.ts";
/** Results of replays for machines: JSON, and JUnit's XML as CI systems read it. */
import { formatDifference } from "./text-output.ts";

/** One JSON document; see README.md. */
export function formatJson(results: readonly Result[]): string {
  const { virtualTime, backgroundRuns, errors, ...summary } = summarize(results);
  const document = {
    fixtures: results.map((result) => {
      const { fixture, outcome, differences, updated } = result;
      return {
        file: fixture.file,
        name: fixture.name,
        passed: hasPassed(result),
        updated,
        differences,
        reports: outcome.reports,
        webhooks: outcome.webhookCount,
        webhook_counts: Object.fromEntries(outcome.webhookCounts),
        background: Object.fromEntries(outcome.backgroundRuns),
        custom_stats: Object.fromEntries(outcome.customStats),
        lua_errors: outcome.errorCount,
        virtual_seconds: (outcome.end - fixture.start) / 1000,
      };
    }),
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

/** Elements as Jenkins, GitLab and others read them. Real time is left out: the same replay gives the same file. */
export function formatJUnit(results: readonly Result[]): string {
  const { fixtures, failed } = summarize(results);
  const counts = `tests="${fixtures}" failures="${failed}"`;
  const cases = results.map((result) => {
    const { fixture, differences } = result;
    const names = `classname="${escapeXml(fixture.file)}" name="${escapeXml(fixture.name)}"`;
    if (hasPassed(result)) return `    <testcase ${names}/>\n`;
    const message = differences.map(({ key }) => key).join(", ");
    const text = differences.flatMap((difference) => formatDifference(fixture.file, difference)).join("\n");
    const failure = `<failure message="${escapeXml(message)}">${escapeXml(text)}</failure>`;
    return `    <testcase ${names}>\n      ${failure}\n    </testcase>\n`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>\n',
    `<testsuites ${counts}>\n  <testsuite name="trackalert --replay" ${counts}>\n`,
    ...cases,
    "  </testsuite>\n</testsuites>\n",
  ].join("");
}

/** Characters that XML 1.0 cannot hold, not even escaped. */
const NOT_IN_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;" };

const escapeXml = (text: string): string =>
  text.replace(NOT_IN_XML, "\ufffd").replace(/[&<>"\n]/g, (character) => ENTITIES[character]!);
