import { describe, expect, test } from "bun:test";

import { askedPause, DEFAULT_ATTEMPTS, patience, scheduledPause } from "../../lib/webhooks/retry.ts";

const SECONDS = [5, 30, 120, 600, 3600, 21_600];

test("the pauses between attempts follow the schedule, give or take a fifth", () => {
  expect(DEFAULT_ATTEMPTS).toBe(SECONDS.length + 1);
  for (const [i, seconds] of SECONDS.entries()) {
    for (const [random, factor] of [
      [0, 0.8],
      [0.5, 1],
      [1, 1.2],
    ] as const)
      expect(scheduledPause(i + 1, random)).toBeCloseTo(seconds * 1000 * factor);
  }
});

test("the last pause repeats when more attempts are asked for", () => {
  expect(scheduledPause(20, 0.5)).toBe(21_600_000);
});

test("a receiver that asks for it is left alone never less, up to a day", () => {
  expect(askedPause(2000, 0)).toBe(2000);
  expect(askedPause(2000, 1)).toBe(2400);
  expect(askedPause(Infinity, 0)).toBe(86_400_000);
});

describe("an event waits for a dead receiver", () => {
  const SUM = SECONDS.reduce((sum, seconds) => sum + seconds) * 1000;
  test.each([
    [7, 1.2 * SUM],
    [8, 1.2 * (SUM + 21_600_000)],
    [2, 6_000],
    [1, 6_000],
  ])("of %d attempts for %d ms", (attempts, milliseconds) => expect(patience(attempts)).toBeCloseTo(milliseconds));
});
