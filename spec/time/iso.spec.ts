/** Times as programs and people write them. */
import { describe, expect, test } from "bun:test";

import { parseIso } from "../../lib/time/iso.ts";

const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString();

describe("an ISO time", () => {
  test.each([
    ["2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z"],
    ["2026-03-01T00:00:00.123456789Z", "2026-03-01T00:00:00.123Z"],
    ["2026-03-01T00:00:00,5Z", "2026-03-01T00:00:00.500Z"],
    ["2026-03-01T01:30+01:00", "2026-03-01T00:30:00.000Z"],
    ["2026-02-28T19:00:00-0500", "2026-03-01T00:00:00.000Z"],
    ["2026-03-01T01:00:00+01", "2026-03-01T00:00:00.000Z"],
    ["2026-03-01 00:00:00", "2026-03-01T00:00:00.000Z"],
    ["2024-02-29T23:59:60z", "2024-03-01T00:00:00.000Z"],
  ])("%s is %s", (text, time) => {
    expect(iso(parseIso(text))).toBe(time);
  });

  test.each([
    "",
    "2026-02-29T00:00:00Z",
    "2026-03-01",
    "2026-03-01T24:00:00Z",
    "2026-3-1T00:00:00Z",
    "1772323200",
    "2026-03-01T00:00:00Zjunk",
    "2026-03-01T00:00:00+1",
    "2026-13-01T00:00:00Z",
  ])("'%s' is none", (text) => {
    expect(parseIso(text)).toBeUndefined();
  });

  test("costs nothing however long the text is", () => {
    for (const text of ["2026-03-01T00:00:00.", "1", "2026-03-01T00:00:00+"]) {
      expect(parseIso(text + "1".repeat(1_000_000))).toBeUndefined();
    }
  });
});
