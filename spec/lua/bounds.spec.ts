/** Functions of C that a number or a text makes long: none may hold the daemon up beyond the reach of its limit. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { failure, startEngine, type TestEngine } from "../support/engine.ts";

let lua: TestEngine;
beforeAll(async () => {
  lua = await startEngine();
  lua.engine.tasks.limit = () => 0.2;
});
afterAll(() => lua[Symbol.dispose]());

const ENDLESS = "setmetatable({}, { __len = function() return 1e15 end })";
const FULL = `setmetatable({}, { __len = function() return 1e15 end, __index = function() return "" end })`;
const STOPPED = "spec.conf:1: stopped after 0.2 s";

describe("what would take for ever", () => {
  test.each([
    ["move", `table.move({}, 1, 1e15, 2)`],
    ["move into another", `table.move({}, 1, 1e15, 2, {})`],
    ["concat", `table.concat(${FULL})`],
    ["concat of a range", `table.concat(${FULL}, "", 1, 1e15)`],
    ["sort", `table.sort(setmetatable({}, { __len = function() return 2 ^ 31 - 2 end }), function() return true end)`],
    ["sort whose comparison does not end", `table.sort({ 1, 2, 3 }, function() while true do end end)`],
    ["find, lazy", `(("a"):rep(30000)):find("a-a-a-a-b")`],
    ["match, greedy", `(("a"):rep(30000)):match("a*a*a*a*b")`],
    ["gsub", `(("a"):rep(30000)):gsub(".-.-.-b", "")`],
    ["gmatch", `(("a"):rep(30000)):gmatch("a*a*a*b")()`],
    ["a long set", `(("a"):rep(1e5)):find("[^" .. ("b"):rep(1e6) .. "]*c")`],
    ["a long pattern", `(("a"):rep(1e6)):find(("b?"):rep(1e5) .. "c")`],
    ["%b", `(("("):rep(1e6)):find("%b()")`],
    ["%1", `(("a"):rep(1e6)):find("(a*)%1b")`],
    ["plain find", `(("a"):rep(1e5):rep(100)):find(("a"):rep(1e5):rep(50) .. "b", 1, true)`],
    ["searchpath", `package.searchpath("x", ("?;"):rep(1e6))`],
    ["pack", `string.pack("c1000000000", "")`],
    ["format", `string.format("%q", ("\\0"):rep(1e4):rep(1e3))`],
    ["rep", `("x"):rep(2 ^ 28)`],
    ["reading all", `io.open("/dev/zero"):read("*a")`],
    ["gsub whose function does not end", `("x"):gsub("x", function() while true do end end)`],
    ["load", `load(function() return " " end)`],
    ["a coroutine", `local wait = coroutine.wrap(table.move) wait({}, 1, 1e15, 2)`],
    ["what pcall catches", `while true do pcall(table.move, {}, 1, 1e15, 2) end`],
  ])("%s is stopped", async (_, chunk) => {
    expect((await failure(lua, chunk)).message).toContain("stopped after 0.2 s");
  });

  test("the error blames the line that called the function", async () => {
    expect((await failure(lua, `table.move({}, 1, 1e15, 2)`)).message).toStartWith(STOPPED);
    expect((await failure(lua, `(("a"):rep(30000)):find("a-a-a-a-b")`)).message).toStartWith(STOPPED);
  });

  test("table.insert and table.remove are stopped, too", async () => {
    for (const call of [`insert(${ENDLESS}, 1, "x")`, `remove(${ENDLESS}, 1)`]) {
      expect((await failure(lua, `table.${call}`)).message).toContain("stopped after 0.2 s");
    }
  });

  test("and the state goes on", async () => {
    expect(await lua.values(`answer(("key=value"):match("^(%w+)=(%w+)$"))`)).toEqual(["key", "value"]);
  });
});

describe("what would take all memory, or more than there can be", () => {
  test.each([
    [`("x"):rep(1e9)`, "resulting string too large"],
    [`("").rep("x", 1e15, "y")`, "resulting string too large"],
    [`("x"):rep(2 ^ 28 + 1)`, "resulting string too large"],
    [`io.open("/dev/zero"):read(2 ^ 28 + 1)`, "resulting string too large"],
    [`for _ in io.lines("/dev/zero", 1e9) do end`, "resulting string too large"],
    [`table.unpack({}, 1, 1e15)`, "too many results to unpack"],
    [`table.unpack(${ENDLESS})`, "too many results to unpack"],
    [`table.concat({}, "", 1, 1e15)`, "invalid value (nil) at index 1 in table for 'concat'"],
    [`table.sort(${ENDLESS})`, "bad argument #1 to 'sort' (array too big)"],
    [`string.format("%99999d", 1)`, "invalid conversion specification: '%99999d'"],
    [`string.packsize(("c200000000"):rep(11))`, "format result too large"],
    [`string.unpack("c1000000000", "x")`, "data string too short"],
    [`string.pack("i17", 1)`, "integral size (17) out of limits [1,16]"],
    [`utf8.char(1e15)`, "bad argument #1 to 'char' (value out of range)"],
    [`utf8.codepoint("x", 1, 1e15)`, "bad argument #3 to 'codepoint' (out of bounds)"],
    [`os.date(("%c"):rep(1e6))`, "bad argument #1 to 'date' (longer than 65536 bytes)"],
    [`os.time{ year = 1e15, month = 1, day = 1 }`, "field 'year' is out-of-bound"],
    [`io.open("/dev/zero"):seek("set", 2 ^ 62)`, "not an integer in proper range"],
  ])("%s", async (chunk, message) => {
    expect((await failure(lua, chunk)).message).toContain(message);
  });

  test("strings of more than 256 MiB, by whatever they are made", async () => {
    using large = await startEngine();
    const answers = await large.values(`
      local s = ("x"):rep(2 ^ 16):rep(2 ^ 12)
      local function outcome(...) answer((select(2, pcall(...)):gsub("^.-: ", ""))) end
      answer(#s)
      outcome(function() return s .. "x" end)
      outcome(function() return "x" .. "y" .. s end)
      outcome(table.concat, { "x", s })
      outcome(string.format, "x%s", s)
      outcome(string.gsub, "xy", "y", s)
      outcome(string.pack, "xz", s)
      outcome(string.rep, s, 2)
      outcome(string.rep, "x", 2, s)`);
    const refused = [...Array(2).fill("string length overflow"), ...Array(6).fill("resulting string too large")];
    expect(answers).toEqual(["268435456", ...refused]);
  });
});

describe("what is ordinary is as ever", () => {
  beforeAll(() => void (lua.engine.tasks.limit = () => 10));

  test("rep", async () => {
    const answers = await lua.values(`
      answer(#("").rep("", 1e15), #("").rep("", 1e15, ""), #("x"):rep(-1e15), #("x"):rep(0))
      answer(("ab"):rep(3, "-"), ("").rep("", 3, "-"), string.rep(5, 2), ("x"):rep(2, 1), (select("#", ("").rep("", 1e15))))`);
    expect(answers).toEqual(["0", "0", "0", "0", "ab-ab-ab", "--", "55", "x1x", "1"]);
  });

  test("errors of rep name the argument", async () => {
    expect((await failure(lua, `("").rep("", {})`)).message).toBe(
      "spec.conf:1: bad argument #2 to 'rep' (number expected, got table)",
    );
    expect((await failure(lua, `("").rep("", 1, {})`)).message).toBe(
      "spec.conf:1: bad argument #3 to 'rep' (string expected, got table)",
    );
  });

  test("tables", async () => {
    const answers = await lua.values(`
      local t = {} for i = 1, 100000 do t[i] = i end
      local up = table.move(t, 1, 100000, 3) answer(#up, up[1], up[2], up[3], up[100002])
      local other = table.move(t, 3, 100002, 1, {}) answer(#other, other[1], other[100000])
      table.insert(other, 1, "first") answer(other[1], other[100001], table.remove(other, 1), other[1])
      table.sort(other, function(a, b) return a > b end) answer(other[1], other[100000])
      answer(table.concat({ 1, 2, 3 }, "-"), select("#", unpack(t, 1, 5000)))
      local logged = setmetatable({}, { __index = function(_, i) return i < 3 and i or nil end, __len = function() return 2 end })
      answer(table.concat(logged, ","), unpack(logged))`);
    const moved = ["100002", "1", "2", "1", "100000", "100000", "1", "100000"];
    const changed = ["first", "100000", "first", "1", "100000", "1"];
    expect(answers).toEqual([...moved, ...changed, "1-2-3", "5000", "1,2", "1", "2"]);
  });

  test("patterns over texts that take thousands of checks", async () => {
    const answers = await lua.values(`
      local s = ("key=value; "):rep(10000)
      local n = 0 for k, v in s:gmatch("(%w+)=(%w+)") do n = n + 1 end
      answer(n, (select(2, s:gsub("%s", ""))), #s:gsub("value", "v"), (s:find("[^%w=; ]")), (s:find("(x+)y%1")))
      answer(("THE (quick) fox"):find("%((%a+)%)"))
      answer((("a,b,,c"):gsub(",", ";")), ("x(1(2)3)y"):match("%b()"), (("THE fox"):gsub("%f[%a]%a", "_")))
      answer(("hello"):match("(l)%1"), (s .. "end"):find("end", 1, true))`);
    expect(answers).toEqual([
      ...["10000", "10000", "70000", "nil", "nil"],
      ...["5", "11", "quick"],
      ...["a;b;;c", "(1(2)3)", "_HE _ox"],
      ...["l", "110001", "110003"],
    ]);
  });

  test("pack and format", async () => {
    const answers = await lua.values(`
      answer(string.pack("c5", "ab") == "ab\\0\\0\\0", string.packsize("!8 i1 i8"), string.format("%5.1f|%-4s|%q", 3.14159, "a", 'a"\\0'))`);
    expect(answers).toEqual(["true", "16", '  3.1|a   |"a\\"\\0"']);
  });
});
