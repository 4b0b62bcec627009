/**
 * Time zones written as rules, such as `CET-1CEST,M3.5.0,M10.5.0/3`, which libc knows and JavaScript takes for UTC.
 * Format: POSIX.1-2017, Base Definitions 8.3, "TZ"; hours of a rule up to ±167 as in RFC 8536, 3.3.1.
 */

/** What holds in a zone at some time. */
interface Offset {
  /** East of Greenwich. */
  seconds: number;
  isDaylight: boolean;
  /** Such as `CEST`. */
  name: string;
}

/** When, in each year, one offset takes over from the other. */
interface Rule {
  /** The day's midnight in UTC, in milliseconds since 1970. */
  day: (year: number) => number;
  /** Of local time after that midnight; may be negative. */
  seconds: number;
}

const DAY = 86_400_000;
/** What libc has for a zone with daylight saving time and without rules: the law of the United States. */
const DEFAULT_RULES = ",M3.2.0,M11.1.0";

const NAME = "([A-Za-z]{3,32}|<[A-Za-z0-9+-]{3,32}>)";
const TIME = "([+-]?\\d{1,3}(?::\\d{1,2}){0,2})";
const DATE = "(J\\d{1,3}|\\d{1,3}|M\\d{1,2}\\.\\d\\.\\d)";
const ZONE = new RegExp(`^${NAME}${TIME}(?:${NAME}${TIME}?(?:,${DATE}(?:/${TIME})?,${DATE}(?:/${TIME})?)?)?$`);

export class PosixZone {
  private constructor(
    private readonly standard: Offset,
    private readonly daylight: { offset: Offset; begins: Rule; ends: Rule } | undefined,
  ) {}

  /** @returns undefined when the text is no such zone */
  static parse(text: string): PosixZone | undefined {
    const match = ZONE.exec(text);
    if (!match) return undefined;
    const [, name, west, daylightName, daylightWest, from, fromTime, to, toTime] = match;
    if (daylightName !== undefined && from === undefined) return PosixZone.parse(text + DEFAULT_RULES);
    const standard = readOffset(name!, west!, false);
    const begins = from === undefined ? undefined : readRule(from, fromTime);
    const ends = to === undefined ? undefined : readRule(to, toTime);
    if (!standard || (from !== undefined && !(begins && ends))) return undefined;
    if (daylightName === undefined || !begins || !ends) return new PosixZone(standard, undefined);
    const offset =
      daylightWest === undefined
        ? { seconds: standard.seconds + 3600, isDaylight: true, name: bare(daylightName) }
        : readOffset(daylightName, daylightWest, true);
    return offset && new PosixZone(standard, { offset, begins, ends });
  }

  /** @param time milliseconds since 1970 */
  at(time: number): Offset {
    if (!this.daylight) return this.standard;
    const year = new Date(time + this.standard.seconds * 1000).getUTCFullYear();
    const [begin, end] = this.changes(year);
    const isDaylight = begin < end ? time >= begin && time < end : time >= begin || time < end;
    return isDaylight ? this.daylight.offset : this.standard;
  }

  /** The next time at which the offset changes, after the given one; Infinity when it never does. */
  nextChange(after: number): number {
    if (!this.daylight) return Infinity;
    const year = new Date(after).getUTCFullYear();
    const changes = [year - 1, year, year + 1, year + 2].flatMap((each) => this.changes(each));
    return Math.min(...changes.filter((change) => change > after));
  }

  /**
   * The time at which clocks show the given one. Of a doubled hour it is the first unless `isDaylight` says otherwise; what
   * clocks skip is taken to lie behind the gap.
   * @param shown milliseconds since 1970 as if the zone were UTC
   */
  timeOf(shown: number, isDaylight?: boolean): number {
    const before = this.at(shown - Math.max(this.standard.seconds, this.daylight?.offset.seconds ?? -Infinity) * 1000);
    const readings = [this.standard, ...(this.daylight ? [this.daylight.offset] : [])]
      .map((offset) => ({ offset, time: shown - offset.seconds * 1000 }))
      .filter(({ offset, time }) => this.at(time) === offset)
      .toSorted((a, b) => a.time - b.time);
    const wanted = readings.find(({ offset }) => offset.isDaylight === isDaylight) ?? readings[0];
    return wanted?.time ?? shown - before.seconds * 1000;
  }

  /** When daylight saving time begins and ends in a year. */
  private changes(year: number): [begin: number, end: number] {
    const { offset, begins, ends } = this.daylight!;
    const change = (rule: Rule, { seconds }: Offset): number => rule.day(year) + (rule.seconds - seconds) * 1000;
    return [change(begins, this.standard), change(ends, offset)];
  }
}

const bare = (name: string): string => name.replace(/[<>]/g, "");

/** Counted west of Greenwich, as POSIX does; 24 hours at most. */
function readOffset(name: string, west: string, isDaylight: boolean): Offset | undefined {
  const seconds = readTime(west, 24);
  return seconds === undefined ? undefined : { seconds: -seconds, isDaylight, name: bare(name) };
}

/** Seconds of `[+-]h[:mm[:ss]]`. */
function readTime(text: string, mostHours: number): number | undefined {
  const [hours = 0, minutes = 0, seconds = 0] = text.replace(/^[+-]/, "").split(":").map(Number);
  if (hours > mostHours || minutes > 59 || seconds > 59) return undefined;
  return (text.startsWith("-") ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
}

function readRule(date: string, time = "2"): Rule | undefined {
  const seconds = readTime(time, 167);
  const day = readDay(date);
  return seconds === undefined || !day ? undefined : { day, seconds };
}

function readDay(date: string): Rule["day"] | undefined {
  if (date.startsWith("M")) {
    const [month = 0, week = 0, weekday = 0] = date.slice(1).split(".").map(Number);
    if (month < 1 || month > 12 || week < 1 || week > 5 || weekday > 6) return undefined;
    return (year) => weekdayOf(year, month - 1, week, weekday);
  }
  // Jn counts from 1 and never counts 29 February, n counts from 0 and does.
  const julian = date.startsWith("J");
  const number = Number(date.slice(julian ? 1 : 0));
  if (number > 365 || (julian && number < 1)) return undefined;
  if (!julian) return (year) => Date.UTC(year, 0, 1) + number * DAY;
  return (year) => Date.UTC(year, 0, 1) + (number - 1 + (isLeap(year) && number > 59 ? 1 : 0)) * DAY;
}

const isLeap = (year: number): boolean => new Date(Date.UTC(year, 1, 29)).getUTCMonth() === 1;

/** The nth weekday of a month; the fifth is the last. */
function weekdayOf(year: number, month: number, week: number, weekday: number): number {
  const first = Date.UTC(year, month, 1);
  const days = ((weekday - new Date(first).getUTCDay() + 7) % 7) + (week - 1) * 7;
  const date = first + days * DAY;
  return new Date(date).getUTCMonth() === month ? date : date - 7 * DAY;
}
