/**
 * Times in fixtures: ISO 8601 instants with their zone, offsets from the start such as `+1h30m`, and ranges `a..b`.
 * All are milliseconds: instants since 1970, offsets since the start.
 */

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** Units from large to small, each at most once; seconds may have a fraction, in milliseconds. */
const DURATION = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d{1,3})?)s)?$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/;

/** What {@link parseTime} understands, for messages. */
export const TIME_FORMS = "an instant such as 2026-03-01T00:00:00Z or an offset from the start such as +1h30m";

/** Milliseconds after the start in which all of a replay lies: far more than anybody replays. */
export const LONGEST_REPLAY = 10 * 365 * 86_400_000;

/** Both ends are included. */
export interface Range {
  from: number;
  to: number;
}

/** Milliseconds of a duration such as `90s`, `1h30m`, `2d`; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const parts = text === "" ? null : DURATION.exec(text);
  if (!parts) return undefined;
  return Math.round(UNITS.reduce((sum, [, size], i) => sum + Number(parts[i + 1] ?? 0) * size, 0));
}

/** Milliseconds since 1970 of an instant; undefined when it is none. */
export function parseInstant(text: string): number | undefined {
  const time = INSTANT.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) || !isDay(text.slice(0, 10)) ? undefined : time;
}

/** Date.parse takes 30 February for 2 March. */
const isDay = (day: string): boolean => new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);

/** Milliseconds since 1970 of an instant or offset; undefined when it is neither. */
export function parseTime(text: string, start: number): number | undefined {
  if (!text.startsWith("+")) return parseInstant(text);
  const offset = parseDuration(text.slice(1));
  return offset === undefined ? undefined : start + offset;
}

/** A range, or a time as one; undefined when it is neither. */
export function parseRange(text: string, start: number): Range | undefined {
  const [first, second, ...more] = text.split("..");
  const from = parseTime(first!, start);
  const to = second === undefined ? from : parseTime(second, start);
  return from === undefined || to === undefined || more.length > 0 || to < from ? undefined : { from, to };
}

/** `+1h30m`, `+0s`, `+12.345s`: what {@link parseTime} reads. */
export function formatOffset(milliseconds: number): string {
  let left = milliseconds;
  let text = "+";
  for (const [unit, size] of UNITS) {
    const count = unit === "s" ? left / size : Math.floor(left / size);
    if (count > 0 || (unit === "s" && text === "+")) text += `${count}${unit}`;
    left -= Math.floor(count) * size;
  }
  return text;
}

/** `+5m (2026-03-01T00:05:00Z)` */
export const formatTime = (time: number, start: number): string =>
  `${formatOffset(time - start)} (${formatInstant(time)})`;

/** `2026-03-01T00:05:00Z`, with milliseconds only where there are any. */
export const formatInstant = (time: number): string => new Date(time).toISOString().replace(".000Z", "Z");

/** `+5m`, or `+5m..+7m`. */
export const formatRange = ({ from, to }: Range, start: number): string =>
  from === to ? formatOffset(from - start) : `${formatOffset(from - start)}..${formatOffset(to - start)}`;
