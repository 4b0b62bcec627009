import { describe, expect, test } from "bun:test";

import { readRetryAfter } from "../../lib/webhooks/retry-after.ts";

describe("Retry-After", () => {
  const NOW = Date.UTC(2026, 10, 22, 12);
  test.each([
    ["120", 120_000],
    ["0", 0],
    ["9".repeat(400), Infinity],
    ["Sun, 22 Nov 2026 12:01:00 GMT", 60_000],
    ["Sunday, 22-Nov-26 12:01:00 GMT", 60_000],
    ["Sun Nov 22 12:01:00 2026", 60_000],
    ["Tue Dec  1 12:00:00 2026", 9 * 86_400_000],
    ["Sunday, 22-Nov-76 12:00:00 GMT", 18_263 * 86_400_000],
    ["Tuesday, 22-Nov-77 12:00:00 GMT", 0],
    ["Sun, 22 Nov 2026 11:00:00 GMT", 0],
    ["", undefined],
    ["-1", undefined],
    ["1.5", undefined],
    ["2026-11-22", undefined],
    ["soon", undefined],
    ["Sun Nov 22 12:01:00 2026 GMT", undefined],
    ["Sun, 22 Nov 2026 12:01:00", undefined],
    ["Sun, 22 Nov 2026 12:01:00 +0100", undefined],
    ["Sun, 22 Foo 2026 12:01:00 GMT", undefined],
    ["Sun, 22 Nov 2026 12:01:00 GMT and more", undefined],
    ["Sunday", undefined],
    [null, undefined],
  ])("%j is %p ms", (value, milliseconds) => expect(readRetryAfter(value, NOW)).toBe(milliseconds!));
});
