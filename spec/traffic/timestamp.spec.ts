/** Times as log files and Elasticsearch write them. */
import { describe, expect, test } from "bun:test";

import { LogTimes } from "../../lib/traffic/timestamp.ts";

const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString();
const NOW = Date.parse("2026-03-01T12:00:00Z");
const read = (line: string, year?: number, now = NOW): string | undefined =>
  iso(new LogTimes(now, year).read(line)?.time);

describe("the time of a log line", () => {
  test.each([
    ["Mar  1 00:00:01 mx dovecot: x", "2026-03-01T00:00:01.000Z"],
    ["Mar 01 00:00:01 imap-login: x", "2026-03-01T00:00:01.000Z"],
    // It would be in the future.
    ["Mar  1 12:00:01 mx x", "2025-03-01T12:00:01.000Z"],
    ["Dec 31 23:59:59 mx x", "2025-12-31T23:59:59.000Z"],
    ["Feb 29 01:00:00 mx x", "2024-02-29T01:00:00.000Z"],
    ["2026-03-01T00:00:01.25+01:00 mx x", "2026-02-28T23:00:01.250Z"],
    ["2026-03-01 00:00:01 x", "2026-03-01T00:00:01.000Z"],
  ])("%s is %s", (line, time) => {
    expect(read(line)).toBe(time);
  });

  test.each([
    "",
    "Foo  1 00:00:01 mx x",
    "Mar 32 00:00:01 mx x",
    "Mar  1 25:00:01 mx x",
    "Mar  1 00:00:01",
    "2026-03-01T00:00:01Zx",
    "{}",
  ])("'%s' is none", (line) => {
    expect(read(line)).toBeUndefined();
  });

  test("is in the zone of the process where the line names none", () => {
    const before = process.env["TZ"];
    process.env["TZ"] = "America/New_York";
    try {
      expect(read("Mar  1 00:00:01 mx x")).toBe("2026-03-01T05:00:01.000Z");
      expect(read("2026-03-01 00:00:01 x")).toBe("2026-03-01T05:00:01.000Z");
    } finally {
      if (before === undefined) delete process.env["TZ"];
      else process.env["TZ"] = before;
    }
  });

  test("of a file whose year is given goes on into the next", () => {
    const times = new LogTimes(NOW, 2023);
    const lines = [
      "Nov 30 10:00:00 x",
      "Dec 31 23:59:59 x",
      "Jan  1 00:00:00 x",
      "Nov 30 09:59:59 x",
      "Nov 29 00:00:00 x",
    ];
    expect(lines.map((line) => iso(times.read(line)?.time)?.slice(0, 19))).toEqual([
      "2023-11-30T10:00:00",
      "2023-12-31T23:59:59",
      "2024-01-01T00:00:00",
      "2023-11-30T09:59:59",
      "2024-11-29T00:00:00",
    ]);
  });
});
