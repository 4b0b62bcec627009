/** --json, --junit, --run, the progress, and what ends up where. */
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { readFixture } from "../../lib/replay/fixture.ts";
import { formatProgress, ProgressBar } from "../../lib/replay/progress-bar.ts";
import { type Progress, runFixture } from "../../lib/replay/run.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { HEAD, runReplay } from "../support/replay.ts";

const FILES = {
  "spec.conf": `addCustomWebHook("a", { url = "http://a/" }) addCustomStat("n") setBackground("f", print)
    setReport(function(lt) incCustomStat("n") runCustomWebHook("a", lt.login) end)`,
  "good.replay.yaml": HEAD.replace("spec\n", "good\n") + "reports: [{ at: +1m, login: joe }]\n",
  "bad.replay.yaml":
    HEAD.replace("spec\n", `"<bad> & \\"x\\" \\e[31m"\n`) +
    `reports: [{ at: +1m, login: "a<b>&\\u0001\\e[31m]]>" }]\nexpect: { webhooks: [] }\n`,
};

describe("--json", () => {
  test("is one document with everything that text has", async () => {
    using run = await runReplay(FILES, { json: true });
    expect(run.code).toBe(1);
    const { fixtures, never_exercised, summary } = JSON.parse(run.output);
    expect(fixtures[0]).toEqual({
      file: "good.replay.yaml",
      name: "good",
      passed: true,
      updated: false,
      differences: [],
      reports: 1,
      webhooks: 1,
      webhook_counts: { a: 1 },
      alerts: 0,
      alert_counts: {},
      background: {},
      custom_stats: { n: 1 },
      lua_errors: 0,
      virtual_seconds: 60,
    });
    expect(fixtures[1]).toMatchObject({
      name: '<bad> & "x" \x1b[31m',
      passed: false,
      differences: [
        {
          key: "expect.webhooks",
          line: 5,
          expected: "nothing",
          at: "+1m (2026-03-01T00:01:00Z)",
          cause: expect.stringContaining("report bad.replay.yaml:4"),
        },
      ],
    });
    expect(never_exercised).toEqual([
      { config: expect.stringContaining("spec.conf"), endpoints: [], background: ["f"], webhooks: [] },
    ]);
    expect(summary).toEqual({
      fixtures: 2,
      passed: 1,
      failed: 1,
      unusable: 0,
      reports: 2,
      webhooks: 2,
      alerts: 0,
      background_runs: 0,
      lua_errors: 0,
      virtual_seconds: 120,
    });
  });

  test("tells the story aside", async () => {
    using run = await runReplay(FILES, { json: true, verbose: true });
    JSON.parse(run.output);
    expect(run.aside).toContain("  +1m  webhook a joe\n");
  });
});

test("--junit is XML, whatever names and bodies hold", async () => {
  using folder = temporaryFolder();
  const junit = join(folder.path, "out.xml");
  using run = await runReplay(FILES, { junit });
  expect(run.code).toBe(1);
  const xml = readFileSync(junit, "utf8");
  expect(elements(xml)).toEqual([
    ["testsuites", { tests: "2", failures: "1", errors: "0" }],
    ["testsuite", { name: "trackalert --replay", tests: "2", failures: "1", errors: "0" }],
    ["testcase", { classname: join(run.folder, "good.replay.yaml"), name: "good" }],
    ["testcase", { classname: join(run.folder, "bad.replay.yaml"), name: '<bad> & "x" \ufffd[31m' }],
    ["failure", { message: "expect.webhooks" }],
  ]);
  expect(xml).toContain("a&lt;b&gt;&amp;");
});

test("a fixture that turns out to be unusable is told everywhere", async () => {
  using folder = temporaryFolder();
  const junit = join(folder.path, "out.xml");
  const files = {
    "spec.conf": "",
    "bad.replay.yaml": `${HEAD}reports: a.jsonl\n`,
    "good.replay.yaml": HEAD,
    "a.jsonl": "[1]\n",
  };
  using run = await runReplay(files, { junit });
  expect(run.code).toBe(2);
  expect(run.aside).toStartWith("a.jsonl:1: the body must be a JSON object, not an array\n");
  expect(run.output).toMatch(/^ok .*\n2 fixtures: 1 passed, 0 failed, 1 cannot be used, 0 reports, /);
  expect(elements(readFileSync(junit, "utf8")).slice(1, 4)).toEqual([
    ["testsuite", { name: "trackalert --replay", tests: "2", failures: "0", errors: "1" }],
    ["testcase", { classname: join(run.folder, "bad.replay.yaml"), name: "spec" }],
    ["error", { message: "cannot be used" }],
  ]);
  using json = await runReplay(files, { json: true });
  const { fixtures, summary } = JSON.parse(json.output);
  expect(fixtures[0]).toEqual({
    file: "bad.replay.yaml",
    name: "spec",
    passed: false,
    error: "a.jsonl:1: the body must be a JSON object, not an array",
  });
  expect(summary).toMatchObject({ fixtures: 2, passed: 1, failed: 0, unusable: 1 });
});

test("--junit that cannot be written is told, with exit code 2", async () => {
  using run = await runReplay(
    { ...FILES, "bad.replay.yaml": FILES["good.replay.yaml"] },
    { junit: "/no/such/folder/x" },
  );
  expect(run.code).toBe(2);
  expect(run.aside).toStartWith("--junit /no/such/folder/x: cannot be written: ENOENT\n");
});

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#10": "\n" };
const unescape = (text: string): string => text.replace(/&(.*?);/g, (_, name: string) => ENTITIES[name]!);

/** The elements of an XML text in order, with their attributes. Throws when it is not well-formed. */
function elements(xml: string): [name: string, attributes: Record<string, string>][] {
  const found: [string, Record<string, string>][] = [];
  const open: string[] = [];
  const token =
    /<\?xml [^?]*\?>|<\/(\w+)>|<(\w+)((?: \w+="[^"<&\x00-\x1f]*(?:&\S+?;[^"<&\x00-\x1f]*)*")*)(\/?)>|[^<>\x00-\x09\x0b-\x1f]+/gy;
  for (let at = 0; at < xml.length; at = token.lastIndex) {
    token.lastIndex = at;
    const match = token.exec(xml);
    if (!match) throw new Error(`not well-formed at ${at}: ${JSON.stringify(xml.slice(at, at + 80))}`);
    const [text, closed, name, attributes = "", empty] = match;
    if (closed !== undefined && open.pop() !== closed) throw new Error(`</${closed}> closes nothing`);
    if (name !== undefined) {
      const pairs = [...attributes.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key!, unescape(value!)]);
      found.push([name, Object.fromEntries(pairs)]);
      if (empty === "") open.push(name);
    } else if (/&(?!(amp|lt|gt|quot|#10);)/.test(text)) throw new Error(`a bare & in ${JSON.stringify(text)}`);
  }
  if (open.length > 0) throw new Error(`${open.join()} is never closed`);
  return found;
}

describe("text", () => {
  test("shows no control characters, and colours only on a terminal", async () => {
    using run = await runReplay(FILES);
    expect(run.output).not.toMatch(/[^\n\x20-\x7e]/);
    using drawn = await runReplay(FILES, { colours: true });
    expect(drawn.output).toContain("\x1b[31mFAIL\x1b[0m ");
  });

  test("shows so many differences as a person reads, and --json has all", async () => {
    const many = {
      "spec.conf": FILES["spec.conf"],
      "spec.replay.yaml": `${HEAD}reports: [{ at: +1m, login: joe, repeat: 25 }]\nexpect: { webhooks: [] }\n`,
    };
    using text = await runReplay(many);
    expect(text.output.match(/expected +nothing/g)).toHaveLength(20);
    expect(text.output).toContain("\n  … and 5 more differences\n");
    using json = await runReplay(many, { json: true });
    expect(JSON.parse(json.output).fixtures[0].differences).toHaveLength(25);
  });

  test("ends with what it all adds up to", async () => {
    using run = await runReplay(FILES);
    expect(run.output).toEndWith(
      "2 fixtures: 1 passed, 1 failed, 2 reports, 2 webhooks, 0 background runs, 0 Lua errors, virtual time 2m\n",
    );
    expect(run.aside).toMatch(/^real time \d+\.\d s, \d+ reports a second\n$/);
  });
});

describe("--run", () => {
  test("picks by name", async () => {
    using run = await runReplay(FILES, { run: /^go+d$/ });
    expect(run).toMatchObject({ code: 0, output: expect.stringMatching(/\n1 fixture: /) });
  });

  test("that picks nothing is a mistake", async () => {
    using run = await runReplay(FILES, { run: /none/ });
    expect(run).toMatchObject({ code: 2, output: "", aside: "no fixture has a name that matches /none/\n" });
  });
});

describe("progress", () => {
  test("says how much is done, how fast, and how long it will take", () => {
    const start = Date.UTC(2026, 2, 1);
    const progress = { share: 0.25, reports: 1_250_000, time: start + 7.5 * 86_400_000 + 1234 };
    expect(formatProgress(progress, start, 20)).toBe(
      "██████░░░░░░░░░░░░░░░░░░ 25 %  1,250,000 reports  +7d12h  62,500/s  60 s left",
    );
  });

  test("is told where time passes without reports, too", async () => {
    const policy = `setBackground("f", function() end) intervalScheduleBackgroundFunc("00:00:10", "f")`;
    using folder = temporaryFolder();
    const file = join(folder.path, "spec.replay.yaml");
    writeFileSync(join(folder.path, "spec.conf"), policy);
    writeFileSync(file, `${HEAD}until: +1d\n`);
    const seen: Progress[] = [];
    await runFixture(readFixture(file), { parseDevice: () => [], progress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(3);
    for (const { share, time } of seen) expect(share).toBe((time - Date.UTC(2026, 2, 1)) / 86_400_000);
  });

  test("of what is done soon shows nothing", () => {
    const bar = new ProgressBar(() => expect.unreachable(), 0);
    bar.update({ share: 0.5, reports: 10, time: 0 });
    bar.clear();
  });
});
