import { describe, expect, test } from "bun:test";

import {
  formatInstant,
  formatOffset,
  formatRange,
  parseDuration,
  parseInstant,
  parseRange,
  parseTime,
} from "../../lib/replay/times.ts";
import { property } from "../support/random.ts";

const START = Date.UTC(2026, 2, 1);

describe("durations", () => {
  test.each([
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["0s", 0],
    ["1.5s", 1500],
    ["1d2h3m4.005s", 93_784_005],
    ["100m", 6_000_000],
  ])("%s", (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

  test.each(["", "5", "s", "1m1h", "1h1h", "-1s", "1.5m", "1 s", "1.0005s", "1ms"])("%p is none", (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );
});

describe("instants", () => {
  test.each(["2026-03-01T00:00:00Z", "2026-03-01T01:00+01:00", "2026-02-28T19:00:00.000-05:00"])("%s", (text) =>
    expect(parseInstant(text)).toBe(START),
  );
  test.each([
    ...["2026-03-01", "2026-03-01T00:00:00", "2026-13-01T00:00:00Z", "now", "1772323200"],
    ...["2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z"],
  ])("%s is none", (text) => expect(parseInstant(text)).toBeUndefined());
  test("29 February is one in leap years", () =>
    expect(parseInstant("2028-02-29T00:00:00Z")).toBe(Date.UTC(2028, 1, 29)));
});

describe("ranges", () => {
  test.each([
    ["+5m..+7m", 300_000, 420_000],
    ["+5m", 300_000, 300_000],
    ["2026-03-01T00:00:01Z..+2s", 1000, 2000],
    ["+1.5s..+1.5s", 1500, 1500],
  ])("%s", (text, from, to) => expect(parseRange(text, START)).toEqual({ from: START + from, to: START + to }));
  test.each(["+7m..+5m", "..", "+1s..", "+1s..+2s..+3s", "5m..7m"])("%s is none", (text) =>
    expect(parseRange(text, START)).toBeUndefined(),
  );
});

property("what is written is read", 300, (random) => {
  const [a, b] = [random.below(10 ** random.below(12)), random.below(1e9)];
  expect(parseTime(formatOffset(a), START)).toBe(START + a);
  expect(parseTime(formatInstant(START + a), START)).toBe(START + a);
  const range = { from: START + a, to: START + a + b };
  expect(parseRange(formatRange(range, START), START)).toEqual(range);
});
