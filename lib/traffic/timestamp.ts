/** Times as recorded traffic and log files write them. */
import { MONTHS } from "../text/months.ts";
import { findIso, type Found, isDay, isTime } from "../time/iso.ts";

/** `Mar  1 00:00:01`, as syslog (RFC 3164) and Dovecot write it. */
const YEARLESS = /^([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) /;

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
