/** Local time as Lua's `os.date` and `os.time` ask the C library for it, in zones of rules, which Emscripten's JavaScript does not know. */
import { posixZone } from "../time/local-zone.ts";

/** What Emscripten has for them: a time in seconds since 1970, and the address of a `struct tm`. */
interface LocalTimeCalls {
  _localtime_js(time: bigint, tm: number): void;
  _mktime_js(tm: number): bigint;
}

/** The ints of `struct tm` (musl's time.h), in their order. */
const FIELDS = [
  "second",
  "minute",
  "hour",
  "day",
  "month",
  "year",
  "weekday",
  "yearDay",
  "isDaylight",
  "offset",
] as const;
type Fields = Record<(typeof FIELDS)[number], number>;

const DAY = 86_400_000;

/** @param own Emscripten's, for every other zone */
export function localTimeCalls(heap: () => Buffer, own: LocalTimeCalls): LocalTimeCalls {
  const { _localtime_js: ownLocalTime, _mktime_js: ownTime } = own;
  const write = (time: number, tm: number): boolean => {
    const zone = posixZone();
    if (!zone) return false;
    const { seconds, isDaylight } = zone.at(time);
    const fields = fieldsOf(new Date(time + seconds * 1000), isDaylight, seconds);
    FIELDS.forEach((name, i) => heap().writeInt32LE(fields[name], tm + 4 * i));
    return true;
  };
  return {
    _localtime_js(time, tm) {
      if (!write(Number(time) * 1000, tm)) ownLocalTime(time, tm);
    },
    _mktime_js(tm) {
      const zone = posixZone();
      if (!zone) return ownTime(tm);
      const [second, minute, hour, day, month, year, , , isDaylight] = FIELDS.map((_, i) =>
        heap().readInt32LE(tm + 4 * i),
      );
      const shown = new Date(0);
      shown.setUTCFullYear(year! + 1900, month, day);
      shown.setUTCHours(hour!, minute, second);
      // Negative: the caller does not know.
      const time = zone.timeOf(shown.getTime(), isDaylight! < 0 ? undefined : isDaylight! > 0);
      if (!Number.isFinite(time)) return -1n;
      write(time, tm);
      return BigInt(time / 1000);
    },
  };
}

/** @param shown its UTC fields are those that clocks show */
function fieldsOf(shown: Date, isDaylight: boolean, offset: number): Fields {
  const year = shown.getUTCFullYear();
  return {
    second: shown.getUTCSeconds(),
    minute: shown.getUTCMinutes(),
    hour: shown.getUTCHours(),
    day: shown.getUTCDate(),
    month: shown.getUTCMonth(),
    year: year - 1900,
    weekday: shown.getUTCDay(),
    yearDay: Math.floor((shown.getTime() - Date.UTC(year, 0, 1)) / DAY),
    isDaylight: isDaylight ? 1 : 0,
    offset,
  };
}
