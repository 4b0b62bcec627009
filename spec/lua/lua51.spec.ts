import { describe, expect, test } from "bun:test";

import { failure, startEngine } from "../support/engine.ts";

/** What an expression, or a list of them, gives. */
async function evaluate(expressions: string): Promise<string[]> {
  using lua = await startEngine();
  return await lua.values(`answer(${expressions})`);
}

describe("bit", () => {
  // The examples of bitop.luajit.org, with printx(x) = "0x" .. bit.tohex(x).
  test.each([
    ["bit.tobit(0xffffffff)", "-1"],
    ["bit.tobit(0xffffffff + 1)", "0"],
    ["bit.tobit(2^40 + 1234)", "1234"],
    ["bit.tohex(1)", "00000001"],
    ["bit.tohex(-1)", "ffffffff"],
    ["bit.tohex(0xffffffff)", "ffffffff"],
    ["bit.tohex(-1, 4)", "ffff"],
    ["bit.tohex(0xabcdef, -3)", "DEF"],
    ["bit.tohex(0x21, 4)", "0021"],
    ["bit.tohex(0x87654321, 4)", "4321"],
    ["bit.tohex(0x87654321, -12)", "000087654321"],
    ["bit.tohex(1, 0)", ""],
    ["bit.bnot(0)", "-1"],
    ["bit.tohex(bit.bnot(0))", "ffffffff"],
    ["bit.tohex(bit.bnot(-1))", "00000000"],
    ["bit.tohex(bit.bnot(0xffffffff))", "00000000"],
    ["bit.tohex(bit.bnot(0x12345678))", "edcba987"],
    ["bit.bor(1, 2, 4, 8)", "15"],
    ["bit.tohex(bit.band(0x12345678, 0xff))", "00000078"],
    ["bit.tohex(bit.bxor(0xa5a5f0f0, 0xaa55ff00))", "0ff00ff0"],
    ["bit.lshift(1, 0)", "1"],
    ["bit.lshift(1, 8)", "256"],
    ["bit.lshift(1, 40)", "256"],
    ["bit.lshift(1, 31)", "-2147483648"],
    ["bit.lshift(1, -1)", "-2147483648"],
    ["bit.rshift(256, 8)", "1"],
    ["bit.rshift(-256, 8)", "16777215"],
    ["bit.arshift(256, 8)", "1"],
    ["bit.arshift(-256, 8)", "-1"],
    ["bit.arshift(0x87654321, 12)", "-493996"],
    ["bit.tohex(bit.lshift(0x87654321, 12))", "54321000"],
    ["bit.tohex(bit.rshift(0x87654321, 12))", "00087654"],
    ["bit.tohex(bit.arshift(0x87654321, 12))", "fff87654"],
    ["bit.tohex(bit.rol(0x12345678, 12))", "45678123"],
    ["bit.tohex(bit.ror(0x12345678, 12))", "67812345"],
    ["bit.rol(0x12345678, 0)", "305419896"],
    ["bit.ror(1, 32)", "1"],
    ["bit.tohex(bit.bswap(0x12345678))", "78563412"],
    ["bit.tohex(bit.bswap(0x78563412))", "12345678"],
    ["bit.bswap(0xff)", "-16777216"],
  ])("%s is %s", async (expression, result) => {
    expect(await evaluate(expression)).toEqual([result]);
  });

  test.each([
    ["0.5", "0"],
    ["1.5", "2"],
    ["2.5", "2"],
    ["-0.5", "0"],
    ["-1.5", "-2"],
    ["2^31", "-2147483648"],
    ["2^31 - 1", "2147483647"],
    ["-2^31", "-2147483648"],
    ["-2^31 - 1", "2147483647"],
    ["-2^32 - 5", "-5"],
    ["2^51", "0"],
    ["1/0", "0"],
    ["0/0", "0"],
    ["'0x10'", "16"],
    ["' 12 '", "12"],
  ])("tobit(%s) is %s", async (number, result) => {
    expect(await evaluate(`bit.tobit(${number})`)).toEqual([result]);
  });

  test("beyond 2^51 an integer and the float of the same value give the same", async () => {
    const [integer, float, product] = await evaluate(
      "bit.tobit(1 << 55), bit.tobit(2^55), bit.tobit(0xdeadbeef * 16777619) == bit.tobit(0xdeadbeef * 16777619.0)",
    );
    expect(integer).toBe(float!);
    expect(product).toBe("true");
  });

  test("results are integers, and the library is a module", async () => {
    expect(await evaluate("math.type(bit.band(7.0, 3.0)), require('bit') == bit")).toEqual(["integer", "true"]);
  });

  test.each([
    ["tobit()", 1, "tobit", "no value"],
    ["tohex({})", 1, "tohex", "table"],
    ["tohex(1, {})", 2, "tohex", "table"],
    ["bnot(true)", 1, "bnot", "boolean"],
    ["band()", 1, "band", "no value"],
    ["band(1, 2, 'x')", 3, "band", "string"],
    ["bor(1, print)", 2, "bor", "function"],
    ["bxor(1, 'y')", 2, "bxor", "string"],
    ["lshift(1)", 2, "lshift", "no value"],
    ["rshift('x', 1)", 1, "rshift", "string"],
    ["arshift(1)", 2, "arshift", "no value"],
    ["rol(1)", 2, "rol", "no value"],
    ["ror(1, {})", 2, "ror", "table"],
    ["bswap()", 1, "bswap", "no value"],
  ])("bit.%s blames argument %d", async (call, position, name, got) => {
    using lua = await startEngine();
    expect((await failure(lua, `\nlocal x = bit.${call}`)).message).toBe(
      `spec.conf:2: bad argument #${position} to '${name}' (number expected, got ${got})`,
    );
  });
});

describe("names of 5.1", () => {
  test.each([
    ["unpack({1, 2, 3})", ["1", "2", "3"]],
    ["unpack({1, 2, 3}, 2, 3)", ["2", "3"]],
    ["select('#', unpack({}, 1, 3))", ["3"]],
    ["loadstring('return ...')(7)", ["7"]],
    ["loadstring('x x', '=title')", ["nil", "title:1: syntax error near 'x'"]],
    ["table.getn({1, 2, 3}), table.getn({})", ["3", "0"]],
    ["table.maxn({1, 2, [10] = 1, [2.5] = 1, x = 1}), table.maxn({}), table.maxn({[-1] = 1})", ["10", "0", "0"]],
    ["table.foreach({a = 1}, function(k, v) return k .. v end)", ["a1"]],
    ["table.foreachi({5, 6}, function(i, v) if i == 2 then return v end end)", ["6"]],
    ["(table.foreachi({5, 6}, function() end))", ["nil"]],
    ["math.pow(2, 10) == 1024, math.pow('2', 0.5) == 2^0.5", ["true", "true"]],
    ["math.mod(7, 3), math.mod(-7, 3), math.mod(5.5, 2), math.mod(1, 0) ~= math.mod(1, 0)", ["1", "-1", "1.5", "true"]],
    ["math.log10(1000), math.log10(0) == -math.huge", ["3", "true"]],
    ["math.sinh(0), math.cosh(0), math.tanh(0), math.tanh(1000)", ["0", "1", "0", "1"]],
    ["string.format('%.12f', math.sinh(1e-5)), string.format('%.6f', math.cosh(2))", ["0.000010000000", "3.762196"]],
    ["math.frexp(10)", ["0.625", "4"]],
    ["math.frexp(-0.3)", ["-0.6", "-1"]],
    ["math.frexp(0)", ["0", "0"]],
    ["math.frexp(2^-1074)", ["0.5", "-1073"]],
    ["math.frexp(math.huge)", ["inf", "0"]],
    ["math.ldexp(0.625, 4), math.ldexp(0.5, -1073) == 2^-1074, math.ldexp(2^-1074, 1074)", ["10", "true", "1"]],
    ["math.ldexp(1, 1e300), math.ldexp(1, -5000), math.ldexp(1, 2.9)", ["inf", "0", "4"]],
  ])("%s", async (expressions, results) => {
    expect(await evaluate(expressions)).toEqual(results);
  });

  test("frexp and ldexp undo each other", async () => {
    const source = `
      math.randomseed(1)
      for i = 1, 10000 do
        local x = string.unpack('<d', string.pack('<i8', math.random(0)))
        if x == x and math.abs(x) < math.huge then
          local m, e = math.frexp(x)
          if x ~= 0 then assert(math.abs(m) >= 0.5 and math.abs(m) < 1) end
          assert(math.ldexp(m, e) == x)
        end
      end`;
    using lua = await startEngine();
    await lua.run(source);
  });

  test("string.gfind is gmatch, as a method as well", async () => {
    using lua = await startEngine();
    const source = "for w in string.gfind('a b', '%a') do answer(w) end for w in ('c d'):gfind('%a') do answer(w) end";
    expect(await lua.values(source)).toEqual(["a", "b", "c", "d"]);
  });

  test("a function given to foreach may wait", async () => {
    using lua = await startEngine();
    const source = "table.foreach({a = 1}, function(k) sleep(0) answer(k) end)";
    expect(await lua.values(source)).toEqual(["a"]);
  });

  test.each([
    ["unpack()", "bad argument #1 to 'unpack' (table expected, got no value)"],
    ["loadstring()", "bad argument #1 to 'loadstring' (string expected, got no value)"],
    ["table.getn('x')", "bad argument #1 to 'getn' (table expected, got string)"],
    ["table.maxn()", "bad argument #1 to 'maxn' (table expected, got no value)"],
    ["table.foreach({})", "bad argument #2 to 'foreach' (function expected, got no value)"],
    ["table.foreachi(1)", "bad argument #1 to 'foreachi' (table expected, got number)"],
    ["math.pow(1)", "bad argument #2 to 'pow' (number expected, got no value)"],
    ["math.mod({}, 1)", "bad argument #1 to 'mod' (number expected, got table)"],
    ["math.log10('x')", "bad argument #1 to 'log10' (number expected, got string)"],
    ["math.sinh()", "bad argument #1 to 'sinh' (number expected, got no value)"],
    ["math.frexp('x')", "bad argument #1 to 'frexp' (number expected, got string)"],
    ["math.ldexp(1)", "bad argument #2 to 'ldexp' (number expected, got no value)"],
    ["string.gfind()", "bad argument #1 to 'gfind' (string expected, got no value)"],
  ])("%s is an error at its line", async (call, message) => {
    using lua = await startEngine();
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toStartWith(`spec.conf:2: ${message}`);
  });
});

describe("string.format", () => {
  test.each([
    ["'%d %i', 3.7, -3.7", "3 -3"],
    ["'%d', 2^53", "9007199254740992"],
    ["'%d', '12.9'", "12"],
    ["'%x %X %o %c', 255.5, 255.5, 8.5, 65.9", "ff FF 10 A"],
    ["'%u %05u %u', 7, 8.5, -1", "7 00008 18446744073709551615"],
    ["'%d%% of %s in %.2f', 99.9, 'x', 1.255", "99% of x in 1.25"],
    ["'%-5d|%s|%s', 1.5, nil, true", "1    |nil|true"],
    ["'%5.1f %g %q', 2, 0.5, 'a'", '  2.0 0.5 "a"'],
  ])("format(%s) is %p", async (args, text) => {
    expect((await evaluate(`string.format(${args}), (string.format(${args}))`))[0]).toBe(text);
  });

  test("as a method, and with a value that its metamethod shows", async () => {
    expect(
      await evaluate("('%d'):format(1.5), ('%s'):format(setmetatable({}, {__tostring = function() return 'T' end}))"),
    ).toEqual(["1", "T"]);
  });

  test.each([
    ["string.format()", "bad argument #1 to 'format' (string expected, got no value)"],
    ["string.format('%d')", "bad argument #2 to 'format' (no value)"],
    ["string.format('%d', 'x')", "bad argument #2 to 'format' (number expected, got string)"],
    ["string.format('%d', 0/0)", "bad argument #2 to 'format' (number has no integer representation)"],
    ["string.format('%d %d', 1.5, 1e300)", "bad argument #3 to 'format' (number has no integer representation)"],
    ["string.format('%y', 1)", "invalid conversion '%y' to 'format'"],
  ])("%s is an error at its line", async (call, message) => {
    using lua = await startEngine();
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
  });

  test("an error of a metamethod is passed on as it is", async () => {
    using lua = await startEngine();
    const source =
      "local t = setmetatable({}, {__tostring = function()\n error('mine') end})\nlocal x = ('%s'):format(t)";
    expect((await failure(lua, source)).message).toBe("spec.conf:2: mine");
  });
});

describe("setfenv and getfenv", () => {
  test("a function's environment, without touching others", async () => {
    using lua = await startEngine();
    const source = `
      x = 'global'
      local function f() return x end
      local function g() return x end
      answer(setfenv(f, {x = 'own'}) == f, f(), g(), getfenv(f).x, getfenv(g) == _G, getfenv(answer) == _G)`;
    expect(await lua.values(source)).toEqual(["true", "own", "global", "own", "true", "true"]);
  });

  test("levels of the stack", async () => {
    using lua = await startEngine();
    const source = `
      x = 'global'
      answer(getfenv() == _G, getfenv(1) == _G, getfenv(0) == _G)
      local function inner() setfenv(2, {x = 'set by callee', getfenv = getfenv}) local a = getfenv(2).x return a end
      local function outer() local ignored = x local a = inner() return a, x, getfenv(1).x == x end
      answer(outer())
      local function sandboxed(answer) setfenv(1, {x = 'box'}) answer(x, print) y = 1 end
      sandboxed(answer)
      answer(y, x)`;
    expect(await lua.values(source)).toEqual(
      ["true", "true", "true", "set by callee", "set by callee", "true"].concat(["box", "nil", "nil", "global"]),
    );
  });

  test("a loaded chunk, and functions made inside it, run in its environment", async () => {
    using lua = await startEngine();
    const source = `
      local env = setmetatable({}, {__index = _G})
      local chunk = setfenv(loadstring('a = 1 function f() b = 2 return a end return f()'), env)
      answer(chunk(), env.a, env.b, env.f ~= nil, a, b, f)`;
    expect(await lua.values(source)).toEqual(["1", "1", "2", "true", "nil", "nil", "nil"]);
  });

  test("a function that uses no global: getfenv gives the globals, setfenv does nothing", async () => {
    using lua = await startEngine();
    const source = "local function f(a) return a end answer(getfenv(f) == _G, setfenv(f, {}) == f, getfenv(f) == _G)";
    expect(await lua.values(source)).toEqual(["true", "true", "true"]);
  });

  test.each([
    ["getfenv('x')", "bad argument #1 to 'getfenv' (number expected, got string)"],
    ["getfenv(-1)", "bad argument #1 to 'getfenv' (level must be non-negative)"],
    ["getfenv(50)", "bad argument #1 to 'getfenv' (invalid level)"],
    ["setfenv()", "bad argument #2 to 'setfenv' (table expected, got no value)"],
    ["setfenv(1, 1)", "bad argument #2 to 'setfenv' (table expected, got number)"],
    ["setfenv({}, {})", "bad argument #1 to 'setfenv' (number expected, got table)"],
    ["setfenv(50, {})", "bad argument #1 to 'setfenv' (invalid level)"],
    ["setfenv(-1, {})", "bad argument #1 to 'setfenv' (level must be non-negative)"],
    ["setfenv(0, {})", "'setfenv' cannot change the environment of a thread"],
    ["setfenv(tostring, {})", "'setfenv' cannot change environment of given object"],
    ["(function() return getfenv(1) end)()", "no function environment for tail call at level 1"],
  ])("%s is an error at its line", async (call, message) => {
    using lua = await startEngine();
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
  });
});

describe("module", () => {
  test("makes the rest of a file a module, which sees no globals but for package.seeall", async () => {
    using lua = await startEngine();
    const source = `
      package.preload['a.b'] = loadstring [[
        local print, function_before = print, function() return x end
        module('a.b', package.seeall, function(m) m.option = m._NAME end)
        x = 'inside' function f() return x, tostring(5) end
        before = function_before]]
      package.preload.bare = loadstring "module(...) x = 1 function f() return tostring end"
      local m = require 'a.b'
      answer(m == a.b, m == package.loaded['a.b'], m._M == m, m._NAME, m._PACKAGE, m.option)
      answer(m.f()) answer(x, m.before(), f)
      answer(require('bare').f(), bare.x, bare._PACKAGE)`;
    expect(await lua.values(source)).toEqual([
      "true",
      "true",
      "true",
      "a.b",
      "a.",
      "a.b",
      "inside",
      "5",
      "nil",
      "nil",
      "nil",
      "nil",
      "1",
      "",
    ]);
  });

  test("opens one that is there again", async () => {
    using lua = await startEngine();
    const source = `
      shared = { old = 1 }
      loadstring "module('shared') new = 2"() answer(shared.old, shared.new, package.loaded.shared == shared)
      loadstring "module('shared') newer = old"() answer(shared.newer)`;
    expect(await lua.values(source)).toEqual(["1", "2", "true", "1"]);
  });

  test("modules of an engine are not seen by what a policy makes of a module", async () => {
    using lua = await startEngine();
    await lua.run("loadstring \"module('cjson', package.seeall) encode = nil\"()");
    expect(await lua.values("answer(require('ltn12') ~= nil)")).toEqual(["true"]);
  });

  test("package.seeall keeps a metatable that is there", async () => {
    using lua = await startEngine();
    const source = `
      local t = setmetatable({}, { __call = function() return 'called' end }) package.seeall(t) answer(t(), t.print == print)
      answer(debug.getfenv(coroutine.create(print)) == _G, debug.getfenv(5))`;
    expect(await lua.values(source)).toEqual(["called", "true", "true", "nil"]);
  });

  test.each([
    ["module()", "bad argument #1 to 'module' (string expected, got no value)"],
    ["module('print.x')", "name conflict for module 'print.x'"],
    ["package.seeall()", "bad argument #1 to 'seeall' (table expected, got no value)"],
    ["debug.setfenv(tostring, {})", "'setfenv' cannot change environment of given object"],
    ["debug.setfenv({}, {})", "'setfenv' cannot change environment of given object"],
    ["debug.setfenv(print)", "bad argument #2 to 'setfenv' (table expected, got no value)"],
    ["table.new()", "bad argument #1 to 'new' (number expected, got no value)"],
    ["table.clear()", "bad argument #1 to 'clear' (table expected, got no value)"],
    ["table.insert({})", "wrong number of arguments to 'insert'"],
    ["table.insert({}, {}, 1)", "bad argument #2 to 'insert' (number expected, got table)"],
    ["table.insert(1, 2)", "bad argument #1 to 'insert' (table expected, got number)"],
    ["table.remove(1)", "bad argument #1 to 'remove' (table expected, got number)"],
    ["math.random({})", "bad argument #1 to 'random' (number expected, got table)"],
    ["math.random(1, 2, 3)", "wrong number of arguments"],
    ["math.randomseed({})", "bad argument #1 to 'randomseed' (number expected, got table)"],
    ["('x'):rep(0/0)", "bad argument #1 to 'rep' (number has no integer representation)"],
    ["('x'):sub(1, math.huge)", "bad argument #2 to 'sub' (number has no integer representation)"],
  ])("%s is an error at its line", async (call, message) => {
    using lua = await startEngine();
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
  });
});

describe("math.random", () => {
  test("of bounds with a fraction counts from the lower one, as LuaJIT does", async () => {
    using lua = await startEngine();
    const source = `
      math.randomseed(7.5)
      local seen = {} for i = 1, 1000 do seen[math.random(1.5, 3.5)] = true end
      answer(seen[1.5], seen[2.5], seen[3.5], next(seen) and seen[1], seen[4.5])
      for i = 1, 1000 do local r = math.random(2.5) assert(r >= 1 and r <= 3 and r == math.floor(r)) end`;
    expect(await lua.values(source)).toEqual(["true", "true", "true", "nil", "nil"]);
  });

  test("seeds with and without a fraction each give a sequence of their own, again and again", async () => {
    using lua = await startEngine();
    const source = `
      for _, seed in ipairs{ 1, 1.5, 1.25, 1.0, 1.5 } do math.randomseed(seed) answer(math.random(1e9)) end`;
    const [one, half, quarter, float, again] = await lua.values(source);
    expect(new Set([one, half, quarter]).size).toBe(3);
    expect([float, again]).toEqual([one, half]);
  });
});

describe("what a daemon cannot give", () => {
  test.each([
    ["os.exit()", "os.exit is not available: use shutdown()"],
    ["os.exit(true, true)", "os.exit is not available: use shutdown()"],
    ["os.execute('true')", "os.execute is not available: no other program is run: use httpRequest or a webhook"],
    ["io.popen('true')", "io.popen is not available: no other program is run: use httpRequest or a webhook"],
    ["debug.sethook()", "debug.sethook is not available: the limit on run time uses the hook"],
    ["debug.debug()", "debug.debug is not available: there is no terminal: use the console"],
  ])("%s is an error at its line", async (call, message) => {
    using lua = await startEngine();
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
    expect(await lua.values("answer('alive')")).toEqual(["alive"]);
  });

  test("os.execute without a command says that there is no shell", async () => {
    expect(await evaluate("os.execute()")).toEqual(["false"]);
  });

  test("the limit on run time holds after an attempt to remove the hook", async () => {
    using lua = await startEngine();
    lua.engine.tasks.limit = () => 0.05;
    expect((await failure(lua, "pcall(debug.sethook) while true do end")).message).toContain("stopped after 0.05 s");
  });
});

describe("time", () => {
  test("os.clock is the time spent on the processor", async () => {
    using lua = await startEngine();
    const source = "local a = os.clock() for i = 1, 2e6 do end local b = os.clock() answer(a > 0, b > a, b - a < 10)";
    expect(await lua.values(source)).toEqual(["true", "true", "true"]);
  });

  test("os.date takes times with a fraction", async () => {
    expect(await evaluate("os.date('!%Y-%m-%dT%H:%M:%S', 86399.9), os.date('!*t', 0.5).year")).toEqual([
      "1970-01-01T23:59:59",
      "1970",
    ]);
  });

  test.each([
    ["os.date({}, 0)", "bad argument #1 to 'date' (string expected, got table)"],
    ["os.date('*t', 'x')", "bad argument #2 to 'date' (number expected, got string)"],
    ["os.date('%256d', 0)", "bad argument #1 to 'date' (a width above 255)"],
    ["os.date(('%d'):rep(40000), 0)", "bad argument #1 to 'date' (longer than 65536 bytes)"],
    ["os.difftime('x')", "bad argument #1 to 'difftime' (number expected, got string)"],
    ["os.date('%Y', 'x')", "bad argument #2 to 'date' (number expected, got string)"],
    ["os.date('%Y', 1e300)", "bad argument #2 to 'date' (number has no integer representation)"],
  ])("%s is an error at its line", async (call, message) => {
    using lua = await startEngine();
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
  });
});

test("nothing here depends on globals that a policy may replace", async () => {
  using lua = await startEngine();
  await lua.run(`local select, tostring, one = select, tostring, answer_one
    function answer(...) for i = 1, select("#", ...) do one(tostring((select(i, ...)))) end end`);
  await lua.run(
    "keep = { bit = bit, table = table, math = math, string = string, os = os, io = io, require = require }",
  );
  await lua.run("string, table, math, debug, os, io, package, bit, sleep, coroutine = nil");
  await lua.run(
    "pairs, ipairs, next, type, error, select, tonumber, setmetatable, rawget, pcall, load, loadfile = nil",
  );
  const source = `
    answer(keep.bit.band(1, '3'), keep.bit.tohex(255), keep.string.format('%d', 1.5), keep.math.frexp(8))
    answer(keep.table.maxn({1}), keep.table.foreach({1}, function(_, v) return v end), keep.os.date('!%Y', 1.5))
    answer(getfenv() == _G, setfenv(function() end, {}) ~= nil, loadstring('return 1')(), unpack({1}))
    answer((keep.io.open('/no such file')), keep.require('bit') == keep.bit)`;
  expect(await lua.values(source)).toEqual(
    ["1", "000000ff", "1", "0.5", "4", "1", "1", "1970"].concat(["true", "true", "1", "1", "nil", "true"]),
  );
  expect((await failure(lua, "keep.require('none')")).message).toStartWith("spec.conf:1: module 'none' not found;");
});
