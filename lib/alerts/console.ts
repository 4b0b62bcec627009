/** What the console shows of alerts, as text. */
import type { AlertRecord } from "../history/alert-record.ts";
import { escapeControls, formatTime } from "../log/log.ts";
import { type ByteString, toText } from "../text/byte-string.ts";

const WIDTHS = [19, 8, 24, 24, 24];

/** A row for each, in their order. */
export const formatAlerts = (alerts: readonly AlertRecord[]): string =>
  [["Time", "Severity", "Type", "Login", "Remote", "Count"], ...alerts.map(rowOf)].map(formatRow).join("");

const rowOf = ({ first, severity, type, login, remote, count }: AlertRecord): string[] => [
  formatTime(first * 1000),
  severity,
  type,
  shown(login),
  shown(remote),
  String(count),
];

const shown = (text: ByteString | null): string => (text === null ? "-" : escapeControls(toText(text)));

const formatRow = (cells: string[]): string =>
  `${cells
    .map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0))
    .join(" ")
    .trimEnd()}\n`;
