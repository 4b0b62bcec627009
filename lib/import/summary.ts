/** What an import has come to, in lines. */
import { formatInstant } from "../replay/times.ts";
import { formatAmounts } from "../text/amounts.ts";
import type { ImportFile } from "./file.ts";
import type { ImportRun } from "./run.ts";

/**
 * @param run what came of them all
 * @param alerts how many would have been raised, by type
 */
export function formatSummary(
  files: readonly ImportFile[],
  { reports, first, last, errors }: ImportRun,
  alerts: ReadonlyMap<string, number>,
): string[] {
  const lines = files.flatMap(formatFile);
  const span = first === undefined ? "" : ` of ${formatInstant(first)} to ${formatInstant(last!)}`;
  lines.push(`${reports.toLocaleString("en")} reports${span} taken`);
  if (alerts.size > 0) lines.push("alerts that would have been raised:", ...formatAlerts(alerts).map(indent));
  if (errors.count > 0) lines.push(`${errors.count} Lua errors, the first of them:`, ...errors.first.map(indent));
  // One that was broken off may have taken nothing of what it has read.
  const found = files.some(({ taken, former, time }) => taken > 0 || former || time < Infinity);
  if (!found) lines.push("no line tells of a login: log files need --format dovecot or --format sshd");
  return lines;
}

/** The most first. */
const formatAlerts = (alerts: ReadonlyMap<string, number>): string[] =>
  [...alerts]
    .toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([type, count]) => `${count.toLocaleString("en")} ${type}`);

function formatFile({ name, lines, taken, skipped, reasons, former, unfinished }: ImportFile): string[] {
  const read = formatAmounts({ line: lines }) || (former ? "nothing new" : "nothing");
  const before =
    former && former.position > 0 ? `, ${former.position.toLocaleString("en")} bytes were taken before` : "";
  const left = unfinished ? ", a last line without an end is left for the next time" : "";
  const counts = `${taken.toLocaleString("en")} reports taken, ${skipped.toLocaleString("en")} lines skipped`;
  const more = skipped - reasons.length;
  return [
    `${name}: ${read} read, ${counts}${before}${left}`,
    ...reasons.map(indent),
    ...(more > 0 ? [indent(`and ${more.toLocaleString("en")} more`)] : []),
  ];
}

const indent = (line: string): string => `  ${line}`;
