/** What `os.date` (prelude/date.lua) asks of the host. */
import type { ByteString } from "../../text/byte-string.ts";
import { strftime } from "../../text/strftime.ts";
import { zoneName } from "../../time/zone-name.ts";
import type { HostFunction } from "../call.ts";

/** What one call may take is bounded, for nothing stops it: bytes of a format, columns of a conversion. */
const LONGEST_FORMAT = 65_536;
const WIDEST = 255;

/** `strftime(format, utc, time, year, month, day, hour, min, sec, wday, yday)`, from the year on as in `*t`. */
export const dateFunctions: Record<string, HostFunction> = {
  strftime: {
    name: "date",
    level: 2,
    body(call) {
      const format = call.bytes(1);
      if (format.length > LONGEST_FORMAT) throw call.wrong(1, `longer than ${LONGEST_FORMAT} bytes`);
      for (const [, width] of format.matchAll(/%[_\-0^#]*(\d+)/g)) {
        if (Number(width) > WIDEST) throw call.wrong(1, `a width above ${WIDEST}`);
      }
      const utc = call.boolean(2);
      const [time, year, month, day, hour, minute, second, weekday, yearDay] = Array.from({ length: 9 }, (_, i) =>
        Math.trunc(call.number(3 + i)),
      ) as [number, number, number, number, number, number, number, number, number];
      const clock = new Date(0);
      clock.setUTCFullYear(year, month - 1, day);
      clock.setUTCHours(hour, minute, second);
      const offset = utc ? 0 : clock.getTime() / 1000 - time || 0;
      const zone = utc ? "GMT" : zoneName(time, offset);
      const shown = { time, year, month, day, hour, minute, second, weekday: weekday - 1, yearDay: yearDay - 1 };
      return strftime(format, { ...shown, offset, zone }) as ByteString;
    },
  },
};
