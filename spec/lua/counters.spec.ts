/** StringStatsDB as policies see it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { ByteString } from "../../lib/text/byte-string.ts";
import { callEndpoint, PREAMBLE, startDaemon, temporaryFolder, type TestDaemon } from "../support/daemon.ts";
import { JumpingClock } from "../support/jumping-clock.ts";
import { startProgram } from "../support/program.ts";

const START = Date.UTC(2026, 2, 1);
const DB = `newStringStatsDB("db", 60, 6, { sum = "int", different = "hll", often = "countmin" }) `;

/** Runs expressions in a fresh daemon and gives what each answers, as the console shows it. */
async function evaluate(
  configuration: string,
  expressions: string[],
  clock = new JumpingClock(START),
): Promise<string[]> {
  await using daemon = await startDaemon(configuration, {}, clock);
  const answers: string[] = [];
  for (const expression of expressions) answers.push(await daemon.daemon.execute(expression as ByteString));
  return answers;
}

/** What counts: chunks; what is asked for: an expression; and its answer. */
const results = async (counting: string, questions: Record<string, string>): Promise<void> => {
  const all = Object.keys(questions);
  const answers = await evaluate(`${DB} local db = getStringStatsDB("db") _G.db = db ${counting}`, all);
  expect(Object.fromEntries(all.map((question, i) => [question, answers[i]!]))).toEqual(questions);
};

describe("an int field", () => {
  test("adds and takes away, whole numbers and strings that are some", () =>
    results(
      `db:twAdd("joe", "sum", 3) db:twAdd("joe", "sum", "4") db:twAdd("joe", "sum", 2.9) db:twSub("joe", "sum", 1)
       db:twSub("new", "sum", 5) db:twAdd("big", "sum", 3000000000) db:twAdd("big", "sum", 3000000000)`,
      {
        'db:twGet("joe", "sum")': "8",
        'db:twGetCurrent("joe", "sum")': "8",
        'math.type(db:twGet("joe", "sum"))': "integer",
        'db:twGet("new", "sum")': "-5",
        'db:twGet("big", "sum")': "6000000000",
        'db:twGet("nobody", "sum")': "0",
        'db:twGetCurrent("nobody", "sum")': "0",
        'table.concat(db:twGetWindows("nobody", "sum"), " ")': "0 0 0 0 0 0",
        "db:twGetSize()": "3",
      },
    ));
});

describe("an hll field", () => {
  test("counts different values; strings, numbers and addresses are their text", () =>
    results(
      `db:twAdd("joe", "different", "a") db:twAdd("joe", "different", "a") db:twAdd("joe", "different", "b\\0")
       db:twAdd("joe", "different", "b") db:twAdd("joe", "different", 5) db:twAdd("joe", "different", 5.0)
       db:twAdd("joe", "different", "5") db:twAdd("joe", "different", newCA("192.0.2.1:25"))
       db:twAdd("joe", "different", newCA("192.0.2.1")) db:twAdd("joe", "different", "192.0.2.1")`,
      { 'db:twGet("joe", "different")': "5", 'db:twGetCurrent("joe", "different")': "5" },
    ));
});

describe("a countmin field", () => {
  test("counts each value, once or as often as is said, and takes away", () =>
    results(
      `for _ = 1, 3 do db:twAdd("joe", "often", "NL") end
       db:twAdd("joe", "often", "DE", 10) db:twSub("joe", "often", "DE", 4) db:twSub("joe", "often", "NL")
       db:twAdd("joe", "often", newCA("2001:db8::1"))`,
      {
        'db:twGet("joe", "often", "NL")': "2",
        'db:twGet("joe", "often", "DE")': "6",
        'db:twGet("joe", "often", newCA("2001:db8::1"))': "1",
        'db:twGet("joe", "often", "2001:db8::1")': "1",
        'db:twGet("joe", "often", "FR")': "0",
        'db:twGet("joe", "often")': "9",
        'db:twGetCurrent("joe", "often", "DE")': "6",
        'db:twGetWindows("joe", "often", "DE")[1]': "6",
      },
    ));
});

describe("windows", () => {
  test("move with the clock, and are listed newest first", async () => {
    const clock = new JumpingClock(START);
    await using daemon = await startDaemon(
      `${DB} function windows(...)
      return table.concat(getStringStatsDB("db"):twGetWindows(...), " ") end`,
      {},
      clock,
    );
    const run = (chunk: string): Promise<string> => daemon.daemon.execute(chunk as ByteString);
    for (const [minute, n] of [
      [0, 1],
      [1, 2],
      [3, 4],
    ] as const) {
      await clock.advanceTo(START + minute * 60_000);
      await run(`getStringStatsDB("db"):twAdd("joe", "sum", ${n})`);
      await run(`getStringStatsDB("db"):twAdd("joe", "often", "NL", ${n})`);
    }
    expect(await run('windows("joe", "sum")')).toBe("4 0 2 1 0 0");
    expect(await run('windows("joe", "often", "NL")')).toBe("4 0 2 1 0 0");
    await clock.advanceTo(START + 6 * 60_000);
    expect(await run('windows("joe", "sum")')).toBe("0 0 0 4 0 2");
    expect(await run('getStringStatsDB("db"):twGet("joe", "sum")')).toBe("6");
    expect(await run('getStringStatsDB("db"):twGetCurrent("joe", "sum")')).toBe("0");
  });
});

describe("keys", () => {
  test("are bytes; numbers are their text, and addresses the text of their network", () =>
    results(
      `db:twAdd("a\\0b", "sum", 1) db:twAdd("\\xff\\xfe", "sum", 2) db:twAdd("", "sum", 3) db:twAdd(7, "sum", 4)
       db:twAdd(newCA("192.0.2.1:993"), "sum", 5) db:twAdd(newCA("2001:db8::1"), "sum", 6) db:twAdd(("x"):rep(3000), "sum", 7)`,
      {
        'db:twGet("a\\0b", "sum")': "1",
        'db:twGet("\\xff\\xfe", "sum")': "2",
        'db:twGet("", "sum")': "3",
        'db:twGet("7", "sum")': "4",
        'db:twGet(7.0, "sum")': "4",
        'db:twGet("192.0.2.1", "sum")': "5",
        'db:twGet(newCA("192.0.2.1"), "sum")': "5",
        'db:twGet("2001:db8::1", "sum")': "6",
        'db:twGet(("x"):rep(3000), "sum")': "7",
        'db:twGet(("x"):rep(2999), "sum")': "0",
        "db:twGetSize()": "7",
      },
    ));

  test("of addresses are masked by the prefixes of the db", () =>
    results(
      `db:twSetv4Prefix(20) db:twSetv6Prefix(44)
       for _, text in ipairs({ "10.1.16.1", "10.1.31.255", "10.1.32.0", "2001:db8:1:2::3", "2001:db8:0:f::", "::ffff:10.1.16.1" }) do
         db:twAdd(newCA(text), "sum", 1)
       end`,
      {
        'db:twGet(newCA("10.1.20.20"), "sum")': "2",
        'db:twGet("10.1.16.0/20", "sum")': "2",
        'db:twGet("10.1.32.0/20", "sum")': "1",
        'db:twGet("2001:db8::/44", "sum")': "2",
        'db:twGet("::/44", "sum")': "1",
        "db:twGetv4Prefix()": "20",
        "db:twGetv6Prefix()": "44",
        "db:twSetv4Prefix(0)": "",
        'db:twAdd(newCA("1.2.3.4"), "sum", 9)': "",
        'db:twGet("0.0.0.0/0", "sum")': "9",
      },
    ));

  test("can be removed, whole or one field of them", () =>
    results(
      `for _, key in ipairs({ "joe", "jane" }) do
         db:twAdd(key, "sum", 1) db:twAdd(key, "different", "a") db:twAdd(key, "often", "a")
       end
       db:twAdd(newCA("192.0.2.1"), "sum", 1)`,
      {
        'db:twReset("joe")': "true",
        'db:twReset("joe") ': "false",
        'db:twReset(newCA("192.0.2.1"))': "true",
        'db:twGet("joe", "sum")': "0",
        'db:twResetField("jane", "different")': "",
        'db:twResetField("nobody", "different")': "",
        'db:twGet("jane", "different")': "0",
        'db:twGet("jane", "sum")': "1",
        'db:twGet("jane", "often", "a")': "1",
        "db:twGetSize()": "1",
      },
    ));

  test("over twSetMaxSize go, the one used longest ago first", () =>
    results(
      `db:twSetMaxSize(3) for _, key in ipairs({ "a", "b", "c" }) do db:twAdd(key, "sum", 1) end
       db:twGet("a", "sum") db:twAdd("d", "sum", 1)`,
      {
        "db:twGetSize()": "3",
        'db:twGet("b", "sum")': "0",
        'db:twGet("a", "sum")': "1",
        "db:twSetMaxSize(1)": "",
        'db:twGet("a", "sum") + db:twGetSize()': "2",
      },
    ));
});

describe("wrong use", () => {
  const CONFIGURATION = `${DB} db = getStringStatsDB("db")`;
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startDaemon(CONFIGURATION);
  });
  afterAll(() => daemon[Symbol.asyncDispose]());
  const failureOf = (chunk: string): Promise<string> =>
    daemon.loaded.engine.runFile(Buffer.from(`\n${chunk}\nlocal _ = 1`), "spec.conf").then(
      () => "no error",
      (error: Error) => error.message,
    );

  test.each([
    ['db:twAdd("k", "nope", 1)', 'twAdd: db "db" has no field "nope"'],
    ['db:twGet("k", "nope")', 'twGet: db "db" has no field "nope"'],
    ['db:twResetField("k", "nope")', 'twResetField: db "db" has no field "nope"'],
    ['db:twAdd("k", nil, 1)', "bad argument #2 to 'twAdd' (string expected, got nil)"],
    ['db:twAdd("k", "sum", "x")', 'twAdd: db "db", field "sum" (int): number expected, got string'],
    ['db:twAdd("k", "sum")', 'twAdd: db "db", field "sum" (int): number expected, got nil'],
    [
      'db:twAdd("k", "sum", 0/0)',
      'twAdd: db "db", field "sum" (int): number of at most 9007199254740991 expected, got NaN',
    ],
    ['db:twSub("k", "sum", {})', 'twSub: db "db", field "sum" (int): number expected, got table'],
    [
      'db:twAdd("k", "different", nil)',
      'twAdd: db "db", field "different" (hll): string, number or ComboAddress expected, got nil',
    ],
    [
      'db:twAdd("k", "different", true)',
      'twAdd: db "db", field "different" (hll): string, number or ComboAddress expected, got boolean',
    ],
    [
      'db:twAdd("k", "often", newNetmask("::/0"))',
      'twAdd: db "db", field "often" (countmin): string, number or ComboAddress expected, got table',
    ],
    ['db:twAdd("k", "often", "x", "y")', 'twAdd: db "db", field "often" (countmin): number expected, got string'],
    [
      'db:twGet("k", "often", {})',
      'twGet: db "db", field "often" (countmin): string, number or ComboAddress expected, got table',
    ],
    ['db:twSub("k", "different", "x")', 'twSub: db "db", field "different" (hll): nothing can be taken away'],
    ['db:twAdd(nil, "sum", 1)', "bad argument #1 to 'twAdd' (string, number or ComboAddress expected, got no value)"],
    ['db:twGet({}, "sum")', "bad argument #1 to 'twGet' (string, number or ComboAddress expected, got table)"],
    ["db:twReset()", "bad argument #1 to 'twReset' (string, number or ComboAddress expected, got no value)"],
    ['db.twAdd("k", "sum", 1)', "calling 'twAdd' on bad self (StringStatsDB expected, got string)"],
    ["db.twGetSize(nil)", "calling 'twGetSize' on bad self (StringStatsDB expected, got no value)"],
    ["db:twSetMaxSize(0)", "bad argument #1 to 'twSetMaxSize' (whole number from 1 to 100000000 expected, got 0)"],
    ["db:twSetv4Prefix(33)", "bad argument #1 to 'twSetv4Prefix' (whole number from 0 to 32 expected, got 33)"],
    ["db:twSetv6Prefix('x')", "bad argument #1 to 'twSetv6Prefix' (number expected, got string)"],
    ["setHLLBits(17)", "bad argument #1 to 'setHLLBits' (whole number from 4 to 16 expected, got 17)"],
    ["setHLLBits(3)", "bad argument #1 to 'setHLLBits' (whole number from 4 to 16 expected, got 3)"],
    ["setCountMinBits(0, 0.1)", "bad argument #1 to 'setCountMinBits' (number over 0, at most 1 expected, got 0)"],
    ["setCountMinBits(0.1, 2)", "bad argument #2 to 'setCountMinBits' (number over 0, at most 1 expected, got 2)"],
    [
      "setCountMinBits(0.0001, 0.01)",
      "bad argument #1 to 'setCountMinBits' (that takes 135915 counters a window, 65536 at most)",
    ],
    [
      'newStringStatsDB("db", 60, 6, { a = "int" })',
      `bad argument #1 to 'newStringStatsDB' (a db is named "db" already)`,
    ],
    [
      'newStringStatsDB("", 60, 6, { a = "int" })',
      "bad argument #1 to 'newStringStatsDB' (name of 1 to 200 bytes of UTF-8 expected)",
    ],
    [
      'newStringStatsDB("x", 0, 6, { a = "int" })',
      "bad argument #2 to 'newStringStatsDB' (whole number from 1 to 31622400 expected, got 0)",
    ],
    [
      'newStringStatsDB("x", 60, 1001, { a = "int" })',
      "bad argument #3 to 'newStringStatsDB' (whole number from 1 to 1000 expected, got 1001)",
    ],
    ['newStringStatsDB("x", 60, 6, {})', "bad argument #4 to 'newStringStatsDB' (1 to 64 fields expected)"],
    [
      'newStringStatsDB("x", 60, 6, { a = "set" })',
      `bad argument #4 to 'newStringStatsDB' (field "a" must be "int", "hll" or "countmin")`,
    ],
    [
      'newStringStatsDB("x", 60, 6, { "int" })',
      `bad argument #4 to 'newStringStatsDB' (the name of field "1" is no text of at most 200 bytes)`,
    ],
    [
      'newShardedStringStatsDB("x", 60, 6, { a = "int" }, "y")',
      "bad argument #5 to 'newShardedStringStatsDB' (number expected, got string)",
    ],
  ])("%s", async (chunk, problem) => {
    expect(await failureOf(chunk)).toBe(`spec.conf:2: ${problem}`);
    expect<string>(await daemon.daemon.execute("return getStringStatsDB('db'):twGetSize()" as ByteString)).toBe("0");
  });
});

test("an unknown name is an error in the log, once, and a db that counts nothing", async () => {
  await using daemon = await startDaemon(`${PREAMBLE} setCustomEndpoint("ask", function()
    local none = getStringStatsDB("none")
    none:twAdd("joe", "any", 1) none:twSub(newCA("::1"), "other", {}) none:twResetField("joe", "x") none:twSetMaxSize(1)
    return true, { get = none:twGet("joe", "any"), current = none:twGetCurrent(1, "x", "y"), windows = #none:twGetWindows("joe", "any"),
      size = none:twGetSize(), reset = none:twReset("joe") } end)`);
  for (let i = 0; i < 2; i++) {
    expect(await callEndpoint(daemon, "ask")).toEqual({
      get: "0",
      current: "0",
      windows: "0",
      size: "0",
      reset: "false",
    });
  }
  expect(daemon.logs.filter((line) => line.includes("getStringStatsDB"))).toEqual([
    'getStringStatsDB: no db is named "none": newStringStatsDB() makes one',
  ]);
});

test("what is for the configuration has no effect in a report, and says so once", async () => {
  await using daemon = await startDaemon(`${PREAMBLE} ${DB} setReport(function()
    local db = getStringStatsDB("db")
    newStringStatsDB("other", 60, 6, { a = "int" })
    db:twSetMaxSize(1) db:twSetv4Prefix(8) db:twSetv6Prefix(8) db:twSetExpireSleep(1) db:twEnableReplication()
    setHLLBits(8) setCountMinBits(0.1, 0.1) newShardedStringStatsDB("another", 60, 6, { a = "int" }, 3)
  end)`);
  for (let i = 0; i < 2; i++) expect((await daemon.post("/?command=report", {})).status).toBe(200);
  const { dbs } = daemon.loaded.counters;
  expect([...dbs.keys()]).toEqual(["db"]);
  expect(dbs.get("db")).toMatchObject({ maxKeys: 500_000, v4Prefix: 32, v6Prefix: 128 });
  const names = ["newStringStatsDB", "twSetMaxSize", "twSetv4Prefix", "twSetv6Prefix", "twSetExpireSleep"];
  names.push("twEnableReplication", "setHLLBits", "setCountMinBits", "newShardedStringStatsDB");
  expect(daemon.logs.filter((line) => line.includes("no effect"))).toEqual(
    names.map((name) => `${name}() has no effect in a report function: call it from the configuration or the console`),
  );
});

test("dbs that are made after setHLLBits and setCountMinBits are as exact as they say", async () => {
  await using daemon = await startDaemon(`local fields = { a = "hll", b = "countmin" }
    newStringStatsDB("before", 60, 6, fields)
    setHLLBits(12) setCountMinBits(0.01, 0.01)
    newShardedStringStatsDB("after", 60, 6, fields, 10)
    local db = getStringStatsDB("after") db:twSetExpireSleep(100) db:twEnableReplication()`);
  const shapes = Array.from(daemon.loaded.counters.dbs.values(), ({ shape }) => Object.fromEntries(shape.fields));
  expect(shapes).toEqual([
    { a: { kind: "hll", bits: 6 }, b: { kind: "countmin", width: 55, depth: 2 } },
    { a: { kind: "hll", bits: 12 }, b: { kind: "countmin", width: 272, depth: 5 } },
  ] as never);
});

test("a hundred windows are listed", async () => {
  const answers = await evaluate(`newStringStatsDB("long", 60, 100, { a = "int" }) db = getStringStatsDB("long")`, [
    '#db:twGetWindows("joe", "a")',
    'db:twAdd("joe", "a", 1)',
    'db:twGetWindows("joe", "a")[1]',
    '#db:twGetWindows("joe", "a") ',
  ]);
  expect(answers).toEqual(["100", "", "1", "100"]);
});

describe("the daemon", () => {
  test("shows dbs on the console and their keys on /metrics", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} ${DB} newStringStatsDB("OneHourDB", 600, 6, { a = "int" })
      local db = getStringStatsDB("OneHourDB") db:twSetMaxSize(1000) db:twAdd("joe", "a", 1) db:twAdd("jane", "a", 1)`);
    const shown = await daemon.daemon.execute("showStringStatsDBs()" as ByteString);
    expect(shown.split("\n").map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["Name", "Keys", "Bound", "Memory"],
      ["db", "0", "500000", expect.stringMatching(/^\d+\.\d MiB$/)],
      ["OneHourDB", "2", "1000", expect.stringMatching(/^\d+\.\d MiB$/)],
      [""],
    ] as never);
    expect(await daemon.daemon.execute("help()" as ByteString)).toMatch(/^showStringStatsDBs\(\) +prints/m);
    const metrics = await (await daemon.get("/metrics")).text();
    expect(metrics).toContain("# TYPE trackalert_counters_keys gauge\n");
    expect(metrics).toContain('trackalert_counters_keys{db="db"} 0\ntrackalert_counters_keys{db="OneHourDB"} 2\n');
  });

  test("remembers counters over a stop and a start", async () => {
    using state = temporaryFolder();
    const configuration = `${PREAMBLE} setStateDir("${state.path}") ${DB}
      setReport(function(lt) getStringStatsDB("db"):twAdd(lt.login, "different", lt.pwhash) end)`;
    {
      await using daemon = await startDaemon(configuration);
      for (const pwhash of ["a", "b", "a"]) await daemon.post("/?command=report", { login: "joe", pwhash });
      expect(existsSync(join(state.path, "counters.bin"))).toBeFalse();
    }
    await using daemon = await startDaemon(configuration);
    const { status } = await daemon.post("/?command=report", { login: "joe", pwhash: "b" });
    expect(status).toBe(200);
    const asked = await daemon.daemon.execute('getStringStatsDB("db"):twGet("joe", "different")' as ByteString);
    expect<string>(asked).toBe("2");
  });

  test("that was killed has what was saved", async () => {
    using state = temporaryFolder();
    const file = join(state.path, "spec.conf");
    const configuration = `setStateDir("${state.path}") setACL({ "127.0.0.0/8" }) ${DB} local db = getStringStatsDB("db")
      setBackground("count", function() infoLog("before " .. db:twGet("joe", "sum")) db:twAdd("joe", "sum", 1) infoLog("counted") end)
      intervalScheduleBackgroundFunc("00:00:01", "count")`;
    await Bun.write(file, configuration);
    {
      await using program = startProgram(["-s", "-C", file]);
      await program.waitFor(/counted/);
      program.kill("SIGTERM");
      expect((await program.ended).code).toBe(0);
    }
    const saved = readFileSync(join(state.path, "counters.bin"));
    {
      await using program = startProgram(["-s", "-C", file]);
      await program.waitFor(/before 1\b[^]*counted/);
      program.kill("SIGKILL");
      await program.ended;
    }
    expect(readFileSync(join(state.path, "counters.bin")).equals(saved)).toBeTrue();
    await using program = startProgram(["-s", "-C", file]);
    await program.waitFor(/before 1\b/);
  }, 20_000);
});
