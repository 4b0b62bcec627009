/** What the console shows of the history. */
import { formatTime } from "../log/log.ts";
import { formatAmounts } from "../text/amounts.ts";
import { type ByteString, toText } from "../text/byte-string.ts";
import { shownValue } from "./filter.ts";
import type { History } from "./history.ts";
import type { ProfileEntry } from "./profile.ts";
import { COLUMN_NAMES, MORE, type Row } from "./row.ts";

/** Values of a feature that are shown. */
const VALUES_SHOWN = 5;
/** Newest rows that are shown of a login. */
const ROWS_SHOWN = 20;
const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** Where it is, how much is in it, and how it does. */
export async function describeHistory(history: History): Promise<string> {
  const { settings, times } = history;
  const result = await history.ask({ ask: "state" }, { beside: true });
  const { slowest } = times;
  const lines: [string, string][] = [["history", history.name]];
  if ("problem" in result) lines.push(["state", result.problem]);
  else {
    const { rows, oldest, newest, size } = result.answer;
    const span = oldest === null || newest === null ? "" : `, ${time(oldest)} to ${time(newest)}`;
    lines.push(["rows", `${rows}${span}`], ["size", `${formatBytes(size)} of ${formatBytes(settings.maxSize)}`]);
  }
  lines.push(["rows waiting", String(history.waitingRows)]);
  const slow = slowest ? `${slowest.question}, ${(slowest.seconds * 1000).toFixed(1)} ms` : "none";
  lines.push(["slowest query of the last 5 minutes", slow]);
  return lines.map(([name, value]) => `${name}: ${value}\n`).join("");
}

/** What is known of a login. @param alerts its newest, a line each; empty without any */
export async function describeLogin(history: History, login: ByteString, alerts: string): Promise<string> {
  const filter = [{ column: "login" as const, values: [login] }];
  const result = await history.ask({ ask: "rows", filter, n: ROWS_SHOWN }, { beside: true });
  if ("problem" in result) return `${result.problem}\n`;
  const profile = await history.ask({ ask: "profile", login }, { beside: true });
  if ("problem" in profile) return `${profile.problem}\n`;
  const rows = result.answer;
  if (rows.length + profile.answer.length === 0 && alerts === "")
    return `nothing is known of ${JSON.stringify(toText(login))}\n`;
  const lines = profile.answer.flatMap(([feature, entries]) => formatFeature(toText(feature), entries));
  if (rows.length > 0) lines.push(`the newest ${rows.length} rows`, ...rows.map(formatRow));
  if (alerts !== "") lines.push("the newest alerts");
  return lines.map((line) => `${line}\n`).join("") + alerts;
}

/** `country: 2 values`, and a line for each of the last seen: `  "NL" 12 times, 2026-01-01 00:00:00 to 2026-03-01 12:00:00` */
function formatFeature(feature: string, entries: readonly ProfileEntry[]): string[] {
  const shown = entries.slice(0, VALUES_SHOWN).map(([value, , count, first, last]) => {
    return `  ${JSON.stringify(toText(value))} ${formatAmounts({ time: count })}, ${time(first)} to ${time(last)}`;
  });
  return [`${feature}: ${formatAmounts({ value: entries.length })}`, ...shown];
}

/** Copies the history to a file that is not there yet. */
export async function backup(history: History, file: string): Promise<string> {
  const done = await history.backup(file);
  return done ? `the history is copied to ${file}\n` : "history away: nothing is copied\n";
}

/** `2026-03-01 12:00:00 success remote="192.0.2.1" …`; what is empty is left out. */
function formatRow(row: Row): string {
  const [t, , , success] = row;
  const fields = COLUMN_NAMES.flatMap((column, i) => {
    const value = shownValue(column, row[i]!);
    if (["t", "login", "success"].includes(column) || value === null || value === "" || value === false) return [];
    return [`${column}=${typeof value === "string" ? JSON.stringify(toText(value as ByteString)) : value}`];
  });
  const more = row[MORE];
  if (typeof more === "string") fields.push(toText(more as ByteString));
  return `${time(t as number)} ${success ? "success" : "failure"} ${fields.join(" ")}`;
}

const time = (seconds: number): string => formatTime(seconds * 1000);

function formatBytes(bytes: number): string {
  const unit = Math.max(0, Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1));
  return `${unit === 0 ? bytes : (bytes / 1024 ** unit).toFixed(1)} ${UNITS[unit]}`;
}
