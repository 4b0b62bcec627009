/** ISO 8601 times, as programs and people write them. */

/** Year to second, and perhaps a fraction and a zone; a space in the middle as Dovecot writes it, a comma as Python does. */
const ISO =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?(?![\d:.,+-])/;

/** Milliseconds since 1970 of a text that begins with an ISO 8601 time, and what follows it. */
export interface Found {
  time: number;
  rest: string;
}

/** @param local whether a time without a zone is in that of this process; else it is UTC */
export function findIso(text: string, local: boolean): Found | undefined {
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

export const isDay = (year: number, month: number, day: number): boolean => {
  const date = new Date(Date.UTC(year, month, day));
  return date.getUTCMonth() === month && date.getUTCDate() === day;
};

/** 60 is a leap second. */
export const isTime = (hour: number, minute: number, second: number): boolean =>
  hour < 24 && minute < 60 && second <= 60;
