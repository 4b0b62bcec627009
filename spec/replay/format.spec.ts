/** The fixture format: what is wrong is named with file, line and key, and nothing runs. */
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { HEAD, runReplay } from "../support/replay.ts";

/** What a fixture that cannot be used answers. */
async function problem(fixture: string | Uint8Array, files: Record<string, string> = {}): Promise<string> {
  using run = await runReplay({ "spec.conf": "", ...files, "spec.replay.yaml": fixture });
  expect({ code: run.code, output: run.output }).toEqual({ code: 2, output: "" });
  return run.aside.trimEnd();
}

describe("a fixture that cannot be used", () => {
  test.each([
    ["", "spec.replay.yaml:1: a mapping expected, got nothing"],
    ["- a", "spec.replay.yaml:1: a mapping expected, got a list"],
    ["{}", "spec.replay.yaml:1: missing: name, config, start"],
    ["name: x\nstart: 2026-03-01T00:00:00Z\n", "spec.replay.yaml:1: missing: config"],
    ["name: [a\n", /^spec\.replay\.yaml:2: Flow sequence .* must .*\]/],
    ["name: a\nname: b\n", "spec.replay.yaml:2: Map keys must be unique"],
    [
      "name: a\nconfig: none.conf\nstart: 2026-03-01T00:00:00Z",
      /^spec\.replay\.yaml:2: config: "none\.conf" cannot be read: ENOENT/,
    ],
    ["name: a\nconfig: .\nstart: 2026-03-01T00:00:00Z", 'spec.replay.yaml:2: config: "." is no file'],
    ["name: a\nconfig: spec.replay.yaml\nstart: 2026-03-01T00:00:00Z", /:2: config: .* is this fixture itself$/],
    ["name: a\nconfig: spec.conf\nstart: 2026-03-01", /:3: start: an instant with its zone expected/],
    ["name: a\nconfig: spec.conf\nstart: 2026-02-31T00:00:00", /:3: start: an instant with its zone expected/],
    [
      "name: 5\nconfig: spec.conf\nstart: 2026-03-01T00:00:00Z",
      "spec.replay.yaml:1: name: a text expected, got 5: put it in quotes",
    ],
  ])("%p", async (fixture, message) => {
    const got = await problem(fixture);
    if (typeof message === "string") expect(got).toBe(message);
    else expect(got).toMatch(message);
  });

  test.each([
    ["repots: []", "repots: unknown key: was reports meant?"],
    ["xyz: 1", "xyz: unknown key: known are name, config, start, until, tz, learn, reports, http, endpoints, expect"],
    ["until: 5", /^until: an instant .* or an offset .* expected, got '5'$/],
    ["until: 2026-02-28T00:00:00Z", "until: is before `start`"],
    ["? [a, b]\n: c", "keys must be plain texts"],
    ["tz: Europe/Atlantis", "tz: a time zone such as Europe/Berlin expected, got 'Europe/Atlantis'"],
    ['tz: "+05:00"', "tz: a time zone such as Europe/Berlin expected, got '+05:00'"],
    ["http: [{ url: a, body: &a { x: *a } }]", "http[0].body.x: an alias of what it is a part of"],
    ["http: [{ url: a, body: { x: *b } }]", "http[0].body.x: the alias *b stands for nothing: no anchor &b before it"],
    ["reports: *b", "reports: the alias *b stands for nothing: no anchor &b before it"],
    ["http: [{ url: a, body: { ? [a] : b } }]", "http[0].body: keys must be plain texts"],
    ["http: [{ url: a, body: [!!binary aGVsbG8=] }]", "http[0].body[0]: a value that JSON has, too, expected"],
    ["http: [{ url: a, body: [.inf] }]", "http[0].body[0]: a value that JSON has, too, expected"],
    ["expect: { webhooks: [{ body: &a [[*a]] }] }", /^expect\.webhooks\[0\]\.body\[0\]\[0\]: an alias of/],
    ["reports: 7", "reports: a text expected, got 7: put it in quotes"],
    ["reports: none.jsonl", /^reports: "none\.jsonl" cannot be read: ENOENT \(looked for at .*none\.jsonl\)$/],
    ["reports: spec.replay.yaml", 'reports: "spec.replay.yaml" is this fixture itself'],
    ["reports: [{ file: spec.conf, shift: 5m }]", "reports[0].shift: 'to-start' expected, got '5m'"],
    ["reports: [{ file: spec.conf, at: +1m }]", "reports[0].at: unknown key: known are file, shift"],
    ["reports: [{ login: joe }]", /^reports\[0\]: 'at' is missing: an instant such as/],
    ["reports: [{ at: +1m, logn: joe }]", "reports[0].logn: unknown key: was login meant?"],
    ["reports: [{ at: +1m, login: 12 }]", "reports[0].login: a text expected, got 12: put it in quotes"],
    ["reports: [{ at: +1m, success: no }]", 'reports[0].success: true or false expected, got "no"'],
    ["reports: [{ at: +1m, remote: 300.1.1.1 }]", 'reports[0]: remote: not an IP address: "300.1.1.1"'],
    ["reports: [{ at: 1m }]", /^reports\[0\]\.at: an instant .* expected, got '1m'$/],
    ["reports: [{ at: 2026-02-28T23:59:59Z }]", "reports[0].at: is before `start`"],
    ["reports: [{ at: +1m, repeat: 0 }]", "reports[0].repeat: whole number from 1 to 100000000 expected, got 0"],
    ["reports: [{ at: +1m, repeat: 2, every: 5 }]", /every: a duration such as 2s or 1h30m expected, got '5'$/],
    ["reports: [{ at: +99999999999d }]", "reports[0].at: is more than ten years after `start`"],
    [
      "reports: [{ at: +1d, repeat: 3660, every: 1d }]",
      /^reports\[0\]: the last repetition is more than ten years after/,
    ],
    [`reports: [{ at: +1d, every: ${"9".repeat(400)}d }]`, "reports[0].every: is more than ten years"],
    ["until: +99999999999d", "until: is more than ten years after `start`"],
    ["endpoints: [{ at: +3651d, name: a }]", "endpoints[0].at: is more than ten years after `start`"],
    ["until: 2026-02-30T00:00:00Z", /^until: an instant .* expected, got '2026-02-30T00:00:00Z'$/],
    ["http: [{ status: 200 }]", "http[0]: 'url' is missing"],
    ["http: [{ url: 'http://a/', status: 99 }]", "http[0].status: whole number from 100 to 599 expected, got 99"],
    ["endpoints: [{ at: +1m }]", "endpoints[0]: 'at' and 'name' are needed"],
    [
      "endpoints: [{ at: +1m, name: a, expect: { attrs: {} } }]",
      "endpoints[0].expect.attrs: unknown key: was r_attrs meant?",
    ],
    ['reports: [{ at: "\\e[31m" }]', /got '\\x1b\[31m'$/],
    ["expect: { webhook: [] }", "expect.webhook: unknown key: was webhooks meant?"],
    ["expect: { webhooks: alert }", 'expect.webhooks: a list expected, got "alert"'],
    ["expect: { webhooks: [{ at: +7m..+5m }] }", /^expect\.webhooks\[0\]\.at: a time such as .* got '\+7m\.\.\+5m'$/],
    ["expect: { logs: ['('] }", /^expect\.logs\[0\]: no regular expression: /],
    ["expect: { errors: -1 }", /^expect\.errors: whole number from 0 to \d+ expected, got -1$/],
    ["expect: { stats: { custom: { a: x } } }", 'expect.stats.custom.a: a number expected, got "x"'],
    ["expect: { errors: !!bad 1 }", /errors|Unresolved tag/],
  ])("%s", async (rest, message) => {
    const got = await problem(`${HEAD}\n${rest}\n`);
    expect(got).toStartWith("spec.replay.yaml:5: ");
    const said = got.slice("spec.replay.yaml:5: ".length);
    if (typeof message === "string") expect(said).toBe(message);
    else expect(said).toMatch(message);
  });

  test("other encodings than UTF-8", async () => {
    expect(await problem(Buffer.from(`${HEAD}# caf\xe9\n`, "latin1"))).toBe("spec.replay.yaml:4: is not UTF-8");
  });

  test("after `until` nothing can happen", async () => {
    const until = `${HEAD}until: +10m\n`;
    expect(await problem(`${until}reports: [{ at: +11m }]`)).toEndWith(":5: reports[0].at: is after `until`");
    expect(await problem(`${until}endpoints: [{ at: +11m, name: a }]`)).toEndWith(
      ":5: endpoints[0].at: is after `until`",
    );
    const repeated = "reports: [{ at: +10m, repeat: 2, every: 1ms }]";
    expect(await problem(until + repeated)).toContain(":5: reports[0].every: a duration");
    expect(await problem(`${until}reports: [{ at: +10m, repeat: 2, every: 1s }]`)).toContain(
      "repetition is after `until`",
    );
  });

  test("aliases that grow without bound are refused", async () => {
    const bomb = Array.from({ length: 9 }, (_, i) => `    a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`).join("\n");
    expect(await problem(`${HEAD}http:\n- url: a\n  body:\n    a0: &a0 [1]\n${bomb}\n`)).toMatch(
      /^spec\.replay\.yaml:\d+: http\[0\]\.body\.a\d\[.*: the file has more than 1000000 values$/,
    );
  });

  test("of several, all that is wrong is told before anything runs", async () => {
    const files = { "spec.conf": "", "a.replay.yaml": "a: 1", "b.replay.yaml": HEAD, "c.replay.yaml": "c: 1" };
    using run = await runReplay(files);
    expect(run.code).toBe(2);
    expect(run.output).toBe("");
    expect(run.aside).toMatch(/^a\.replay\.yaml:1: .*\nc\.replay\.yaml:1: .*\n$/);
  });
});

describe("JSONL", () => {
  const START = Date.UTC(2026, 2, 1) / 1000;
  const report = (t: number | undefined, login = "joe"): string => JSON.stringify({ t, login, remote: "192.0.2.1" });
  const replayLines = (jsonl: string | Uint8Array, rest = "reports: a.jsonl") =>
    runReplay(
      {
        "spec.conf": 'setReport(function(lt) infoLog("got", { login = lt.login, t = lt.t, now = os.time() }) end)',
        "a.jsonl": jsonl,
        "spec.replay.yaml": `${HEAD}${rest}\n`,
      },
      { verbose: true },
    );
  const seen = (output: string): string[] =>
    [...output.matchAll(/ {2}(\S+) {2}log info: got: login="(\w+)"/g)].map(([, at, login]) => `${at} ${login}`);

  test.each([
    ["no JSON", `${report(START)}\n{"t":\n`, "a.jsonl:2: not JSON: a value expected at byte 6, the body ends"],
    [
      "half a last line",
      `${report(START)}\n${report(START).slice(0, 20)}`,
      /^a\.jsonl:2: not JSON: .*half a line\?\)$/,
    ],
    ["a byte order mark", `\ufeff${report(START)}`, "a.jsonl:1: begins with a byte order mark: save it without one"],
    [
      "a line that is a little too long",
      `${report(START)}\n{"login":"${"x".repeat(1024 * 1024 + 64 - 11)}"}\n`,
      "a.jsonl:2: longer than 1 MiB, as no report is",
    ],
    ["no object", "[1]\n", "a.jsonl:1: the body must be a JSON object, not an array"],
    ["an empty line", `${report(START)}\n\n${report(START)}`, /^a\.jsonl:2: not JSON: /],
    ["a t that is no time", '{"t":"soon"}', 'a.jsonl:1: t: a number or an ISO 8601 time expected, got "soon"'],
    ["a bad address", '{"remote":"x"}', 'a.jsonl:1: remote: not an IP address: "x"'],
    [
      "before the start",
      `${report(START)}\n${report(START - 1)}\n`,
      /^a\.jsonl:2: t: 2026-02-28T23:59:59Z is before `start`/,
    ],
    [
      "milliseconds",
      report(START * 1000),
      /^a\.jsonl:1: t: \+05\d+-.* is more than ten years after `start`: t is in seconds$/,
    ],
    ["far beyond all dates", report(1e300), /^a\.jsonl:1: t: .* is more than ten years after/],
    [
      "10 MB without a line end",
      `${report(START)}\n{"login":"${"x".repeat(10_000_000)}`,
      "a.jsonl:2: longer than 1 MiB, as no report is",
    ],
  ])("%s is an error with file and line", async (_, jsonl, message) => {
    using run = await replayLines(jsonl);
    expect(run.code).toBe(2);
    const [first] = run.aside.split("\n");
    if (typeof message === "string") expect(first).toBe(message);
    else expect(first).toMatch(message);
  });

  test("a file that is gone when its turn comes", async () => {
    const files = { "spec.conf": "", "a.jsonl": "", "a.replay.yaml": HEAD, "b.replay.yaml": `${HEAD}reports: a.jsonl` };
    const print = (line: string): void => {
      const file = /\((.*)a\.replay\.yaml:/.exec(line)?.[1];
      if (file) rmSync(`${file}a.jsonl`);
    };
    using run = await runReplay(files, { print });
    expect(run.code).toBe(2);
    expect(run.aside).toStartWith("a.jsonl:1: cannot be read: ENOENT\n");
  });

  test("after `until` too", async () => {
    using run = await replayLines(report(START + 601), "until: +10m\nreports: a.jsonl");
    expect(run.code).toBe(2);
    expect(run.aside).toStartWith("a.jsonl:1: t: 2026-03-01T00:10:01Z is after `until`\n");
  });

  test("t may be an ISO text, or only @timestamp, and the file an export or gzipped", async () => {
    const lines = [
      '{"login":"a","t":"2026-03-01T00:00:01Z"}',
      '{"login":"b","@timestamp":"2026-03-01T00:00:02.500Z"}',
      '{"_source":{"login":"c","@timestamp":"2026-03-01T01:00:03+01:00"}}',
    ];
    using run = await replayLines(Bun.gzipSync(Buffer.from(lines.join("\n"))));
    expect(run.aside).toStartWith("real time");
    expect(seen(run.output)).toEqual(["+1s a", "+2.5s b", "+3s c"]);
  });

  test("reports are brought in order, and keep it at equal times", async () => {
    const lines = [report(START + 5, "c"), report(START + 1, "a"), report(START + 5, "d"), report(START + 2, "b")];
    using run = await replayLines(lines.join("\n"));
    expect(seen(run.output)).toEqual(["+1s a", "+2s b", "+5s c", "+5s d"]);
  });

  test("what is out of order by more than is read ahead is an error", async () => {
    const many = Array.from({ length: 11_010 }, (_, i) => report(START + 10 + i));
    using run = await replayLines([...many, report(START)].join("\n"));
    expect(run.code).toBe(2);
    expect(run.aside).toMatch(
      /^a\.jsonl:11011: t: 2026-03-01T00:00:00Z is out of order by more than 10000 reports: sort/,
    );
  });

  test("a report without t has the time of the one before it", async () => {
    using run = await replayLines([report(undefined, "a"), report(START + 3, "b"), report(undefined, "c")].join("\n"));
    expect(seen(run.output)).toEqual(["+0s a", "+3s b", "+3s c"]);
  });

  test("shift: to-start moves the first in time to the start, and t with it", async () => {
    const lines = [report(1.5, "b"), report(1.25, "a"), report(61.25, "c")];
    using run = await replayLines(lines.join("\n"), "reports: { file: a.jsonl, shift: to-start }");
    expect(seen(run.output)).toEqual(["+0s a", "+0.25s b", "+1m c"]);
    expect(run.output).toContain(`got: login="c" now="${START + 60}" t="${START + 60}"`);
  });

  test("sources are merged by time; at equal times the first in the fixture comes first", async () => {
    const rest = `reports: [{ at: +1s, login: x, repeat: 3, every: 1s }, a.jsonl, { at: +2s, login: y }]`;
    using run = await replayLines([report(START + 1, "a"), report(START + 2, "b")].join("\n"), rest);
    expect(seen(run.output)).toEqual(["+1s x", "+1s a", "+2s x", "+2s b", "+2s y", "+3s x"]);
  });

  test("a line of nearly 1 MiB and bytes that are no UTF-8 arrive as they are", async () => {
    const long = Buffer.from(`{"login":"l","remote":"192.0.2.1","attrs":{"a":"${"x".repeat(1_000_000)}"}}\n`);
    using run = await runReplay({
      "spec.conf": `setReport(function(lt) infoLog(#lt.login .. " " .. #(lt.attrs.a or "")) end)`,
      "a.jsonl": Buffer.concat([long, Buffer.from('{"login":"\xff\xfe","remote":""}', "latin1")]),
      "spec.replay.yaml": `${HEAD}reports: a.jsonl\nexpect: { logs: ["^info: 1 1000000$", "^info: 2 0$"] }`,
    });
    expect(run).toMatchObject({ code: 0 });
  });
});
