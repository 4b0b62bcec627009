/** When cron expressions match, as Vixie cron has it, in local time. */
import { posixZone, shownTime } from "./local-zone.ts";
import type { PosixZone } from "./posix-zone.ts";

const DAY = 86_400_000;
const MINUTE = 60_000;
/** Days that are looked at for one that matches both day fields: eight years, as Bun's own search. */
const MOST_DAYS = 8 * 366;

/** A search in one zone: the next match after a time, both in milliseconds since 1970; undefined when there is none. */
type Search = (expression: string, after: number) => number | undefined;

/**
 * The next time that a cron expression matches, in milliseconds since 1970, after the given one. Five fields (minute, hour,
 * day of month, month, day of week) with ranges, steps, lists and names, or a nickname such as `@daily`. Both days given
 * means either, unless one of them begins with a star: then both must match, see crontab(5) of Vixie cron.
 * In a daylight saving gap a run moves behind it, in a doubled hour a fixed time runs once: see Bun.cron.parse.
 * @returns undefined when it never matches within eight years, as on February 30th
 * @throws {Error} when it is none
 */
export function nextCronTime(expression: string, after: number): number | undefined {
  const zone = posixZone();
  const search: Search = zone ? (text, time) => nextInZone(text, time, zone) : nextByBun;
  const [minute, hour, day = "*", month, weekday = "*"] = expression.trim().split(/\s+/);
  const both = day !== "*" && weekday !== "*" && (day.startsWith("*") || weekday.startsWith("*"));
  if (!both) return search(expression, after);
  nextByBun(expression, after); // Throws when a field is wrong.
  return nextOfBoth([minute, hour, day, month, "*"].join(" "), `* * * * ${weekday}`, after, search);
}

const nextByBun: Search = (expression, after) => Bun.cron.parse(expression, after)?.getTime();

/** @param days any minute of the days that must match, too */
function nextOfBoth(expression: string, days: string, after: number, search: Search): number | undefined {
  let from = after;
  for (let i = 0; i < MOST_DAYS; i++) {
    const next = search(expression, from);
    if (next === undefined) return undefined;
    // What clocks show, as if it were UTC: Bun searches local time, so that the day is asked for at a time that exists.
    if (search(days, next - MINUTE) === next) return next;
    const shown = shownTime(next);
    from = next + (DAY - (shown.getTime() % DAY)) - MINUTE;
  }
  return undefined;
}

/** A minute or hour field that makes a run one of intervals, and not of a fixed time. */
const WILD = ["*", "*/1", "0-59", "0-23"];

/**
 * Bun searches in UTC then, for that is what it takes a zone of rules for; so the search runs on what clocks show. Where they
 * are set back, an expression with a star for minute or hour runs in both of the doubled hours, others in the first.
 */
function nextInZone(expression: string, after: number, zone: PosixZone): number | undefined {
  const [minute, hour] = expression.trim().split(/\s+/);
  const isWild = hour === undefined ? minute === "@hourly" : WILD.includes(minute!) || WILD.includes(hour);
  const change = zone.nextChange(after - DAY);
  const [former, latter] = [zone.at(change - 1).seconds * 1000, zone.at(change).seconds * 1000];
  const isSetBack = Number.isFinite(change) && latter < former;
  const shown = after + zone.at(after).seconds * 1000;
  const runFrom = isSetBack && after >= change && !isWild ? Math.max(shown, change + former - 1) : shown;
  const next = nextByBun(expression, runFrom);
  const time = next === undefined ? undefined : zone.timeOf(next, after >= change ? false : undefined);
  if (!isSetBack || !isWild || after >= change || (time !== undefined && time < change)) return time;
  const again = nextByBun(expression, change + latter - 1);
  return again === undefined ? time : again - latter;
}
