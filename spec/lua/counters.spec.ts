import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { countersConfiguration, countersConsole } from "../../lib/lua/functions/counters.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { PREAMBLE, startDaemon, temporaryFolder } from "../support/daemon.ts";
import { failure, startEngine, type TestEngine } from "../support/engine.ts";

let lua: TestEngine;

beforeAll(async () => {
  lua = await startEngine();
  for (const definition of countersConfiguration(lua.counters)) lua.engine.defineForConfiguration(definition);
  lua.engine.defineForConfiguration(countersConsole(lua.counters, lua.engine.output));
  await lua.run(`
    newStringStatsDB("db", 600, 6, { count = "int", different = "hll", often = "countmin" })
    newShardedStringStatsDB("sharded", 60, 2, { n = "int" }, 16)
    db = getStringStatsDB("db")`);
});
afterAll(() => lua[Symbol.dispose]());

describe("a StringStatsDB", () => {
  test("counts under strings, numbers and addresses", async () => {
    const answers = await lua.values(`
      db:twAdd("joe", "count", 2) db:twAdd("joe", "count", 3) db:twSub("joe", "count", 1)
      db:twAdd(25, "count", 7)
      for i = 1, 10 do db:twAdd("joe", "different", i % 4) end
      db:twAdd("joe", "different", newCA("192.0.2.1")) db:twAdd("joe", "different", "192.0.2.1")
      for i = 1, 5 do db:twAdd("joe", "often", "secret") end
      db:twAdd("joe", "often", "other") db:twSub("joe", "often", "secret")
      db:twAdd(newCA("192.0.2.77"), "count", 1)
      answer(db:twGet("joe", "count"), db:twGet(25, "count"), db:twGet("25", "count"))
      answer(db:twGet("joe", "different"), db:twGet("joe", "often", "secret"), db:twGet("joe", "often"))
      answer(db:twGet("192.0.2.77", "count"), db:twGet("nobody", "count"), db:twGetCurrent("joe", "count"))
      answer(table.concat(db:twGetWindows("joe", "count"), " "), #db:twGetWindows("nobody", "different"))
      answer(math.type(db:twGet("joe", "count")))`);
    expect(answers).toEqual(["4", "7", "7", "5", "4", "5", "1", "0", "4", "4 0 0 0 0 0", "6", "integer"]);
  });

  test("masks addresses by its prefixes", async () => {
    const answers = await lua.values(`
      db:twSetv4Prefix(24) db:twSetv6Prefix(64)
      db:twAdd(newCA("198.51.100.1"), "count", 1) db:twAdd(newCA("198.51.100.200"), "count", 1)
      answer(db:twGet(newCA("198.51.100.9"), "count"), db:twGetv4Prefix(), db:twGetv6Prefix())
      db:twSetv4Prefix(32) db:twSetv6Prefix(128)`);
    expect(answers).toEqual(["2", "24", "64"]);
  });

  test("resets keys and fields, and is bounded", async () => {
    const answers = await lua.values(`
      local db = getStringStatsDB("sharded")
      db:twSetMaxSize(2)
      for _, key in ipairs { "a", "b", "c" } do db:twAdd(key, "n", 1) end
      answer(db:twGetSize(), db:twGet("a", "n"), db:twReset("b"), db:twReset("b"), db:twGetSize())
      db:twResetField("c", "n")
      answer(db:twGet("c", "n"))
      db:twSetExpireSleep(100) db:twEnableReplication()`);
    expect(answers).toEqual(["2", "0", "true", "false", "1", "0"]);
  });

  test("of a name that nobody made counts nothing, and is an error in the log", async () => {
    const answers = await lua.values(`
      local db = getStringStatsDB("nosuch")
      db:twAdd("k", "x", 1) db:twSetMaxSize(3)
      answer(db:twGet("k", "x"), #db:twGetWindows("k", "x"), db:twReset("k"), db:twGetSize())`);
    expect(answers).toEqual(["0", "0", "false", "0"]);
    expect(lua.logs).toContainEqual(`getStringStatsDB: no db is named "nosuch": newStringStatsDB() makes one`);
  });

  test.each([
    [`db:twAdd("k", "nosuch", 1)`, "StringStatsDB 'db' has no field 'nosuch'"],
    [`db:twAdd("k", nil, 1)`, "StringStatsDB 'db' has no field 'nil'"],
    [`db:twAdd("k", "count", "x")`, "StringStatsDB 'db', field 'count' (int): number expected, got string"],
    [`db:twAdd("k", "count")`, "StringStatsDB 'db', field 'count' (int): number expected, got nil"],
    [`db:twAdd("k", "count", 0/0)`, "StringStatsDB 'db', field 'count' (int): number expected, got number"],
    [`db:twAdd("k", "different", {})`, "field 'different' (hll): string, number or ComboAddress expected, got table"],
    [`db:twSub("k", "different", "x")`, "field 'different' (hll): nothing can be taken away from an hll"],
    [`db:twAdd({}, "count", 1)`, "bad argument #1 to 'twAdd' (string expected, got table)"],
    [`db:twGet(nil, "count")`, "bad argument #1 to 'twGet' (string expected, got nil)"],
    [`db.twGet("k", "count")`, "calling 'twGet' on bad self (StringStatsDB expected, got string)"],
    [`db:twSetMaxSize(0)`, "bad argument #1 to 'twSetMaxSize' (whole number from 1 to 100000000 expected, got 0)"],
    [`newStringStatsDB("db", 1, 1, { a = "int" })`, "newStringStatsDB: there is a db named 'db' already"],
    [`newStringStatsDB("x", 0, 1, { a = "int" })`, "bad argument #2 to 'newStringStatsDB'"],
    [`newStringStatsDB("x", 1, 1, { a = "float" })`, `names with one of "int", "hll", "countmin" expected, at a`],
    [`newStringStatsDB("x", 1, 1, {})`, "1 to 100 fields expected"],
    [`setHLLBits(17)`, "whole number from 4 to 16 expected, got 17"],
    [`setCountMinBits(0, 0.2)`, "number between 0 and 1 expected, got 0"],
    [`setCountMinBits(0.0000001, 0.2)`, "eps and gamma that need at most 1000000 counters expected"],
  ])("%s is an error", async (chunk, message) => {
    expect((await failure(lua, chunk)).message).toContain(message);
  });

  test("tampered with is an error and no more", async () => {
    for (const chunk of [`db[1] = 99 db:twGet("k", "count")`, `db[1] = 1 db[3].count = 99 db:twAdd("k", "count", 1)`]) {
      expect((await failure(lua, `local db = getStringStatsDB("db") ${chunk}`)).message).toMatch(/no such/);
    }
  });
});

test("a daemon has its counters again after a restart, shows them, and does not let reports change their bounds", async () => {
  using folder = temporaryFolder();
  const config = `${PREAMBLE}
    setStateDir(${JSON.stringify(folder.path)})
    newStringStatsDB("failures", 3600, 6, { count = "int" })
    setCustomEndpoint("add", function()
      local db = getStringStatsDB("failures")
      db:twSetMaxSize(1)
      db:twAdd("joe", "count", 1) db:twAdd("jim", "count", 1)
      return true, { joe = db:twGet("joe", "count"), size = db:twGetSize() }
    end)`;
  for (const joe of ["1", "2"]) {
    await using daemon = await startDaemon(config);
    const answer = await daemon.post("/command/add", { attrs: {} });
    expect(await answer.json()).toEqual({ success: true, r_attrs: { joe, size: "2" } });
    expect(await daemon.daemon.execute("showStringStatsDBs()" as ByteString)).toMatch(
      /failures +2 +500000 +\d\.\d MiB/,
    );
    expect(await (await daemon.get("/metrics")).text()).toContain('trackalert_counters_keys{db="failures"} 2');
  }
});
