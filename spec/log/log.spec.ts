import { describe, expect, test } from "bun:test";

import { escapeControls, formatFields, Level, Log, type LogOptions } from "../../lib/log/log.ts";
import type { Clock } from "../../lib/time/clock.ts";
import { property } from "../support/random.ts";

const LEVELS = Object.values(Level);
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

function collect(options: Omit<LogOptions, "sink"> = {}): { log: Log; lines: [Level, string][] } {
  const lines: [Level, string][] = [];
  return { log: new Log({ ...options, sink: (line, level) => void lines.push([level, line]) }), lines };
}

describe("write", () => {
  test.each([
    ...LEVELS.map((level): [LogOptions["level"], boolean, number] => [level, false, level]),
    [undefined, false, Level.info],
    [Level.error, true, Level.debug],
    [undefined, true, Level.debug],
  ])("at level %p, verbose %p, passes on what is at most %p", (level, verbose, most) => {
    const { log, lines } = collect({ level, verbose });
    for (const each of LEVELS) log.write(each, "x");
    expect(lines.map(([each]) => each)).toEqual(LEVELS.filter((each) => each <= most));
    expect(log.verbose).toBe(verbose);
  });

  test("each function writes at its syslog level", () => {
    const { log, lines } = collect({ verbose: true });
    log.error("e");
    log.warn("w");
    log.notice("n");
    log.info("i");
    log.debug("d");
    expect(lines).toEqual([
      [3, "e"],
      [4, "w"],
      [5, "n"],
      [6, "i"],
      [7, "d"],
    ]);
  });

  test("stamps lines with the local time when asked to", () => {
    const at = (...date: [number, number, number, number, number, number, number]): string => {
      const clock: Clock = {
        now: () => new Date(...date).getTime(),
        monotonic: () => 0,
        after: () => () => {},
        at: () => () => {},
        cpu: () => 0,
      };
      const { log, lines } = collect({ stamp: clock });
      log.info("up");
      return lines[0]![1];
    };
    expect(at(2026, 10, 22, 6, 23, 58, 958)).toBe("[2026-11-22 06:23:58,958] up");
    expect(at(2027, 0, 2, 3, 4, 5, 6)).toBe("[2027-01-02 03:04:05,006] up");
  });

  property("lines never hold control characters", 300, (random) => {
    const { log, lines } = collect({ verbose: true });
    log.write(random.pick(LEVELS), random.text(20));
    log.info(
      formatFields(
        random.text(5),
        random.list(3, () => [random.text(5), random.text(20)]),
      ),
    );
    log.failure(random.text(5), { message: random.text(20), traceback: random.text(20) });
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.filter(([, line]) => CONTROL.test(line))).toEqual([]);
  });
});

describe("a message that is too long", () => {
  test("is cut, and says so", () => {
    const { log, lines } = collect();
    log.info("x".repeat(1_000_000));
    expect(lines[0]![1]).toBe(`${"x".repeat(8192)}… (cut)`);
  });
});

describe("failure", () => {
  test("writes the message, then each line of the traceback", () => {
    const { log, lines } = collect();
    log.failure("report", { message: "a.conf:3: no\nway", traceback: "stack traceback:\n\ta.conf:3: in f" });
    expect(lines).toEqual([
      [Level.error, "report: a.conf:3: no\\nway"],
      [Level.error, "  stack traceback:"],
      [Level.error, "    a.conf:3: in f"],
    ]);
  });

  test("goes on in a second line, and in no third, where the message does so as Lua's own do", () => {
    const { log, lines } = collect();
    log.failure("report", { message: "a.conf:3: not found\n\tno file\n\tforged\nforged" });
    expect(lines).toEqual([
      [Level.error, "report: a.conf:3: not found"],
      [Level.error, "  no file\\n\\tforged\\nforged"],
    ]);
  });

  test.each([undefined, ""])("writes one line when the traceback is %p", (traceback) => {
    const { log, lines } = collect();
    log.failure("report", traceback === undefined ? { message: "no" } : { message: "no", traceback });
    expect(lines).toEqual([[Level.error, "report: no"]]);
  });
});

describe("formatFields", () => {
  test.each([
    ["Received report", [], "Received report"],
    [
      "Received report",
      [
        ["n", "1"],
        ["login", "joe"],
      ],
      'Received report: login="joe" n="1"',
    ],
    [
      "m",
      [
        ["b", "2"],
        ["B", "1"],
        ["a", ""],
      ],
      'm: B="1" a="" b="2"',
    ],
    ["m", [["k", 'a" x="1']], 'm: k="a\\" x=\\"1"'],
    ["m", [["k", "back\\"]], 'm: k="back\\\\"'],
    ["m", [["k", "\n\r\t\0\x1b\x7f\x85\u2028ü"]], 'm: k="\\n\\r\\t\\x00\\x1b\\x7f\\x85\\u2028ü"'],
  ] as [string, [string, string][], string][])("of %p and %j", (message, fields, line) => {
    expect(formatFields(message, fields)).toBe(line);
  });

  property("lets a reader tell keys and values apart, whatever the values hold", 300, (random) => {
    const unescape = (text: string): string =>
      text.replace(/\\(?:x(..)|u(....)|(.))/gsu, (_, two?: string, four?: string, one?: string) => {
        const code = two ?? four;
        return code ? String.fromCharCode(parseInt(code, 16)) : ({ n: "\n", r: "\r", t: "\t" }[one!] ?? one!);
      });
    const fields = random.list(4, () => 0).map((_, i): [string, string] => [`key${i}`, random.text(20)]);
    const line = formatFields("m", fields);
    const found = [...line.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"(?: |$)/gsu)];
    expect(found.map(([, key, value]) => [key!, unescape(value!)])).toEqual(fields);
    expect(fields.length === 0 ? line : `m: ${found.map(([text]) => text).join("")}`).toBe(line);
  });
});

describe("a key", () => {
  test("cannot pass for another field", () => {
    expect(
      formatFields("m", [
        ['a="1" b', "c"],
        ["n\n", "d"],
        ["ü.x-y", "e"],
      ]),
    ).toBe('m: a__1__b="c" n_="d" ü.x-y="e"');
  });
});

describe("escapeControls", () => {
  test.each([
    ["plain ü😀 text", "plain ü😀 text"],
    ["a\r\nb\tc", "a\\r\\nb\\tc"],
    ["\0\x01\x1f", "\\x00\\x01\\x1f"],
    ["\x7f\x80\x9f\xa0", "\\x7f\\x80\\x9f\xa0"],
    ["\u2027\u2028\u2029\u202a", "\u2027\\u2028\\u2029\u202a"],
  ])("of %j", (text, escaped) => {
    expect(escapeControls(text)).toBe(escaped);
  });
});
