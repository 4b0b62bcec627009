import { describe, expect, test } from "bun:test";

import { nextCronTime, parseDuration } from "../lib/schedule.ts";

describe("parseDuration", () => {
  test.each([
    ["0", 0],
    ["10", 36_000],
    ["5:01", 18_060],
    ["00:00:01", 1],
    ["00:01:00", 60],
    ["1:90", 9000],
    ["100:00:00", 360_000],
  ])("%s is %d seconds", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each(["", " ", "1:2:3", "1:2", "00:00:00.5", "-1", "1h", ":01", "1:", "1:00:00:00", "1:00\n", "٣"])(
    "%j is none",
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe("nextCronTime", () => {
  const local = (text: string): number => new Date(text).getTime();

  test.each([
    ["* * * * *", "2026-03-01T00:00:00", "2026-03-01T00:01:00"],
    ["*/15 * * * *", "2026-03-01T00:15:00", "2026-03-01T00:30:00"],
    ["5,10-12 * * * *", "2026-03-01T00:10:30", "2026-03-01T00:11:00"],
    ["0 9 * * MON-FRI", "2026-03-06T09:00:00", "2026-03-09T09:00:00"],
    ["30 4 1,15 * 5", "2026-03-01T04:30:00", "2026-03-06T04:30:00"],
    ["0 0 1 JAN *", "2026-03-01T00:00:00", "2027-01-01T00:00:00"],
    ["@daily", "2026-03-01T00:00:00", "2026-03-02T00:00:00"],
    ["@hourly", "2026-03-01T00:59:59", "2026-03-01T01:00:00"],
    ["0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"],
  ])("%s after %s is %s, in local time", (expression, after, next) => {
    expect(nextCronTime(expression, local(after))).toBe(local(next));
  });

  test("of a day that never comes is undefined", () => {
    expect(nextCronTime("0 0 30 2 *", 0)).toBeUndefined();
  });

  test.each(["", "* * * *", "* * * * * *", "60 * * * *", "a * * * *", "*/0 * * * *", "@never", "5-1 * * * *"])(
    "of %j is an error",
    (expression) => {
      expect(() => nextCronTime(expression, 0)).toThrow();
    },
  );
});
