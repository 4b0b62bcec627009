import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { nextCronTime } from "../../lib/time/cron.ts";
import { parseDuration } from "../../lib/time/schedule.ts";

describe("parseDuration", () => {
  test.each([
    ["0", 0],
    ["10", 36_000],
    ["5:01", 18_060],
    ["00:00:01", 1],
    ["00:01:00", 60],
    ["1:59:59", 7199],
    ["100:00:00", 360_000],
  ])("%s is %d seconds", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each([
    "",
    " ",
    "1:2:3",
    "1:2",
    "1:75",
    "1:60",
    "0:00:60",
    "00:00:00.5",
    "-1",
    "1h",
    ":01",
    "1:",
    "1:00:00:00",
    "1:00\n",
    "٣",
  ])("%j is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
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
    ["0 0 1 * */1", "2026-03-01T00:00:00", "2026-04-01T00:00:00"],
    // The first of a month that is a Sunday, Tuesday, Thursday or Saturday.
    ["0 0 1 * */2", "2026-03-01T00:00:00", "2026-08-01T00:00:00"],
    ["0 0 */10 * 1", "2026-03-01T00:00:00", "2026-05-11T00:00:00"],
    ["30 5 */1 * 1-5", "2026-03-06T06:00:00", "2026-03-09T05:30:00"],
    ["0 0 1 1 */7", "2026-03-01T00:00:00", "2034-01-01T00:00:00"],
    ["@daily", "2026-03-01T00:00:00", "2026-03-02T00:00:00"],
    ["@hourly", "2026-03-01T00:59:59", "2026-03-01T01:00:00"],
    ["0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"],
  ])("%s after %s is %s, in local time", (expression, after, next) => {
    expect(nextCronTime(expression, local(after))).toBe(local(next));
  });

  test.each([
    [
      "30 2 * * *",
      "2026-03-28T12:00:00Z",
      "2026-03-29T01:30:00.000Z",
      "the gap: 2:30 does not exist, 3:30 stands in for it",
    ],
    ["30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00.000Z", "the doubled hour: the first 2:30"],
    ["30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00.000Z", "and not the second"],
    ["30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00.000Z", "an hourly one runs in both"],
  ])("%s after %s in Berlin is %s: %s", (expression, after, next) => {
    const module = join(import.meta.dir, "..", "..", "lib", "time", "cron.ts");
    const script = `const { nextCronTime } = await import(${JSON.stringify(module)});
      console.log(new Date(nextCronTime(${JSON.stringify(expression)}, Date.parse("${after}"))).toISOString());`;
    const child = Bun.spawnSync([process.execPath, "-e", script], { env: { ...process.env, TZ: "Europe/Berlin" } });
    expect(child.stdout.toString().trim()).toBe(next);
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
