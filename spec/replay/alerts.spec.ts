/** Alerts in replays: what is expected of them, in every output, and what only teaches. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "../support/daemon.ts";
import { HEAD, runPolicy, runReplay } from "../support/replay.ts";

/** An alert for each login of which one came, and one of another type for its third report. */
const POLICY = `
history = newHistory("sqlite::memory:")
local seen = {}
setReport(function(lt)
  seen[lt.login] = (seen[lt.login] or 0) + 1
  alert { type = "seen", severity = "high", login = lt.login, remote = lt.remote, cooldown = "1h",
    evidence = { n = 1, deep = { a = "b" } } }
  if seen[lt.login] == 3 then alert { type = "third", severity = "low", login = lt.login, policy = "counts" } end
end)
`;

/** From +1m on, ten seconds apart: the first seen, the third at +1m20s. */
const TRAFFIC = "reports: [{ at: +1m, login: joe, remote: 192.0.2.1, repeat: 5, every: 10s }]\n";

const differences = (output: string): string[] =>
  output
    .split("\n")
    .filter((line) => line.startsWith("  "))
    .map((line) => line.trim().replace(/ {2,}/g, " "));

describe("passes when it holds:", () => {
  test.each([
    ["nothing is expected", ""],
    ["all of them", "alerts: [{ type: seen }, { type: third }]"],
    ["of which nothing is given", "alerts: [{}, {}]"],
    ["the time", "alerts: [{ at: +1m }, { at: +1m20s }]"],
    ["a range", "alerts: [{ at: +30s..+1m }, { at: +1m20s..+2m }]"],
    ["login and address", "alerts: [{ login: joe, remote: 192.0.2.1 }, { login: joe }]"],
    ["severity and policy", "alerts: [{ severity: high }, { severity: low, policy: counts }]"],
    ["the message", "alerts: [{ message: 'seen: joe from 192.0.2.1' }, { message: 'third: joe' }]"],
    ["a part of the evidence", "alerts: [{ evidence: { deep: { a: b } } }, {}]"],
    ["how often it was raised in the end", "alerts: [{ count: 5 }, { count: 1 }]"],
    ["counts", "alert_counts: { seen: 1, third: 1, spray: 0 }"],
    ["silence", "no_alerts: [spray, new_country]"],
  ])("%s", async (_, expectation) => {
    using run = await runPolicy(POLICY, `${TRAFFIC}${expectation && `expect: { ${expectation} }`}`);
    expect(run).toMatchObject({ code: 0, output: expect.stringMatching(/^ok {3}spec .*2 alerts/) });
  });
});

describe("fails when it does not:", () => {
  test.each([
    ["one too few", "alerts: [{ type: seen }]", "expect.alerts", "nothing", 'third {"id"'],
    ["one too many", "alerts: [{}, {}, {}]", "expect.alerts[2]", "any alert", "nothing"],
    ["another type", "alerts: [{ type: spray }, {}]", "expect.alerts[0].type", "spray", "seen"],
    ["another time", "alerts: [{ at: +5m..+7m }, {}]", "expect.alerts[0].at", "+5m..+7m", "+1m"],
    ["another login", "alerts: [{ login: ann }, {}]", "expect.alerts[0].login", '"ann"', '"joe"'],
    ["an address that it has not", "alerts: [{}, { remote: 192.0.2.1 }]", "alerts[1].remote", '"192.0.2.1"', "nothing"],
    ["other evidence", "alerts: [{ evidence: { n: 2 } }, {}]", "alerts[0].evidence.n", "2", "1"],
    ["another count", "alerts: [{ count: 4 }, {}]", "alerts[0].count", "4", "5"],
    ["a count", "alert_counts: { seen: 2 }", "expect.alert_counts.seen", "2", "1"],
    ["a count of nothing", "alert_counts: { spray: 1 }", "expect.alert_counts.spray", "1", "0"],
    ["no silence", "no_alerts: [spray, seen]", "expect.no_alerts", "no alert seen", "1, the first: seen"],
  ])("%s", async (_, expectation, key, expected, got) => {
    using run = await runPolicy(POLICY, `${TRAFFIC}expect: { ${expectation} }`);
    const lines = differences(run.output);
    expect({ code: run.code, verdict: run.output.slice(0, 9) }).toEqual({ code: 1, verdict: "FAIL spec" });
    expect(lines[0]).toStartWith("spec.replay.yaml:5 ");
    expect(lines[0]).toEndWith(key);
    expect(lines[1]).toContain(`expected ${expected}`);
    expect(lines[2]).toContain(`got ${got}`);
  });

  test.each([
    ["alerts: seen", 'expect.alerts: a list expected, got "seen"'],
    ["alerts: [{ name: seen }]", "expect.alerts[0].name"],
    ["alerts: [{ at: soon }]", "a time such as +5m or a range such as +5m..+7m expected, got 'soon'"],
    ["alert_counts: [seen]", "expect.alert_counts"],
    ["alert_counts: { seen: -1 }", "expect.alert_counts.seen"],
    ["no_alerts: seen", "expect.no_alerts: a list expected"],
  ])("unless it is none at all: %s", async (expectation, problem) => {
    using run = await runPolicy(POLICY, `${TRAFFIC}expect: { ${expectation} }`);
    expect(run.code).toBe(2);
    expect(run.aside + run.output).toContain(problem);
  });
});

test("what is folded is not told again, nor is a final, and a replay does not wait for it", async () => {
  using run = await runPolicy(POLICY, `${TRAFFIC}expect: { alert_counts: { seen: 1, third: 1 } }`, { verbose: true });
  expect(run.code).toBe(0);
  expect(run.output.match(/ alert \{/g)).toHaveLength(2);
  expect(run.output).toContain('+1m  alert {"id":"');
  expect(run.output).toMatch(/in 1m40s of virtual time|1m40s/);
  using long = await runPolicy(POLICY, `${TRAFFIC}until: +3h\nexpect: { alert_counts: { seen: 1, third: 1 } }`, {
    verbose: true,
  });
  expect(long.output.match(/ alert \{/g)).toHaveLength(2);
  expect(long.code).toBe(0);
});

test("two runs give the same alerts, ids included", async () => {
  const story = async (): Promise<string> => {
    using run = await runPolicy(POLICY, TRAFFIC, { verbose: true });
    return run.output.match(/alert \{.*/g)!.join("\n");
  };
  expect(await story()).toBe(await story());
});

test("--update writes alerts, and mends those that do not hold", async () => {
  const files = { "spec.conf": POLICY, "spec.replay.yaml": `# kept\n${HEAD}${TRAFFIC}` };
  using first = await runReplay(files, { update: "all" });
  const updated = readFileSync(join(first.folder, "spec.replay.yaml"), "utf8");
  expect(updated).toContain(`  alerts:
    - { at: +1m, type: seen, severity: high, login: joe, remote: 192.0.2.1 }
    - { at: +1m20s, type: third, severity: low, login: joe }
`);
  expect(updated).toStartWith("# kept\n");
  using second = await runReplay({ ...files, "spec.replay.yaml": updated }, { update: "all" });
  expect(readFileSync(join(second.folder, "spec.replay.yaml"), "utf8")).toBe(updated);
  using wrong = await runReplay(
    {
      ...files,
      "spec.replay.yaml": `${HEAD}${TRAFFIC}expect:\n  alerts: [{ type: seen }, { type: third }]\n  alert_counts: { seen: 7 }\n`,
    },
    { update: "mend" },
  );
  expect(wrong.code).toBe(0);
  const mended = readFileSync(join(wrong.folder, "spec.replay.yaml"), "utf8");
  expect(mended).toContain("alert_counts: { seen: 1 }");
  // What holds stays as it was written, fields that are not named included.
  expect(mended).toContain("    - { type: seen }\n    - { type: third }\n");
});

test("--json and --junit tell of them", async () => {
  using folder = temporaryFolder();
  const junit = join(folder.path, "out.xml");
  const files = { "spec.conf": POLICY, "spec.replay.yaml": `${HEAD}${TRAFFIC}expect: { no_alerts: [third] }\n` };
  using run = await runReplay(files, { json: true, junit });
  expect(run.code).toBe(1);
  const { fixtures, summary } = JSON.parse(run.output);
  expect(fixtures[0]).toMatchObject({
    alerts: 2,
    alert_counts: { seen: 1, third: 1 },
    differences: [{ key: "expect.no_alerts", expected: "no alert third" }],
  });
  expect(summary).toMatchObject({ alerts: 2 });
  expect(readFileSync(junit, "utf8")).toContain('message="expect.no_alerts"');
});

test("reports that only teach raise none that are kept, told or cooled", async () => {
  const t = Date.parse("2026-03-01T00:00:00Z") / 1000 - 60;
  const old = JSON.stringify({ t, login: "joe", remote: "192.0.2.1" });
  const policy = `${POLICY} setBackground("look", function() warnLog("kept", { n = #getAlerts() }) end)
    intervalScheduleBackgroundFunc("00:00:30", "look")`;
  using run = await runReplay(
    {
      "spec.conf": policy,
      "old.jsonl": `${old}\n${old}\n`,
      "spec.replay.yaml": `${HEAD}learn: old.jsonl\n${TRAFFIC}expect:
  alerts: [{ at: +1m, type: seen }, { at: +1m, type: third }]
  logs: ['^warning: kept: n="0"$', 'alert: count="1" login="joe" message="seen: joe', 'alert: .*type="third"$', 'kept: n="2"']\n`,
    },
    { verbose: true },
  );
  expect(run.output).toContain("1 passed");
  expect(run.output.match(/ alert \{/g)).toHaveLength(2);
});
