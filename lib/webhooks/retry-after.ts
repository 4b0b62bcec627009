/** Reads the Retry-After header: seconds, or one of HTTP's three forms of a date (RFC 9110, 10.2.3 and 5.6.7). */

import { MONTHS } from "../text/months.ts";

const MONTH = `(?<month>${MONTHS.join("|")})`;
const TIME = String.raw`(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)`;

/** All are in GMT, though the last one does not say so. */
const DATES = [
  // IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
  String.raw`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\d\d) ${MONTH} (?<year>\d{4}) ${TIME} GMT`,
  // RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
  String.raw`(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\d\d)-${MONTH}-(?<year>\d\d) ${TIME} GMT`,
  // asctime: Sun Nov  6 08:49:37 1994
  String.raw`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} (?<day>\d\d| \d) ${TIME} (?<year>\d{4})`,
].map((pattern) => new RegExp(`^${pattern}$`));

/**
 * @param now milliseconds since 1970
 * @returns milliseconds from now, undefined when there is none that can be read
 */
export function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  for (const pattern of DATES) {
    const groups = pattern.exec(value)?.groups;
    if (groups) return Math.max(readDate(groups, now) - now, 0);
  }
  return undefined;
}

function readDate(groups: Record<string, string>, now: number): number {
  const number = (name: string): number => Number(groups[name]);
  const thisYear = new Date(now).getUTCFullYear();
  let year = number("year");
  // A year of two digits that is more than 50 years ahead is one of the past (RFC 9110, 5.6.7).
  if (groups["year"]!.length === 2) {
    year += thisYear - (thisYear % 100);
    if (year > thisYear + 50) year -= 100;
  }
  const month = MONTHS.indexOf(groups["month"]!);
  return Date.UTC(year, month, number("day"), number("hour"), number("minute"), number("second"));
}
