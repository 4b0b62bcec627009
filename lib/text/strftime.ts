/**
 * Times as text, by the conversions of glibc's `strftime` in the C locale (its manual page, and strftime_l.c where that is
 * silent): flags `_ - 0 ^ #`, a width, the modifiers `E` and `O`, and `%s %k %l %P` beside those of C99. What is none of
 * these comes out as it stands.
 */
import { MONTHS } from "./months.ts";

/** A time as clocks of its zone show it. */
interface ShownTime {
  /** Seconds since 1970. */
  time: number;
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  /** 0 is Sunday. */
  weekday: number;
  /** 0 is 1 January. */
  yearDay: number;
  /** Seconds east of Greenwich. */
  offset: number;
  /** The abbreviation, such as `CEST`. */
  zone: string;
}

const FULL_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September"].concat([
  "October",
  "November",
  "December",
]);
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Conversions that stand for several others. */
const COMPOSED: Record<string, string> = {
  c: "%a %b %e %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  T: "%H:%M:%S",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
};

/** What each modifier may stand before. The C locale has no other eras and no other digits, so it changes nothing. */
const MODIFIED: Record<string, string> = { "": "", E: "cCnpPrRstTuxXyYzZ%", O: "bBCdegGhHIjklmMnpPrRsStTuUVwWyzZ%" };

/** Names of days and months, which `#` writes in capitals. */
const NAMES = "aAbBh";

/** What stands between the percent sign and the conversion's letter. */
interface Wish {
  flags: string;
  /** The last flag of those about what fills the width. */
  fill: string | undefined;
  width: number;
}

/** @param format text or bytes: both pass as they are */
export function strftime(format: string, shown: ShownTime): string {
  return format.replace(
    /%([_\-0^#]*)(\d*)([EO]?)([^]?)/g,
    (whole: string, flags: string, digits: string, modifier: string, letter: string) => {
      const wish = { flags, fill: flags.match(/[_\-0]/g)?.at(-1), width: Number(digits) };
      const known = modifier === "" || MODIFIED[modifier]!.includes(letter);
      const text = (known ? convert(letter, shown, wish) : undefined) ?? whole;
      return cased(padded(text, wish), letter, flags);
    },
  );
}

const padded = (text: string, { fill, width }: Wish): string => text.padStart(width, fill === "0" ? "0" : " ");

function cased(text: string, letter: string, flags: string): string {
  const swapped = flags.includes("#");
  if (letter === "P" || (swapped && (letter === "p" || letter === "Z"))) return text.toLowerCase();
  const capitals = flags.includes("^") || (swapped && NAMES.includes(letter));
  return capitals ? text.replace(/[a-z]+/g, (small) => small.toUpperCase()) : text; // other bytes are no letters to C
}

/** @returns undefined for what is no conversion */
function convert(letter: string, shown: ShownTime, wish: Wish): string | undefined {
  const { year, month, day, hour, weekday, yearDay, offset } = shown;
  const number = (value: number, digits: number, fill = "0"): string => {
    const sign = value < 0 ? "-" : "";
    const text = String(Math.abs(value));
    if (wish.fill === "-") return sign + text;
    const length = Math.max(digits, wish.width);
    return (wish.fill ?? fill) === "0"
      ? sign + text.padStart(length - sign.length, "0")
      : (sign + text).padStart(length);
  };
  const composed = COMPOSED[letter];
  if (composed !== undefined) return strftime(composed, shown);
  switch (letter) {
    case "a":
      return WEEKDAYS[weekday]!.slice(0, 3);
    case "A":
      return WEEKDAYS[weekday];
    case "b":
    case "h":
      return MONTHS[month - 1];
    case "B":
      return FULL_MONTHS[month - 1];
    case "C":
      return number(Math.floor(year / 100), 1);
    case "d":
      return number(day, 2);
    case "e":
      return number(day, 2, "_");
    case "g":
      return number(modulo(isoWeek(shown).year, 100), 2);
    case "G":
      return number(isoWeek(shown).year, 1);
    case "H":
      return number(hour, 2);
    case "I":
      return number(hour % 12 || 12, 2);
    case "j":
      return number(yearDay + 1, 3);
    case "k":
      return number(hour, 2, "_");
    case "l":
      return number(hour % 12 || 12, 2, "_");
    case "m":
      return number(month, 2);
    case "M":
      return number(shown.minute, 2);
    case "n":
      return "\n";
    case "p":
    case "P":
      return hour < 12 ? "AM" : "PM";
    case "s":
      return String(shown.time);
    case "S":
      return number(shown.second, 2);
    case "t":
      return "\t";
    case "u":
      return number(weekday || 7, 1);
    case "U":
      return number(Math.floor((yearDay - weekday + 7) / 7), 2);
    case "V":
      return number(isoWeek(shown).week, 2);
    case "w":
      return number(weekday, 1);
    case "W":
      return number(Math.floor((yearDay - modulo(weekday - 1, 7) + 7) / 7), 2);
    case "y":
      return number(modulo(year, 100), 2);
    case "Y":
      return number(year, 1);
    case "z": {
      const minutes = Math.trunc(Math.abs(offset) / 60);
      const clock = Math.trunc(minutes / 60) * 100 + (minutes % 60);
      return padded(offset < 0 ? "-" : "+", wish) + padded(number(clock, 4), wish); // two pieces, each of the width
    }
    case "Z":
      return shown.zone;
    case "%":
      return "%";
    default:
      return undefined;
  }
}

const modulo = (a: number, b: number): number => ((a % b) + b) % b;

const daysIn = (year: number): number => (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 366 : 365);

/** ISO 8601: weeks begin on Monday, the first has the year's first Thursday. */
function isoWeek({ year, yearDay, weekday }: ShownTime): { year: number; week: number } {
  const daysSinceFirstWeek = (dayOfYear: number): number => dayOfYear + 3 - modulo(dayOfYear - weekday + 4, 7);
  let days = daysSinceFirstWeek(yearDay);
  if (days < 0) {
    days = daysSinceFirstWeek(yearDay + daysIn(year - 1));
    return { year: year - 1, week: Math.floor(days / 7) + 1 };
  }
  const next = daysSinceFirstWeek(yearDay - daysIn(year));
  return next >= 0 ? { year: year + 1, week: 1 } : { year, week: Math.floor(days / 7) + 1 };
}
