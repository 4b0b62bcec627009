/** What the README says of the month: which of its attacks are found, when and by what, and what a quiet month alerts on. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { AlertJson } from "../../lib/alerts/alert.ts";
import { type Attack, ATTACKS } from "./attacks.ts";
import { attackedMonth, replayMonth } from "./month-replay.ts";
import { MONTH_DAYS, MONTH_START, quietMonth } from "./month.ts";

const README = join(import.meta.dir, "..", "..", "README.md");
const BEGIN = "<!-- month: made by `bun run tables` -->\n";
const END = "<!-- month: end -->";

/** Seconds after an attack's last report in which it counts as found: volume looks once an hour. */
const PATIENCE = 2 * 3600;

const secondsOf = (time: string): number => Date.parse(time) / 1000;

/** The alerts that tell of an attack, as it expects them; undefined for those that did not come. */
export const foundOf = ({ from, reports, expected }: Attack, alerts: readonly AlertJson[]): (AlertJson | undefined)[] =>
  expected.map((one) =>
    alerts.find(
      (alert) =>
        Object.entries(one).every(([name, value]) => alert[name as keyof AlertJson] === value) &&
        secondsOf(alert.first) >= from &&
        secondsOf(alert.first) <= reports.at(-1)!.t + PATIENCE,
    ),
  );

/** How many alerts above low each day of the month had. */
export function aboveLowByDay(alerts: readonly AlertJson[]): number[] {
  const counts = new Array<number>(MONTH_DAYS).fill(0);
  for (const { severity, first } of alerts) {
    if (severity !== "low") counts[Math.floor((secondsOf(first) - MONTH_START) / 86_400)]!++;
  }
  return counts;
}

/** `day 16, 02:00` */
function formatDay(t: number): string {
  const day = Math.floor((t - MONTH_START) / 86_400) + 1;
  return `day ${day}, ${new Date(t * 1000).toISOString().slice(11, 16)}`;
}

function formatDelay(seconds: number): string {
  if (seconds < 1) return "at once";
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A table as `bun fmt` wants it. */
function formatTable(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]): string => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |\n`;
  const [head, ...body] = rows;
  return line(head!) + line(widths.map((width) => "-".repeat(width))) + body.map(line).join("");
}

/** The table of the attacks, from the alerts of a month that has them. */
export function attackTable(alerts: readonly AlertJson[]): string {
  const rows = ATTACKS.map((attack) => {
    const found = foundOf(attack, alerts).map((alert) =>
      alert
        ? `\`${alert.type}\` (${alert.severity}) ${formatDelay(secondsOf(alert.first) - attack.from)}`
        : "**not found**",
    );
    return [attack.name, attack.what, formatDay(attack.from), found.join(", ")];
  });
  return formatTable([["attack", "what it does", "begins (UTC)", "found as, after"], ...rows]);
}

function quietTable(alerts: readonly AlertJson[]): string {
  const counts = new Map<string, number>();
  for (const { type, severity } of alerts) {
    const name = `${type} ${severity}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const rows = [...counts]
    .toSorted(([a, i], [b, j]) => j - i || (a < b ? -1 : 1))
    .map(([name, count]) => {
      const [type, severity] = name.split(" ");
      return [`\`${type}\``, severity!, String(count), (count / MONTH_DAYS).toFixed(2)];
    });
  const byDay = aboveLowByDay(alerts);
  const above = byDay.reduce((sum, count) => sum + count, 0);
  rows.push(["all above low", "", String(above), (above / MONTH_DAYS).toFixed(2)]);
  return (
    `${formatTable([["alert", "severity", "in the month", "a day"], ...rows])}\n` +
    `The day with the most alerts above low had ${Math.max(...byDay)}.\n`
  );
}

/** What stands between the marks, from the alerts of both months. */
export const monthBlock = (quiet: readonly AlertJson[], attacked: readonly AlertJson[]): string =>
  `${attackTable(attacked)}\nWithout the attacks:\n\n${quietTable(quiet)}`;

/** Splits the README around the block. */
function splitReadme(): [before: string, block: string, after: string] {
  const text = readFileSync(README, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README.md has no block between ${BEGIN.trim()} and ${END}`);
  return [text.slice(0, from + BEGIN.length), text.slice(from + BEGIN.length, to).trim(), text.slice(to)];
}

export const blockOfReadme = (): string => splitReadme()[1];

/** `--check` changes nothing, and fails where the README says something else. */
if (import.meta.main) {
  const quiet = await replayMonth(quietMonth());
  const attacked = await replayMonth(attackedMonth());
  const [before, former, after] = splitReadme();
  const block = monthBlock(quiet.alerts, attacked.alerts);
  if (process.argv.includes("--check") && block.trim() !== former) {
    console.error(`README.md says something else of the month than what is found:\n${block}`);
    process.exit(1);
  }
  writeFileSync(README, `${before}\n${block}\n${after}`);
  const cost = (1e6 * quiet.seconds) / quietMonth().length;
  console.log(`README.md has the tables of the month; a report took ${cost.toFixed(0)} µs of processor time`);
}
