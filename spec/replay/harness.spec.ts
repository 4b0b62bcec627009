/** Proof that a replay can fail: for each kind of expectation a fixture that must pass and one that must not. */
import { describe, expect, test } from "bun:test";

import { runPolicy } from "../support/replay.ts";

/** Alerts the third failure of a login, and answers, counts, logs and fails on demand. */
const POLICY = `
addCustomWebHook("alert", { url = "https://alerts.example/" })
addCustomWebHook("other", { url = "https://alerts.example/" })
addCustomStat("alerts")
local failures = {}
setReport(function(lt)
  if lt.login == "bad" then error("no such login") end
  failures[lt.login] = (failures[lt.login] or 0) + 1
  if failures[lt.login] ~= 3 then return end
  incCustomStat("alerts")
  warnLog("third failure", { login = lt.login })
  runCustomWebHook("alert", '{"login":"' .. lt.login .. '","n":[1,2],"deep":{"a":1,"b":null}}')
end)
setCustomEndpoint("count", function(args) return failures[args.attrs.login] ~= nil, { n = failures[args.attrs.login] or 0 } end)
setCustomEndpoint("fails", function() error("endpoint broke") end)
setBackground("tick", function() end)
intervalScheduleBackgroundFunc("00:01:00", "tick")
`;

/** Three failures of joe from +1m on, ten seconds apart: alerted at +1m20s. */
const TRAFFIC = "reports: [{ at: +1m, login: joe, remote: 192.0.2.1, repeat: 3, every: 10s }]\n";

/** The last line of results that says why, with its indentation taken away. */
const differences = (output: string): string[] =>
  output
    .split("\n")
    .filter((line) => line.startsWith("  "))
    .map((line) => line.trim().replace(/ {2,}/g, " "));

describe("passes when it holds:", () => {
  test.each([
    ["nothing is expected", ""],
    ["a webhook, of which the name is given", "webhooks: [{ name: alert }]"],
    ["a webhook, of which nothing is given", "webhooks: [{}]"],
    ["the time", "webhooks: [{ at: +1m20s }]"],
    ["the time as an instant", "webhooks: [{ at: 2026-03-01T00:01:20Z }]"],
    ["a range at its first moment", "webhooks: [{ at: +1m20s..+2m }]"],
    ["a range at its last moment", "webhooks: [{ at: +1m..+1m20s }]"],
    ["a part of the body", "webhooks: [{ body: { login: joe, deep: { a: 1, b: null } } }]"],
    ["lists in the body", "webhooks: [{ body: { n: [1, 2] } }]"],
    ["the whole body", `webhooks: [{ body: '{"login":"joe","n":[1,2],"deep":{"a":1,"b":null}}' }]`],
    ["counts", "webhook_counts: { alert: 1, other: 0 }"],
    ["silence", "no_webhooks: [other]"],
    ["stats", "stats: { reports: 3, custom: { alerts: 1 } }"],
    ["background runs", "background: { tick: 1 }"],
    ["log lines", "logs: ['^warning: third failure: login=\"joe\"$']"],
    ["no errors", "errors: 0"],
  ])("%s", async (_, expectation) => {
    using run = await runPolicy(POLICY, `${TRAFFIC}${expectation && `expect: { ${expectation} }`}`);
    expect(run).toMatchObject({ code: 0, output: expect.stringMatching(/^ok {3}spec /) });
  });
});

describe("fails when it does not:", () => {
  test.each([
    ["a webhook too few", "webhooks: []", "expect.webhooks", "expected nothing", "alert {"],
    ["a webhook too many", "webhooks: [{}, {}]", "expect.webhooks[1]", "expected any webhook", "got nothing"],
    ["another name", "webhooks: [{ name: other }]", "expect.webhooks[0].name", "expected other", "got alert"],
    ["too early", "webhooks: [{ at: +1m20.001s..+1h }]", "expect.webhooks[0].at", "+1m20.001s..+1h", "got +1m20s"],
    ["too late", "webhooks: [{ at: +0s..+1m19.999s }]", "expect.webhooks[0].at", "+0s..+1m19.999s", "got +1m20s"],
    ["another value", "webhooks: [{ body: { login: jane } }]", "webhooks[0].body.login", '"jane"', 'got "joe"'],
    ["no such key", "webhooks: [{ body: { x: 1 } }]", "webhooks[0].body.x", "expected 1", "got nothing"],
    ["a deep value", "webhooks: [{ body: { deep: { a: 2 } } }]", "webhooks[0].body.deep.a", "expected 2", "got 1"],
    ["another type", `webhooks: [{ body: { deep: { a: "1" } } }]`, "body.deep.a", 'expected "1"', "got 1"],
    ["a shorter list", "webhooks: [{ body: { n: [1] } }]", "webhooks[0].body.n", "expected [1]", "got [1,2]"],
    ["another text", "webhooks: [{ body: 'x' }]", "webhooks[0].body", 'expected "x"', 'got "{'],
    ["a list for a mapping", "webhooks: [{ body: [1] }]", "webhooks[0].body", "expected [1]", 'got {"login"'],
    ["a count", "webhook_counts: { alert: 2 }", "expect.webhook_counts.alert", "expected 2", "got 1"],
    ["a count of nothing", "webhook_counts: { other: 1 }", "expect.webhook_counts.other", "expected 1", "got 0"],
    ["no silence", "no_webhooks: [other, alert]", "expect.no_webhooks", "no webhook alert", "got 1, the first: alert"],
    ["reports", "stats: { reports: 4 }", "expect.stats.reports", "expected 4", "got 3"],
    ["a custom stat", "stats: { custom: { alerts: 0 } }", "expect.stats.custom.alerts", "expected 0", "got 1"],
    ["an unknown stat", "stats: { custom: { x: 0 } }", "stats.custom.x", "expected 0", "got no such custom stat"],
    ["background runs", "background: { tick: 2 }", "expect.background.tick", "expected 2", "got 1"],
    ["an unknown function", "background: { tock: 1 }", "expect.background.tock", "expected 1", "got 0"],
    ["a log line", "logs: ['third', 'fourth']", "expect.logs[1]", "expected /fourth/", "got no line that matches"],
    ["too few errors", "errors: 1", "expect.errors", "expected 1", "got 0"],
  ])("%s", async (_, expectation, key, expected, got) => {
    using run = await runPolicy(POLICY, `${TRAFFIC}expect: { ${expectation} }`);
    const lines = differences(run.output);
    expect({ code: run.code, verdict: run.output.slice(0, 9) }).toEqual({ code: 1, verdict: "FAIL spec" });
    expect(lines[0]).toStartWith("spec.replay.yaml:5 ");
    expect(lines[0]).toEndWith(key);
    expect(lines[1]).toContain(expected);
    expect(lines[2]).toContain(got);
  });

  test("webhooks in another order", async () => {
    const two = "reports: [{ at: +1m, login: a, repeat: 3 }, { at: +2m, login: b, repeat: 3 }]\n";
    const expectation = "expect: { webhooks: [{ body: { login: b } }, { body: { login: a } }] }";
    using run = await runPolicy(POLICY, two + expectation);
    expect(run.code).toBe(1);
    expect(run.output).toMatch(/expected +any webhook .*"b".*\n +got +nothing/);
    expect(run.output).toMatch(/expected +nothing\n +got +alert .*"b"/);
  });

  test("an error of the policy, though nothing is expected", async () => {
    using run = await runPolicy(POLICY, "reports: [{ at: +1m, login: bad, remote: 192.0.2.1, repeat: 2 }]");
    expect(run.code).toBe(1);
    expect(differences(run.output)).toEqual([
      "spec.replay.yaml expect.errors",
      "expected 0",
      expect.stringMatching(/^got 2, the first: report function: .*spec\.conf:7: no such login$/),
      "at +1m (2026-03-01T00:01:00Z)",
      "by report spec.replay.yaml:4 (login=bad remote=192.0.2.1 failure)",
    ]);
  });

  test("a policy that computes without an end", async () => {
    const endless = "setReportTimeout(1) setReport(function() while true do end end)";
    using run = await runPolicy(endless, "reports: [{ at: +1m }]");
    expect(run.code).toBe(1);
    expect(run.output).toContain("stopped after 1 s on the processor (setReportTimeout)");
  });

  test("what was expected and what came do not look the same, and lines of the level that is expected are shown", async () => {
    const policy = `${POLICY} infoLog("ready", {})`;
    using run = await runPolicy(policy, `${TRAFFIC}expect: { webhooks: [{ at: +1m }], logs: ["^info: gone", "gone"] }`);
    const lines = differences(run.output);
    expect(lines.slice(1, 4)).toEqual([
      "expected +1m",
      expect.stringMatching(/^got \+1m20s: alert \{"login":"joe"/),
      "at +1m20s (2026-03-01T00:01:20Z)",
    ]);
    expect(run.output).toContain("lines of level info began with\n              info: ready\n");
    expect(run.output).toContain("warnings and errors began with\n              warning: third failure: ");
  });

  test.each([
    ["sleep(0)", "more than 100000 waits ended at one time"],
    ["sleep(3600)", "still waiting: report spec.replay.yaml:4 (login= remote=0.0.0.0 failure)"],
    ["httpRequest{url='http://a/'}", "more than 100000 waits ended at one time"],
  ])("a policy that waits without an end by %s", async (wait, problem) => {
    const endless = `setReport(function() while true do ${wait} end end)`;
    using run = await runPolicy(endless, "reports: [{ at: +1m }]\nhttp: [{ url: 'http://a/*' }]");
    expect(run.code).toBe(1);
    expect(run.output).toContain(problem);
  });

  test.each([
    ["while true do sleep(3600) end", "still waiting: the configuration"],
    ["while true do sleep(0) end", "more than 100000 waits ended at one time"],
  ])("a configuration that waits without an end by %s", async (wait, problem) => {
    using run = await runPolicy(wait, TRAFFIC);
    expect(run.code).toBe(1);
    expect(run.output).toContain(problem);
  });

  test("a request that no entry answers, by name", async () => {
    const policy = "setReport(function() print(httpRequest{ url = 'http://es:9200/x?q=1' }) end)";
    using run = await runPolicy(policy, "reports: [{ at: +1m }]\nhttp: [{ url: 'http://es:9200/y' }]");
    expect(run.code).toBe(1);
    expect(differences(run.output).slice(0, 3)).toEqual([
      "spec.replay.yaml http",
      "expected an entry that answers",
      "got GET http://es:9200/x?q=1",
    ]);
  });

  test.each([
    ["reports", "setReport(function() while true do end end)", "reports: [{ at: +1m, repeat: 1000000 }]"],
    [
      "background functions",
      `setBackground("f", function() while true do end end) intervalScheduleBackgroundFunc("00:00:01", "f")`,
      "until: +300d",
    ],
  ])("%s that compute without an end, after ten of them", async (_, policy, rest) => {
    using run = await runPolicy(`setReportTimeout(0.01) ${policy}`, rest);
    expect(run.code).toBe(1);
    expect(differences(run.output)).toEqual([
      "spec.replay.yaml replay",
      "expected runs to its end",
      expect.stringMatching(
        /^got 10 functions were stopped, the last for (report|background).*: .*stopped after 0\.01 s/,
      ),
    ]);
  });

  test("a configuration that raises", async () => {
    using run = await runPolicy("\nerror('no key')", TRAFFIC);
    expect(run.code).toBe(1);
    expect(run.output).toMatch(/spec\.conf:2: no key/);
  });
});

describe("endpoints", () => {
  const call = (rest: string): string => `${TRAFFIC}endpoints: [{ at: +1m10s, ${rest} }]`;

  test.each([
    "name: count, attrs: { login: joe }",
    "name: count, attrs: { login: joe }, expect: { success: true, r_attrs: { n: 2 } }",
    "name: count, expect: { success: false }",
  ])("pass: %s", async (rest) => {
    using run = await runPolicy(POLICY, call(rest));
    expect(run).toMatchObject({ code: 0 });
  });

  test.each([
    ["name: count, attrs: { login: joe }, expect: { success: false }", "expect.success", "expected false", "got true"],
    ["name: count, attrs: { login: joe }, expect: { r_attrs: { n: 3 } }", "r_attrs.n", 'expected "3"', 'got "2"'],
    ["name: count, expect: { r_attrs: { m: 3 } }", "r_attrs.m", 'expected "3"', "got nothing"],
    ["name: fails", "endpoints[0] (fails)", "expected an answer", "endpoint broke"],
    ["name: gone", "endpoints[0] (gone)", "expected an answer", "no custom endpoint of this name"],
  ])("fail: %s", async (rest, key, expected, got) => {
    using run = await runPolicy(POLICY, call(rest));
    expect(run.code).toBe(1);
    const lines = differences(run.output);
    expect(lines[0]).toEndWith(key);
    expect(lines[1]).toBe(expected);
    expect(lines[2]).toContain(got);
    expect(lines[3]).toBe("at +1m10s (2026-03-01T00:01:10Z)");
  });
});

test("a name that stays silent because there is none is told", async () => {
  using run = await runPolicy(POLICY, `${TRAFFIC}expect: { no_webhooks: [other, alrt], background: { tock: 0 } }`);
  expect(run.code).toBe(0);
  expect(run.aside).toMatch(
    /^spec\.replay\.yaml:5: \S+ has no webhook "alrt"\n\S+:5: \S+ has no background function "tock"\n/,
  );
});

test("of a replay that could not go on it does not say what was never exercised", async () => {
  using run = await runPolicy(`${POLICY} setReport(function() sleep(1e6) end)`, TRAFFIC);
  expect(run.code).toBe(1);
  expect(run.output).not.toContain("never exercised");
});

test("at the end it says what was never exercised", async () => {
  using run = await runPolicy(POLICY, `${TRAFFIC}endpoints: [{ at: +1m, name: count }]`);
  expect(run.output).toMatch(/^never exercised in .*spec\.conf: endpoint fails, webhook other$/m);
});
