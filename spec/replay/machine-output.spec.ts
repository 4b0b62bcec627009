/** --json, --junit, --run, the progress, and what ends up where. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { formatProgress, ProgressBar } from "../../lib/replay/progress-bar.ts";
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
      reports: 2,
      webhooks: 2,
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
  const checked = Bun.spawnSync(["python3", "-c", CHECK_XML, junit]);
  expect(checked.stderr.toString()).toBe("");
  expect(JSON.parse(checked.stdout.toString())).toEqual({
    tests: "2",
    failures: "1",
    names: ["good", '<bad> & "x" \ufffd[31m'],
    message: "expect.webhooks",
  });
  expect(xml).toContain("a&lt;b&gt;&amp;");
});

const CHECK_XML = `
import json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
print(json.dumps({
  "tests": root.get("tests"), "failures": root.get("failures"),
  "names": [case.get("name") for case in root.iter("testcase")], "message": root.find(".//failure").get("message"),
}))`;

describe("text", () => {
  test("shows no control characters, and colours only on a terminal", async () => {
    using run = await runReplay(FILES);
    expect(run.output).not.toMatch(/[^\n\x20-\x7e]/);
    using drawn = await runReplay(FILES, { draw: () => {} });
    expect(drawn.output).toContain("\x1b[31mFAIL\x1b[0m ");
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

  test("of what is done soon shows nothing", () => {
    const bar = new ProgressBar(() => expect.unreachable(), 0);
    bar.update({ share: 0.5, reports: 10, time: 0 });
    bar.clear();
  });
});
