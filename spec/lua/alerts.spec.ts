/** Alerts as policies and the console raise them, look at them, and forget them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { toByteString, toText } from "../../lib/text/byte-string.ts";
import { callEndpoint, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";

/** 2026-03-01T00:00:00Z */
const START = 1_772_323_200;
const HISTORY = `setStateDir("state") newHistory("sqlite:history.sqlite", { retention = "3650d" })`;

const consoleOf =
  ({ daemon }: TestDaemon) =>
  async (chunk: string): Promise<string> =>
    toText(await daemon.execute(toByteString(chunk))).trimEnd();

describe.each([
  ["a history", HISTORY],
  ["memory alone", ""],
])("with %s", (_, history) => {
  let daemon: TestDaemon;
  let execute: (chunk: string) => Promise<string>;
  beforeAll(async () => {
    daemon = await startDaemon(`${PREAMBLE} ${history}
      ids = {}
      local function raise(login, more)
        local fields = { type = "seen", login = login }
        for key, value in pairs(more or {}) do fields[key] = value end
        return alert(fields)
      end
      setReport(function(lt)
        if lt.login == "sleeps" then sleep(0.01) end
        ids[lt.login] = raise(lt.login)
      end)
      setCustomEndpoint("run", function(args)
        local id, why = raise("endpoint")
        return true, { id = tostring(id), why = tostring(why) }
      end)
`);
    execute = consoleOf(daemon);
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  /** The times of a login's alert. */
  const first = (login: string): Promise<string> =>
    execute(`local a = getAlerts({ login = "${login}" })[1] return ("%.2f"):format(a.first)`);

  test("answers its id, and then that it is cooling down", async () => {
    expect(await execute(`return alert { type = "one" }`)).toMatch(/^[0-9a-f]{32}$/);
    expect(await execute(`local id, why = alert { type = "one" } return tostring(id) .. " " .. why`)).toBe(
      "nil cooling down",
    );
    expect(await callEndpoint(daemon, "run")).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      why: "nil",
    });
    expect(await callEndpoint(daemon, "run")).toEqual({ id: "nil", why: "cooling down" });
  });

  test("takes the time of the report that is handled, also when that has waited, and now elsewhere", async () => {
    for (const login of ["joe", "sleeps"]) {
      await daemon.post("/?command=report", { login, t: START + 0.25, success: false, remote: "192.0.2.1" });
      expect(await first(login)).toBe(`${START}.25`);
    }
    const now = Date.now() / 1000;
    await execute(`alert { type = "seen", login = "console" }`);
    expect(Math.abs(Number(await first("console")) - now)).toBeLessThan(20);
  });

  test.each([
    ["that is given", `t = ${START - 5}`, START - 5],
    ["of long ago is now", "t = 0", undefined],
    ["before 1970 is now", "t = -1e300", undefined],
    ["in the future is now", "t = os.time() + 10 * 86400", undefined],
    ["that no date can be is now", "t = 1e300", undefined],
    ["of a clock a little ahead is kept", `t = os.time() + 60`, "ahead"],
  ])("a time %s", async (name, field, kept) => {
    await execute(`alert { type = "time", login = "${name}", ${field} }`);
    const now = Date.now() / 1000;
    const time = Number(await first(name));
    const expected = kept === undefined ? now : kept === "ahead" ? now + 60 : Number(kept);
    expect(Math.abs(time - expected)).toBeLessThan(20);
  });

  test("evidence, addresses and bytes come back as they were", async () => {
    const answer = await execute(`
      alert { type = "kept", severity = "critical", login = "\\xff\\0", remote = newCA("192.0.2.1:993"), policy = "mine",
        evidence = { n = 1.5, list = { "a", true }, deep = { a = { b = newNetmask("192.0.2.0/24") } }, ["\\xff"] = "\\xfe" } }
      local a = getAlerts({ type = "kept" })[1]
      local e = a.evidence
      return table.concat({ a.severity, tostring(a.login == "\\xff\\0"), a.remote, a.policy, e.n, e.list[1], tostring(e.list[2]),
        e.deep.a.b, tostring(e["\\xff"] == "\\xfe"), a.count, a.message == "kept: \\xff\\0 from 192.0.2.1" and "made" or a.message }, " ")`);
    expect(answer).toBe("critical true 192.0.2.1 mine 1.5 a true 192.0.2.0/24 true 1 made");
  });

  test("an empty login, remote, key or message is none", async () => {
    expect(
      await execute(`alert { type = "empty", login = "", remote = "", key = "", message = "" }
        local a = getAlerts({ type = "empty" })[1] return tostring(a.login) .. tostring(a.remote) .. a.message`),
    ).toBe("nilnilempty");
    expect(await execute(`return tostring(alert { type = "empty" })`)).toBe("nil");
  });

  test.each([
    ["nothing", "alert()", "bad argument #1 to 'alert' (table expected, got no value)"],
    ["a text", "alert('x')", "bad argument #1 to 'alert' (table expected, got string)"],
    ["no type", "alert {}", "bad argument #1 to 'alert' (type is missing)"],
    ["a type with a space", "alert { type = 'a b' }", "type: letters, digits and _ expected, 64 at most"],
    ["a type that is empty", "alert { type = '' }", "type: letters, digits and _ expected, 64 at most"],
    ["a type that is long", "alert { type = ('x'):rep(65) }", "type: letters, digits and _ expected, 64 at most"],
    ["a type that is a table", "alert { type = {} }", "type: string expected, got table"],
    [
      "another severity",
      "alert { type = 'x', severity = 'urgent' }",
      "severity: one of low, medium, high, critical expected",
    ],
    ["a severity that is true", "alert { type = 'x', severity = true }", "severity: string expected, got boolean"],
    ["a login that is a function", "alert { type = 'x', login = print }", "login: string expected, got function"],
    ["a remote that is a table", "alert { type = 'x', remote = {} }", "remote: string expected, got table"],
    ["a message that is true", "alert { type = 'x', message = true }", "message: string expected, got boolean"],
    ["a key that is a table", "alert { type = 'x', key = { 1 } }", "key: string expected, got table"],
    [
      "a policy that is a coroutine",
      "alert { type = 'x', policy = coroutine.create(print) }",
      "policy: string expected, got thread",
    ],
    [
      "a cool-down of nothing",
      "alert { type = 'x', cooldown = 0 }",
      "cooldown: duration such as 30s, 15m, 24h or 90d, of 1s to 366d, expected",
    ],
    ["a cool-down that never ends", "alert { type = 'x', cooldown = math.huge }", "cooldown: duration"],
    ["a cool-down that is no number", "alert { type = 'x', cooldown = 0/0 }", "cooldown: duration"],
    ["a cool-down in words", "alert { type = 'x', cooldown = 'an hour' }", "cooldown: duration"],
    ["a time in words", "alert { type = 'x', t = 'now' }", "t: seconds since 1970 expected, got string"],
    ["a time that is no number", "alert { type = 'x', t = 0/0 }", "t: seconds since 1970 expected, got number"],
    ["a field that is none", "alert { type = 'x', kind = 'y' }", 'unknown field "kind": there are type, severity,'],
    ["a field that is no UTF-8", "alert { type = 'x', ['\\xff'] = 1 }", 'unknown field "\ufffd": there are'],
    ["a number for a field", "alert { type = 'x', [1] = 1 }", 'unknown field "1": there are'],
    ["evidence that is a text", "alert { type = 'x', evidence = 'y' }", "evidence: table expected, got string"],
    [
      "a function in it",
      "alert { type = 'x', evidence = { a = { b = print } } }",
      "evidence: a.b: JSON can hold no function",
    ],
    ["what is no number in it", "alert { type = 'x', evidence = { 0/0 } }", "evidence: [1]: JSON has no NaN"],
    [
      "1 MB of it",
      "alert { type = 'x', evidence = { ('x'):rep(2^20) } }",
      "evidence: 1048580 bytes of JSON, 16384 are kept",
    ],
    ["evidence in itself", "local t = {} t.t = t alert { type = 'x', evidence = t }", "JSON can hold no table so deep"],
    [
      "evidence in itself many times",
      "local t = {} for i = 1, 20 do t[i] = t end alert { type = 'x', evidence = t }",
      "bad argument #1 to 'alert' (more than 20000 values in its tables)",
    ],
    [
      "the same large text many times",
      "local s, t = ('x'):rep(2^20), {} for i = 1, 10000 do t[i] = s end alert { type = 'x', evidence = t }",
      "the table is too large: with all tables in it it would take over 64 MiB",
    ],
    ["a filter that is a text", "getAlerts('x')", "bad argument #1 to 'getAlerts' (table expected, got string)"],
    ["a filter of another field", "getAlerts { kind = 1 }", 'unknown field "kind"'],
    ["another time", "getAlerts { since = 'yesterday' }", "since: duration such as"],
    ["too many", "getAlerts({}, 1001)", "whole number from 1 to 1000 expected"],
  ])("%s is refused", async (_, chunk, problem) => {
    expect(await execute(chunk)).toContain(problem);
  });

  test("a message is one line, and as long as people read", async () => {
    expect(
      await execute(`alert { type = "lines", message = "one\\r\\n\\ntwo" .. ("\\u{e4}"):rep(1000) }
        local m = getAlerts({ type = "lines" })[1].message return m:sub(1, 9) .. m:sub(-5) .. #m`),
    ).toMatch(/^one two\u00e4\u00e4\.\.\.(999|100\d)$/);
  });

  test("works in pcall and coroutines, and where its own errors are caught", async () => {
    expect(
      await execute(`
        local found = {}
        found[1] = select(2, pcall(alert, { type = "inside", login = "1" }))
        found[2] = coroutine.wrap(function() coroutine.yield() return alert { type = "inside", login = "2" } end)
        found[2]() found[2] = found[2]()
        found[3] = select(2, coroutine.resume(coroutine.create(function() return alert { type = "inside", login = "3" } end)))
        local ok, problem = pcall(alert, { type = "a b" })
        return #found[1] .. #found[2] .. #found[3] .. tostring(ok) .. #getAlerts { type = "inside" }`),
    ).toBe("323232false3");
  });

  test("a report that raises many goes on", async () => {
    expect(
      await execute(`local n = 0 for i = 1, 300 do if alert { type = "many", key = "k" .. i % 100 } then n = n + 1 end end
        return n .. " " .. #getAlerts({ type = "many" }, 1000)`),
    ).toBe("100 100");
  });

  test("showAlerts prints a row each, newest first, without what a terminal would act on", async () => {
    await execute(`alert { type = "shown", login = "\\27[31mjoe\\n", remote = "192.0.2.1", severity = "low", t = ${START} }
      alert { type = "shown", login = "\\27[31mjoe\\n", remote = "192.0.2.1", t = ${START} }
      alert { type = "shown", t = ${START + 60} }`);
    const rows = (await execute(`showAlerts({ type = "shown" })`)).split("\n");
    expect(rows.map((row) => row.replace(/ {2,}/g, "  "))).toEqual([
      expect.stringMatching(/^Time +Severity +Type +Login +Remote +Count$/),
      expect.stringMatching(/00:01:00 medium +shown +- +- +1$/),
      expect.stringMatching(/00:00:00 low +shown +\S*joe\S* +192\.0\.2\.1 +2$/),
    ]);
    expect(rows.join("")).not.toContain("\x1b");
    expect((await execute(`showAlerts(1, { type = "shown" })`)).split("\n")).toHaveLength(2);
  });
});

test("in a comparison of table.sort it waits for nothing where there is no history, and else says what to do", async () => {
  const chunk = `
    local problem
    local list = { 2, 1 }
    table.sort(list, function(a, b)
      local ok, why = pcall(alert, { type = "sorted" })
      if not ok then problem = why end
      return a < b
    end)
    return (problem or "none") .. #getAlerts { type = "sorted" }`;
  await using plain = await startDaemon(PREAMBLE);
  expect(await consoleOf(plain)(chunk)).toBe("none1");
  await using kept = await startDaemon(PREAMBLE + HISTORY);
  expect(await consoleOf(kept)(chunk)).toEndWith(
    "'alert' cannot wait inside a function that C calls, such as a comparison of table.sort: call it before that, or afterwards0",
  );
});

test("the configuration itself raises none", async () => {
  const failed = startDaemon(`${PREAMBLE}\nalert { type = "early" }`);
  expect(failed).rejects.toThrow(
    "spec.conf:3: alerts are raised by policy functions and from the console, not by the configuration itself",
  );
  await failed.catch(() => {});
});

test("a background function raises one at the time that it is", async () => {
  await using daemon = await startDaemon(`${PREAMBLE}
    setBackground("tick", function() alert { type = "tick", cooldown = "1d" } end)
    intervalScheduleBackgroundFunc("00:00:01", "tick")`);
  const execute = consoleOf(daemon);
  while ((await execute(`return #getAlerts { type = "tick" }`)) !== "1") await Bun.sleep(20);
  const time = Number(await execute(`return ("%.3f"):format(getAlerts({ type = "tick" })[1].first)`));
  expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(20);
});

const BOTH: [name: string, url: () => Promise<[string, AsyncDisposable?]>, reason: string][] = [
  ["SQLite", async () => ["sqlite:history.sqlite"], ""],
  [
    `PostgreSQL${noPostgres}`,
    async () => {
      const server = await PostgresServer.start();
      return [await server.database(), server];
    },
    noPostgres,
  ],
];

describe.each(BOTH)("of a login, in %s,", (_, place, reason) => {
  test.skipIf(reason !== "")(
    "alerts are shown, exported and forgotten with the rest, and can be raised anew",
    async () => {
      const [url, server] = await place();
      await using daemon = await startDaemon(`${PREAMBLE} setStateDir("state") history = newHistory("${url}")`);
      await using _server = server ?? { [Symbol.asyncDispose]: async () => {} };
      const execute = consoleOf(daemon);
      const raise = (more = ""): Promise<string> =>
        execute(`return tostring((alert { type = "seen", login = "gone", evidence = { n = 1 } ${more} }))`);
      for (const more of ["", "", `, key = "other"`, `, cooldown = "1s", key = "short"`]) await raise(more);
      await execute(`alert { type = "seen", login = "ann", evidence = { with = "gone" } }`);
      expect(await execute("showLogin('gone')")).toMatch(
        /^the newest alerts\nTime[^\n]*Count\n(.*seen +gone.*\n?){3}$/,
      );
      expect(await execute(`local e = history:export("gone") return #e.alerts .. e.alerts[1].evidence.n`)).toBe("31");
      expect(await execute(`return tostring(history:forget("gone").alerts)`)).toBe("3");
      expect(await execute("showLogin('gone')")).toBe('nothing is known of "gone"');
      expect(
        await execute(`return #history:export("gone").alerts .. #getAlerts() .. history:forget("gone").alerts`),
      ).toBe("010");
      expect(await raise()).toMatch(/^[0-9a-f]{32}$/);
      // A name too long to be kept whole is found, too.
      await execute(`alert { type = "long", login = ("x"):rep(5000) }`);
      expect(await execute(`return history:forget(("x"):rep(5000)).alerts`)).toBe("1");
    },
    60_000,
  );
});
