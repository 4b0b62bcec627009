/** Nothing of the real world gets into a replay, and nothing leaves it. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { HEAD, runPolicy, runReplay } from "../support/replay.ts";

/** Runs a chunk as the report function at +1m30s. @returns what it passed to `say` */
async function said(chunk: string, rest = ""): Promise<string[]> {
  const policy = `function say(...) infoLog("said " .. table.concat({ ... }, " ")) end\nsetReport(function(lt) ${chunk} end)`;
  const reports = rest.includes("reports:") ? "" : "reports: [{ at: +1m30s, login: joe, remote: 192.0.2.1 }]\n";
  using run = await runPolicy(policy, reports + rest, { verbose: true });
  const lines = [...run.output.matchAll(/log info: said (.*)/g)].map(([, text]) => text!);
  if (run.code !== 0) throw new Error(run.output + run.aside);
  return lines;
}

describe("time", () => {
  test("is virtual everywhere", async () => {
    const chunk = `say(os.time(), os.date("!%FT%T"), os.clock(), require("socket").gettime(), lt.t)
      sleep(0.25) say(os.time(), os.clock(), require("socket").gettime())`;
    expect(await said(chunk)).toEqual([
      "1772323290 2026-03-01T00:01:30 90 1772323290 1772323290",
      "1772323290 90.25 1772323290.25",
    ]);
  });

  test.each([
    ["UTC", "00:01:30 UTC"],
    ["Europe/Berlin", "01:01:30 CET"],
    ["europe/berlin", "01:01:30 CET"],
    ["America/New_York", "19:01:30 EST"],
  ])("is local in the zone of the fixture: %s", async (tz, expected) => {
    const before = process.env["TZ"];
    const [text] = await said(
      `say(os.date("%H:%M:%S"), os.time{ year = 2026, month = 3, day = 1, hour = 0 })`,
      `tz: ${tz}`,
    );
    const midnight = {
      UTC: 1772323200,
      "Europe/Berlin": 1772319600,
      "europe/berlin": 1772319600,
      "America/New_York": 1772341200,
    }[tz];
    expect(text).toBe(`${expected.split(" ")[0]} ${midnight}`);
    expect(process.env["TZ"]).toBe(before!);
  });

  test("does not move while a function computes", async () => {
    const chunk = `local t = os.clock() local real = 0 for i = 1, 5000000 do real = real + i end say(os.clock() - t)`;
    expect(await said(chunk)).toEqual(["0"]);
  });
});

describe("order", () => {
  test("what is due at the time of a report comes before it; endpoints of that time come after it", async () => {
    const policy = `local order = {}
      setBackground("tick", function() order[#order + 1] = "tick" end)
      intervalScheduleBackgroundFunc("00:01:00", "tick")
      setReport(function(lt) order[#order + 1] = lt.login sleep(60) order[#order + 1] = "woke" end)
      setCustomEndpoint("order", function() return true, { order = table.concat(order, " ") } end)`;
    using run = await runPolicy(
      policy,
      `reports: [{ at: +1m, login: a }, { at: +2m, login: b }]
endpoints: [{ at: +2m, name: order, expect: { r_attrs: { order: "tick a tick woke b" } } }]
expect: { background: { tick: 3 } }`,
    );
    expect(run.output).toStartWith("ok ");
  });

  test("no task is interrupted, however long it computes", async () => {
    const policy = `local inside = 0
      setReport(function()
        inside = inside + 1
        assert(inside == 1)
        for i = 1, 30000000 do end
        inside = inside - 1
      end)`;
    using run = await runPolicy(policy, "reports: [{ at: +1m, repeat: 3 }]");
    expect(run.output).toStartWith("ok ");
  });

  test("scheduled functions run strictly after the start, up to and including `until`", async () => {
    const policy = `setBackground("f", function() infoLog("said " .. os.date("!%T")) end)
      cronScheduleBackgroundFunc("0 * * * *", "f")`;
    using run = await runPolicy(policy, "until: +2h", { verbose: true });
    expect([...run.output.matchAll(/said (\S+)/g)].map(([, time]) => time)).toEqual(["01:00:00", "02:00:00"]);
  });

  test("without `until` it ends when what the last report set going is done", async () => {
    const policy = `setBackground("f", function() sleep(3600) infoLog("f is done") end)
      intervalScheduleBackgroundFunc("00:00:10", "f")
      setReport(function() sleep(15) infoLog("report is done") end)`;
    const logs = "expect: { logs: ['report is done', 'f is done'], background: { f: 1 } }";
    using run = await runPolicy(policy, `reports: [{ at: +1s }]\n${logs}`);
    expect(run.output).toMatch(/^ok .*\n[^]*virtual time 1h10s\n$/);
  });
});

describe("effects", () => {
  test("files are changed in memory alone, which a debug line says once", async () => {
    const chunk = `local f = assert(io.open("new.txt", "w")) f:write("new") f:close() say(io.open("new.txt"):read("a"))
      local g = assert(io.open("spec.conf", "a")) g:write("-- added") g:close()
      say(select(2, io.open("spec.conf"):read("a"):gsub("added", "")))
      say(tostring(os.rename("spec.conf", "x")), select(2, io.open("spec.conf")), tostring(os.remove("x")))`;
    using run = await runPolicy(
      `function say(...) infoLog("said " .. table.concat({ ... }, " ")) end\nsetReport(function() ${chunk} end)`,
      "reports: [{ at: +1m }]",
      { verbose: true },
    );
    expect([...run.output.matchAll(/log info: said (.*)/g)].map(([, text]) => text)).toEqual([
      "new",
      "3",
      "true spec.conf: No such file or directory true",
    ]);
    expect(run.output.match(/log debug: .*/g)).toEqual(["log debug: files are changed in memory alone"]);
    expect(readdirSync(run.folder).toSorted()).toEqual(["spec.conf", "spec.replay.yaml"]);
    expect(readFileSync(join(run.folder, "spec.conf"), "utf8")).not.toContain("-- added\n");
  });

  test("a policy that opens its own log runs, and finds what it has written", async () => {
    const policy = `local log = assert(io.open("policy.log", "a"))
      setReport(function(lt) assert(log:write(lt.login, "\\n")) log:flush() end)
      setCustomEndpoint("log", function() return true, { log = io.open("policy.log"):read("a") } end)`;
    using run = await runPolicy(
      policy,
      `reports: [{ at: +1m, login: joe, repeat: 3 }]
endpoints: [{ at: +1h, name: log, expect: { r_attrs: { log: "joe\\njoe\\njoe\\n" } } }]`,
    );
    expect(run).toMatchObject({ code: 0, aside: expect.any(String) });
    expect(existsSync(join(run.folder, "policy.log"))).toBe(false);
  });

  test("each line that a policy prints becomes one of the log, at its time", async () => {
    const policy = `io.write("star") setReport(function()
        print("hello", 1) io.stderr:write("oo") print() io.write("two\\nlines") io.stderr:write("ps\\n")
        sleep(1) io.write(" of it\\n") io.write(("x"):rep(5000), " no end")
      end)`;
    using run = await runPolicy(policy, `reports: [{ at: +1m }]`, { verbose: true });
    expect(
      [...run.output.matchAll(/^ {2}(\S+) {2}log info: print: (.*)$/gm)].map(([, at, text]) => [at, text]),
    ).toEqual([
      ["+1m", "starhello\\t1"],
      ["+1m", ""],
      ["+1m", "two"],
      ["+1m", "oops"],
      ["+1m1s", "lines of it"],
      ["+1m1s", "x".repeat(4096)],
      ["+1m1s", `${"x".repeat(5000 - 4096)} no end`],
    ]);
  });

  test("nothing listens, whatever the configuration says", async () => {
    const policy = `addListener("192.0.2.77:1", false, "", "", {}) controlSocket("192.0.2.77:2") setStateDir("/nowhere")`;
    using run = await runPolicy(policy, "until: +1m");
    expect(run.output).toStartWith("ok ");
  });
});

describe("requests of the policy", () => {
  const ask = (url: string, rest = ""): string =>
    `local r, p = httpRequest{ url = "${url}"${rest} } say(r and r.status or "nil", r and r.body or p)`;

  test("are answered from the fixture: mappings as JSON, texts as they are", async () => {
    const http = `http:
  - { url: "http://es:9200/*", body: { hits: { total: 3 } } }
  - { url: "http://plain", status: 404, headers: { X-A: 1 }, body: gone }`;
    const chunk = `local r = httpRequest{ url = "http://es:9200/a/b?c=d" }
      say(r.status, r.body, r.headers["content-type"]) r = httpRequest{ url = "http://plain" }
      say(r.status, r.body, r.headers["x-a"])`;
    expect(await said(chunk, http)).toEqual(['200 {"hits":{"total":3}} application/json', "404 gone 1"]);
  });

  test("the first entry that matches decides", async () => {
    const http = `http: [{ url: "http://a/x", body: x }, { method: post, url: "http://a/*", body: post }, { url: "http://a/*", body: any }]`;
    const chunk = `${ask("http://a/x")} ${ask("http://a/y")} ${ask("http://a/y", ", body = 'b'")} ${ask("http://a/x")}`;
    expect(await said(chunk, http)).toEqual(["200 x", "200 any", "200 post", "200 x"]);
  });

  test("entries for the same requests answer in turn, the last of them again and again", async () => {
    const http = `http: [{ url: "http://a/", body: one }, { url: "http://a/", body: two }]`;
    expect(await said(ask("http://a/").repeat(3), http)).toEqual(["200 one", "200 two", "200 two"]);
  });

  test("those of LuaSocket too", async () => {
    const http = `http: [{ url: "http://a/", status: 503, body: busy }]`;
    expect(await said(`local body, code = require("socket.http").request("http://a/") say(body, code)`, http)).toEqual([
      expect.stringMatching(/^busy 503/),
    ]);
  });

  test("patterns are no regular expressions", async () => {
    using run = await runPolicy(
      `setReport(function() httpRequest{ url = "http://axb/" } end)`,
      `reports: [{ at: +1m }]
http: [{ url: "http://a.b/" }]`,
    );
    expect(run.output).toContain("GET http://axb/");
  });
});

test("a webhook names the report that caused it, also after waits of several at once", async () => {
  const policy = `addCustomWebHook("a", { url = "http://a/" })
    setReport(function(lt) sleep(lt.login == "slow" and 10 or 5) runCustomWebHook("a", lt.login) end)`;
  using run = await runPolicy(
    policy,
    "reports: [{ at: +1s, login: slow }, { at: +2s, login: fast }]\nexpect: { webhooks: [] }",
  );
  expect(
    [...run.output.matchAll(/got +a (\w+)\n +at +(\S+).*\n +by +report .*login=(\w+)/g)].map((match) => match.slice(1)),
  ).toEqual([
    ["fast", "+7s", "fast"],
    ["slow", "+11s", "slow"],
  ]);
});

test("a configuration that waits is waited for, and its requests are answered", async () => {
  using run = await runPolicy(
    `sleep(90) infoLog(httpRequest{ url = "http://a/" }.status .. os.date("! %T"))`,
    "http: [{ url: 'http://a/', status: 404 }]\nexpect: { logs: ['^info: 404 00:01:30$'] }",
  );
  expect(run).toMatchObject({ code: 0 });
});

test("fixtures do not see each other", async () => {
  const policy = `count = (count or 0) + 1 setCustomEndpoint("count", function() return true, { n = count } end)`;
  const fixture = `${HEAD}endpoints: [{ at: +1m, name: count, expect: { r_attrs: { n: 1 } } }]`;
  using run = await runReplay({ "spec.conf": policy, "a.replay.yaml": fixture, "b.replay.yaml": fixture });
  expect(run.code).toBe(0);
});
