/** What chunks of the console answer. The way they come in is the control socket's (spec/control). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { CONSOLE_COMMANDS } from "../../lib/lua/console-commands.ts";
import { toByteString, toText } from "../../lib/text/byte-string.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { startWeb } from "../support/web.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon(`
    setKey("Ay9KXgU3g4ygK+qWT0Ut4gH8PPz02gbtPeXWPdjD0HE=")
    setACL({ "127.0.0.0/8", "!127.0.0.2/32" })
    setCustomEndpoint("second", function() return true end)
    setCustomEndpoint("first", function() return true end)
    seen = 0
    function fails() error("no") end
  `);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const run = async (chunk: string, on = daemon): Promise<string> =>
  toText(await on.loaded.engine.runConsole(toByteString(chunk)));

describe("a chunk is answered by what it returns", () => {
  test.each([
    ["return 42", "42"],
    ["return 2.5", "2.5"],
    ["return true", "true"],
    ["return 'ünï\\n'", "ünï\n"],
    ["return nil", ""],
    ["x = 5", ""],
    ["", ""],
    ["-- nothing", ""],
    ["return 1, nil, 'b'", "1\tnil\tb"],
    ["1+1", "2"],
    ["1 + 1 -- sum", "2"],
    ["seen", "0"],
    ["newCA('192.0.2.1')", "192.0.2.1"],
    ["{}", "{}"],
    [
      "{1, 2, 'three', x = {y = true}, ['a b'] = \"q\\\"\\n\"}",
      '{ 1, 2, "three", ["a b"] = "q\\"\\n", x = { y = true } }',
    ],
    ["{[3] = 1, [1.5] = 2, [true] = 3}", "{ [1.5] = 2, [3] = 1, [true] = 3 }"],
    ["setmetatable({}, {__tostring = function() return 'own' end})", "own"],
    ["{nil, 2}", "{ [2] = 2 }"],
  ])("%j", async (chunk, answer) => {
    expect(await run(chunk)).toBe(answer);
  });

  test("a table that contains itself, and one that is deep", async () => {
    expect(await run("local t = {1} t.t = t return t")).toBe("{ 1, t = {…} }");
    expect(await run("local t = {} for _ = 1, 1000 do t = {t} end return t")).toContain("{…}");
  });

  test("a table that is wide has a line for each entry", async () => {
    const answer = await run("{ name = ('x'):rep(60), other = { ('y'):rep(30) } }");
    expect(answer).toBe(`{\n  name = "${"x".repeat(60)}",\n  other = { "${"y".repeat(30)}" }\n}`);
  });

  test("only the table that is cut says so", async () => {
    const answer = await run("local t = {} for i = 1, 5001 do t[i] = { i } end return t");
    expect(answer).toStartWith("{\n  { 1 },\n  { 2 },\n");
    expect(answer).toEndWith(",\n  …\n}");
  });

  test("a table of a million entries is cut", async () => {
    const answer = await run("local t = {} for i = 1, 1000000 do t[i] = i end return t");
    expect(answer).toStartWith("{\n  1,\n  2,\n");
    expect(answer).toEndWith(",\n  …\n}");
  });
});

describe("without a value, by what it printed", () => {
  test.each([
    ["print('a', 1, nil, true) print()", "a\t1\tnil\ttrue\n\n"],
    ["showVersion() print('and') stats()", /^trackalert \d+\.\d+\.\d+\nand\n0 reports\n$/],
    ["coroutine.wrap(function() print('inside') end)()", "inside\n"],
    ["print('first') sleep(0.001) print('then')", "first\nthen\n"],
  ])("%j", async (chunk, answer) => {
    const text = await run(chunk);
    if (typeof answer === "string") expect(text).toBe(answer);
    else expect(text).toMatch(answer);
  });

  test("and chunks that wait at the same time do not mix", async () => {
    const chunk = (name: string): string => `for i = 1, 3 do print("${name}") sleep(0.001) end`;
    const answers = await Promise.all(["a", "b", "c"].map((name) => run(chunk(name))));
    expect(answers).toEqual(["a\na\na\n", "b\nb\nb\n", "c\nc\nc\n"]);
  });

  test("and chunks that are run at once do not mix", async () => {
    expect(await Promise.all([run("print('A')"), run("error('B')"), run("print('C')")])).toEqual([
      "A\n",
      expect.stringContaining("B"),
      "C\n",
    ]);
  });

  test("one that never stops printing is an error, not a full memory", async () => {
    expect(await run("while true do print(('x'):rep(1000000)) end")).toMatch(
      /^[x\n]+\nError: \[string ".*"\]:1: a chunk may print 16777216 bytes/,
    );
    expect(await run("print('next')")).toBe("next\n");
  });
});

describe("an error is answered with where it was", () => {
  test("raised", async () => {
    expect(await run("fails()")).toMatch(
      /^Error: \S*spec\.conf:\d+: no\nstack traceback:\n\t\[C\]: in function 'error'\n/,
    );
    expect(await run('error("here")')).toStartWith(`Error: [string "error("here")"]:1: here\nstack traceback:\n`);
    expect(await run("error({})")).toMatch(/^Error: table: 0x/);
  });

  test("after what was printed", async () => {
    expect(await run("print('a') error('b', 0)")).toStartWith("a\nError: b\nstack traceback:\n");
    expect(await run("print('a') while true do print(('x'):rep(1000000)) end")).toMatch(
      /^a\n[x\n]+\nError: \[string ".*"\]:1: a chunk may print 16777216 bytes/,
    );
  });

  test("of a name of wforce's, with a hint", async () => {
    expect(await run("blacklistIP(newCA('192.0.2.1'), 300, 'x')")).toMatch(
      /^Error: .*attempt to call a nil value \(global 'blacklistIP'\): blacklistIP is wforce's: .*\n/,
    );
  });

  test("of syntax, as of the chunk itself", async () => {
    expect(await run("bogus(")).toBe(`Error: [string "bogus("]:1: unexpected symbol near <eof>`);
    expect(await run("x = = 1\ny")).toBe(`Error: [string "x = = 1..."]:1: unexpected symbol near '='`);
    expect(await run("=1")).toStartWith("Error: ");
    expect(await run("\x1bLua")).toStartWith("Error: ");
  });

  test("of a host function", async () => {
    expect(await run("addACL('10.0.0.0/33')")).toStartWith(
      `Error: [string "addACL('10.0.0.0/33')"]:1: bad argument #1 to 'addACL' (netmask such as`,
    );
    expect(await run("intervalScheduleBackgroundFunc('1:2:3', 'f')")).toMatch(/^Error: .*duration above 0/);
  });
});

describe("commands", () => {
  test.each([
    ["stats()", "0 reports\n"],
    ["showACL()", "127.0.0.0/8\n!127.0.0.2/32\n"],
    ["showACL() stats()", "127.0.0.0/8\n!127.0.0.2/32\n0 reports\n"],
    ["showCustomEndpoints()", `${"Custom Endpoint".padEnd(30)} \n${"first".padEnd(30)} \n${"second".padEnd(30)} \n`],
    [
      "showPerfStats()",
      `${["WTW", "WTR"].flatMap((kind) => ["0_1", "1_10", "10_100", "100_1000", "Slow"].map((range) => `${kind}_${range}=0\n`)).join("")}`,
    ],
    ["showCommandStats()", "alerts=0\nfirst=0\nlivez=0\nreadyz=0\nreport=0\nsecond=0\nstats=0\n"],
    ["testCrypto('text')", "Everything is ok!\n"],
    ["reloadGeoIPDBs()", "reloadGeoIPDBs() successful"],
    ["stats() reloadGeoIP2DBs()", "0 reports\nreloadGeoIP2DBs() successful\n"],
    ["stats", "0 reports\n"],
    ["\uFEFFstats()", "0 reports\n"],
    ["#'four'", "4"],
    [" showACL\n", "127.0.0.0/8\n!127.0.0.2/32\n"],
    ["reloadGeoIPDBs", "reloadGeoIPDBs() successful"],
  ])("%s", async (chunk, answer) => {
    expect(await run(chunk)).toBe(answer);
  });

  test("a bare name that the policy has another use for is its value", async () => {
    await using own = await startDaemon("stats = { n = 1 }");
    expect(await run("stats", own)).toBe("{ n = 1 }");
  });

  test("makeKey() prints a key that setKey takes, and another each time", async () => {
    const line = await run("makeKey()");
    expect(line).toMatch(/^setKey\("[A-Za-z0-9+/]{43}="\)\n$/);
    expect(await run("makeKey()")).not.toBe(line);
    await using other = await startDaemon(line);
    expect(other.loaded.config.key).toHaveLength(32);
  });

  test("testCrypto() without a key is an error", async () => {
    await using keyless = await startDaemon("");
    expect(await run("testCrypto('x')", keyless)).toMatch(/^Error: .*testCrypto: there is no key: setKey\(\) sets one/);
  });

  test("help() lists each command, and each exists", async () => {
    const listed = (await run("help()")).trimEnd().split("\n");
    expect(listed).toHaveLength(CONSOLE_COMMANDS.size);
    for (const line of listed) {
      const [, name] = /^(\w+)\(.*\)  +\S/.exec(line)!;
      expect([name, await run(`type(${name})`)]).toEqual([name, "function"]);
    }
  });
});

describe("a mistake that a policy would go on after is an error", () => {
  test.each([
    ["return newCA('nobody')", 'newCA: not an IP address: "nobody"'],
    ["x = newNetmask('nobody/8')", 'newNetmask: not a netmask: "nobody/8"'],
    ["newGeoIP2DB('x', '/no/such.mmdb')", /newGeoIP2DB: x: \/no\/such\.mmdb: .*/],
    ["getGeoIP2DB('none')", 'getGeoIP2DB: no database is named "none": newGeoIP2DB() opens one'],
    ["lookupCity(newCA('192.0.2.1')).city", "lookupCity: no database: initGeoIPCityDB() opens it"],
    [
      "runCustomWebHook('nosuch', '{}')",
      'runCustomWebHook: no webhook is named "nosuch": addCustomWebHook() registers one',
    ],
    ["incCustomStat('nosuch')", 'incCustomStat: no custom stat is named "nosuch": addCustomStat() declares one'],
    ["durationToSeconds('soon')", 'durationToSeconds: not a duration: "soon"'],
  ])("%s", async (chunk, problem) => {
    // The log has some of them once; the console has them each time.
    for (let i = 0; i < 2; i++) {
      const [, told] = /^Error: (.*)$/.exec(await run(chunk))!;
      if (typeof problem === "string") expect(told).toBe(problem);
      else expect(told).toMatch(problem);
      expect(daemon.logs).toContain(told!);
    }
  });

  test.each([
    "newCA(text)",
    "newNetmask(text)",
    "newNetmaskGroup():addMask(text)",
    "addACL(text)",
    "durationToSeconds(text)",
    "getGeoIP2DB(text)",
    "runCustomWebHook(text, '{}')",
    "incCustomStat(text)",
    "getStringStatsDB(text)",
    "cronScheduleBackgroundFunc(text, 'x')",
  ])("of %s shows no more than the beginning of a long text", async (call) => {
    const told = /^Error: (.*)$/m.exec(await run(`local text = ("x"):rep(2^20) ${call}`))![1]!;
    expect(told).toContain("xxx");
    expect(told.length).toBeLessThan(400);
  });

  test("after what was printed, with all others", async () => {
    expect(await run("print('a') newCA('b') print('c') newCA('d') return 'e'")).toBe(
      'a\nc\nError: newCA: not an IP address: "b"\nError: newCA: not an IP address: "d"',
    );
    expect(await run("newCA('a') error('b', 0)")).toStartWith('Error: newCA: not an IP address: "a"\nError: b\n');
  });

  test("but not in the answer of another chunk", async () => {
    const waiting = run("sleep(0.01) return 'good'");
    expect(await run("newCA('nobody')")).toStartWith("Error: ");
    expect(await waiting).toBe("good");
  });
});

describe("the console and the policy", () => {
  test("share one state, in which a chunk runs once", async () => {
    await run("seen = seen + 1");
    expect(await run("seen")).toBe("1");
    await run("addCustomStat('n') incCustomStat('n')");
    expect(await run("showCustomStats()")).toBe("n=1\n");
  });

  test("a chunk that waits lets others run", async () => {
    using web = startWeb();
    expect(await run(`return httpRequest{ url = "${web.origin}/status/204" }.status`)).toBe("204");
    const waiting = run("repeat sleep(0.001) until go; return 'gone'");
    await run("go = true");
    expect(await waiting).toBe("gone");
  });

  test("what the console changes takes effect", async () => {
    await using own = await startDaemon(`addListener("127.0.0.1:0", false, "", "", {}) setWebserverPassword("super")`);
    expect((await own.post("/command/late", {})).status).toBe(404);
    await run(`setCustomEndpoint("late", function() return true, { n = 1 } end)`, own);
    expect(await (await own.post("/command/late", {})).json()).toEqual({ success: true, r_attrs: { n: "1" } });
    await run(`setReport(function(lt) last = lt.login end)`, own);
    await own.post("/command/report", { login: "joe" });
    expect(await run("last", own)).toBe("joe");
    await run(`setACL({ "192.0.2.0/24" })`, own);
    expect((await own.get("/readyz")).status).toBe(401);
  });

  test("a schedule that the console adds runs; one for no function is an error", async () => {
    await using own = await startDaemon("");
    expect(await run(`intervalScheduleBackgroundFunc("00:00:01", "tick")`, own)).toMatch(
      /^Error: .*no background function is named "tick"/,
    );
    await run(
      `setBackground("tick", function() ticked = true end) intervalScheduleBackgroundFunc("00:00:01", "tick")`,
      own,
    );
    while ((await run("ticked", own)) !== "true") await Bun.sleep(5);
  });

  test.each([
    `addListener("127.0.0.1:0", false, "", "", {})`,
    `webserver("127.0.0.1:0", "x")`,
    `controlSocket("127.0.0.1:0")`,
    `setKey("Ay9KXgU3g4ygK+qWT0Ut4gH8PPz02gbtPeXWPdjD0HE=")`,
    `setStateDir("/tmp")`,
  ])("what is opened at the start cannot be changed: %s", async (call) => {
    expect(await run(call)).toMatch(/^Error: .*: only the configuration can do this: change it there and restart\n/);
  });

  test("commands have no effect in a report function", async () => {
    await using own = await startDaemon(`addListener("127.0.0.1:0", false, "", "", {}) setWebserverPassword("super")
      setReport(function() showACL() shutdown() end)`);
    await own.post("/command/report", {});
    expect(own.logs.join("\n")).toContain("showACL() has no effect in a report function");
    expect(own.logs.join("\n")).toContain("shutdown() has no effect in a report function");
  });
});

test("ten thousand chunks leave stack and memory where they were", async () => {
  const { api, main } = daemon.loaded.engine.state;
  const chunk = async (i: number): Promise<void> => {
    await run(`local t = { ${i} } return t`);
    await run(`print(${i}) error("e${i}")`);
  };
  const used = async (): Promise<number> =>
    Number(await run("collectgarbage() collectgarbage() return collectgarbage('count')"));
  for (let i = 0; i < 500; i++) await chunk(i);
  const before = await used();
  for (let i = 0; i < 5000; i++) await chunk(i);
  expect(await used()).toBeLessThan(before + 200);
  expect(api.lua_gettop(main)).toBe(0);
});
