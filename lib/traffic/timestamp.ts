/** Times as recorded traffic and log files write them. */
import { MONTHS } from "../text/months.ts";

/** Year to second, and perhaps a fraction and a zone; a space in the middle as Dovecot writes it, a comma as Python does. */
const ISO =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?(?![\d:.,+-])/;
/** `Mar  1 00:00:01`, as syslog (RFC 3164) and Dovecot write it. */
const YEARLESS = /^([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) /;

/** Milliseconds since 1970 of a text that begins with an ISO 8601 time, and what follows it. */
interface Found {
  time: number;
  rest: string;
}

/** @param local whether a time without a zone is in that of this process; else it is UTC */
function findIso(text: string, local: boolean): Found | undefined {
  const found = ISO.exec(text);
  if (!found) return undefined;
  const [all, year, month, day, hour, minute, second = "0", fraction = "", utc, sign, hours, minutes = "0"] = found;
  const date = [Number(year), Number(month) - 1, Number(day)] as const;
  const clock = [Number(hour), Number(minute), Number(second)] as const;
  if (!isDay(...date) || !isTime(...clock)) return undefined;
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const zoned = utc !== undefined || sign !== undefined;
  let time = zoned || !local ? Date.UTC(...date, ...clock) : new Date(...date, ...clock).getTime();
  if (sign) time -= (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  return { time: time + milliseconds, rest: text.slice(all.length) };
}

/** Milliseconds since 1970 of an ISO 8601 time; without a zone it is UTC, as Elasticsearch takes it. */
export function parseIso(text: string): number | undefined {
  const found = findIso(text, false);
  return found?.rest === "" ? found.time : undefined;
}

const isDay = (year: number, month: number, day: number): boolean => {
  const date = new Date(Date.UTC(year, month, day));
  return date.getUTCMonth() === month && date.getUTCDate() === day;
};

/** 60 is a leap second. */
const isTime = (hour: number, minute: number, second: number): boolean => hour < 24 && minute < 60 && second <= 60;

/** Day of a year, and time of day. */
type Yearless = readonly [month: number, day: number, hour: number, minute: number, second: number];

/**
 * Reads the time at the beginning of a log file's lines. Where they have no year it is the newest that is not in the future, or
 * the one that is given for the first line: a day that lies before that of the first line is in the year after.
 */
export class LogTimes {
  private first: Yearless | undefined;

  /** @param now milliseconds since 1970 */
  constructor(
    private readonly now: number,
    private readonly year: number | undefined,
  ) {}

  /** The time of a line and what follows it; undefined when it has none. */
  read(line: string): Found | undefined {
    const iso = findIso(line, true);
    if (iso) return iso.rest.startsWith(" ") ? { ...iso, rest: iso.rest.slice(1) } : undefined;
    const found = YEARLESS.exec(line);
    if (!found) return undefined;
    const [all, month, ...numbers] = found;
    const [day, hour, minute, second] = numbers.map(Number) as [number, number, number, number];
    const yearless = [MONTHS.indexOf(month!), day, hour, minute, second] as const;
    if (yearless[0] < 0 || !isTime(hour, minute, second)) return undefined;
    const time = this.year === undefined ? this.newest(yearless) : this.fromFirst(yearless, this.year);
    return time === undefined ? undefined : { time, rest: line.slice(all.length) };
  }

  private newest(when: Yearless): number | undefined {
    const year = new Date(this.now).getFullYear();
    // 29 February may be eight years away.
    for (let back = 0; back <= 8; back++) {
      const time = inYear(year - back, when);
      if (time !== undefined && time <= this.now) return time;
    }
    return undefined;
  }

  private fromFirst(when: Yearless, year: number): number | undefined {
    this.first ??= when;
    const isBefore = when[0] < this.first[0] || (when[0] === this.first[0] && when[1] < this.first[1]);
    return inYear(isBefore ? year + 1 : year, when);
  }
}

const inYear = (year: number, [month, day, ...clock]: Yearless): number | undefined =>
  isDay(year, month, day) ? new Date(year, month, day, ...clock).getTime() : undefined;
