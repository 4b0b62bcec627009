import { describe, expect, test } from "bun:test";

import { DEFAULT_ATTEMPTS, readRetryAfter, retryPause } from "../../lib/webhooks/retry.ts";

describe("the pause before the next attempt", () => {
  const SECONDS = [5, 30, 120, 600, 3600, 21_600];

  test("follows the schedule, give or take a fifth", () => {
    expect(DEFAULT_ATTEMPTS).toBe(SECONDS.length + 1);
    for (const [i, seconds] of SECONDS.entries()) {
      for (const [random, factor] of [
        [0, 0.8],
        [0.5, 1],
        [1, 1.2],
      ] as const)
        expect(retryPause(i + 1, undefined, random)).toBeCloseTo(seconds * 1000 * factor);
    }
  });

  test("stays the longest one when more attempts are asked for", () => {
    expect(retryPause(20, undefined, 0.5)).toBe(21_600_000);
  });

  test("is what the receiver asks for, never less, from a second to a day", () => {
    expect(retryPause(1, 2000, 0)).toBe(2000);
    expect(retryPause(1, 2000, 1)).toBe(2400);
    expect(retryPause(1, 0, 0)).toBe(1000);
    expect(retryPause(1, Infinity, 0)).toBe(86_400_000);
  });
});

describe("Retry-After", () => {
  const NOW = Date.UTC(2026, 10, 22, 12);
  test.each([
    ["120", 120_000],
    ["0", 0],
    ["9".repeat(400), Infinity],
    ["Sun, 22 Nov 2026 12:01:00 GMT", 60_000],
    ["Sunday, 22-Nov-26 12:01:00 GMT", 60_000],
    ["Sun Nov 22 12:01:00 2026 GMT", 60_000],
    ["Sun, 22 Nov 2026 11:00:00 GMT", 0],
    ["", undefined],
    ["-1", undefined],
    ["1.5", undefined],
    ["2026-11-22", undefined],
    ["soon", undefined],
    ["Sunday", undefined],
    [null, undefined],
  ])("%j is %p ms", (value, milliseconds) => expect(readRetryAfter(value, NOW)).toBe(milliseconds!));
});
