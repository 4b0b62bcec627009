import { describe, expect, test } from "bun:test";

import { PolicyError } from "../../lib/lua/policy-error.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { failure, startEngine, type TestEngine } from "../support/engine.ts";

describe("chunks", () => {
  test("ten thousand leave stack and memory where they were", async () => {
    using lua = await startEngine();
    const memory = async (): Promise<number> => {
      const [kilobytes] = await lua.values("collectgarbage() collectgarbage() answer(collectgarbage('count'))");
      return Number(kilobytes);
    };
    const top = (): number => lua.engine.state.api.lua_gettop(lua.engine.state.main);
    await lua.run("count = 0");
    for (let i = 0; i < 1000; i++) await lua.run("count = count + 1");
    const [topBefore, memoryBefore] = [top(), await memory()];
    for (let i = 0; i < 9000; i++) await lua.run("count = count + 1");
    expect(await lua.values("answer(count)")).toEqual(["10000"]);
    expect(top()).toBe(topBefore);
    expect((await memory()) - memoryBefore).toBeLessThan(16);
  });

  test("an error names the real file and line and has a traceback", async () => {
    using lua = await startEngine();
    const error = await failure(lua, "local function f()\n  error('boom')\nend\nf()");
    expect(error).toBeInstanceOf(PolicyError);
    expect(error.message).toBe("spec.conf:2: boom");
    expect(error.traceback).toContain("stack traceback:");
    expect(error.traceback).toContain("spec.conf:4: in main chunk");
  });

  test("a syntax error names file and line", async () => {
    using lua = await startEngine();
    expect((await failure(lua, "x = 1\ny = = 2")).message).toBe("spec.conf:2: unexpected symbol near '='");
  });

  test("a first line that begins with # is skipped, and lines keep their numbers", async () => {
    using lua = await startEngine();
    expect((await failure(lua, "#!/usr/bin/lua\nerror('second')")).message).toBe("spec.conf:2: second");
  });

  test("a byte order mark is skipped, before a # too", async () => {
    using lua = await startEngine();
    expect(await lua.values("\ufeffanswer('read')")).toEqual(["read"]);
    expect((await failure(lua, "\ufeff#!\nerror('second')")).message).toBe("spec.conf:2: second");
  });

  test("byte code is refused from policies too, however it is loaded", async () => {
    using folder = temporaryFolder();
    using lua = await startEngine(folder.path);
    const source = `
      local code = string.dump(function() end)
      local f = io.open("code.luac", "wb") f:write(code) f:close()
      local parts = { code }
      answer(select(2, load(code)), select(2, load(code, "x", "b")), select(2, loadstring(code)))
      answer(select(2, load(function() return table.remove(parts) end)), (select(2, loadfile("code.luac", "bt"))))
      answer(pcall(dofile, "code.luac"))
      answer(load("return a", "x", "t", { a = "env" })(), load("return _ENV", "x", "t", nil)())`;
    const answers = await lua.values(source);
    // A file is refused when Lua would open it anew as binary.
    const refused = /attempt to load a binary chunk \(mode is 't'\)$|^cannot reopen code\.luac/;
    for (const text of [...answers.slice(0, 5), answers[6]]) expect(text).toMatch(refused);
    expect(answers.slice(5, 6)).toEqual(["false"]);
    expect(answers.slice(7)).toEqual(["env", "nil"]);
  });

  test("byte code is refused", async () => {
    using lua = await startEngine();
    const source = await lua.values(
      "answer((string.dump(function() end):gsub('.', function(c) return ('%02x'):format(c:byte()) end)))",
    );
    const error = await lua.engine.runFile(Buffer.from(source[0]!, "hex"), "spec.conf").catch((error: Error) => error);
    expect((error as Error).message).toContain("attempt to load a binary chunk");
  });

  test("errors that are no strings are described", async () => {
    using lua = await startEngine();
    expect((await failure(lua, "error(setmetatable({}, {__tostring = function() return 'pretty' end}))")).message).toBe(
      "pretty",
    );
    expect((await failure(lua, "error({})")).message).toStartWith("table: 0x");
    expect((await failure(lua, "error()")).message).toBe("nil");
    expect((await failure(lua, "error(setmetatable({}, {__tostring = function() error({}) end}))")).message).toContain(
      "table value",
    );
  });

  test("a message of 50 MB is cut", async () => {
    using lua = await startEngine();
    expect((await failure(lua, "error(('x'):rep(50e6))")).message.length).toBeLessThan(5000);
  });

  test.each([
    "local function f() return 1 + f() end f()",
    "local function f(s) return (s:gsub('.', f)) end f('a')",
    "local function f() local co = coroutine.wrap(f) co() end f()",
    "local t = {} setmetatable(t, {__index = function(t, k) return t[k] end}) local x = t.x",
  ])("endless recursion ends in an error, and the state lives: %s", async (source) => {
    using lua = await startEngine();
    expect((await failure(lua, source)).message).toMatch(/stack overflow|too long|C stack/);
    expect(await lua.values("answer('alive')")).toEqual(["alive"]);
  });
});

describe("the limit on processor time", () => {
  test.each([
    ["a plain loop", "while true do end"],
    ["a loop that catches every error", "while true do pcall(function() while true do end end) end"],
    ["a loop in a coroutine", "coroutine.wrap(function() while true do end end)()"],
    ["a loop in a callback of C", "(('x'):rep(10)):gsub('.', function() while true do end end)"],
    [
      "a loop in a metamethod",
      "local t = setmetatable({}, {__index = function() while true do end end}) local x = t.x",
    ],
    ["a loop in a message handler", "xpcall(error, function() while true do end end) while true do end"],
  ])("stops %s, again and again", async (_, source) => {
    using lua = await startEngine();
    lua.engine.tasks.limit = () => 0.05;
    for (let i = 0; i < 3; i++) {
      expect((await failure(lua, source)).message).toContain("stopped after 0.05 s on the processor");
    }
    expect(await lua.values("answer('alive')")).toEqual(["alive"]);
  });

  test("waiting does not count", async () => {
    using lua = await startEngine();
    lua.engine.tasks.limit = () => 0.05;
    expect(await lua.values("for i = 1, 10 do sleep(0.01) end answer('done')")).toEqual(["done"]);
  });

  test("others run while a task is stuck in a loop, in itself or in a coroutine", async () => {
    using lua = await startEngine();
    for (const loop of ["while not stop do end", "coroutine.wrap(function() while not stop do end end)()"]) {
      await lua.run("stop = false");
      const stuck = lua.run(`${loop} answer('stopped')`);
      // Only another task can end the loop.
      await lua.run("stop = true");
      await stuck;
    }
  });

  test("a coroutine that is cut again and again, and its resumer too, still returns what it returns", async () => {
    using lua = await startEngine();
    // Some 3 ms a coroutine: with slices of 10 ms the cut falls anywhere, in the coroutine, its resumer and between them.
    const source = `
      local wrong = 0
      local function work() for i = 1, 1e5 do end return 'end' end
      for i = 1, 400 do
        local outer = coroutine.create(function() return select(2, coroutine.resume(coroutine.create(work))) end)
        local ok, value = coroutine.resume(outer)
        if not ok or value ~= 'end' or coroutine.status(outer) ~= 'dead' then wrong = wrong + 1 end
      end
      answer(wrong)`;
    expect(await lua.values(source)).toEqual(["0"]);
  });

  test("what a coroutine yields is not mistaken for a cut", async () => {
    using lua = await startEngine();
    const source = `
      local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield() end return 'end' end)
      answer(select('#', co()), select('#', co()), select('#', co()), co())`;
    expect(await lua.values(source)).toEqual(["0", "0", "0", "end"]);
  });
});

describe("what would escape the limit", () => {
  test("finalizers are not called; all else that a metatable says is", async () => {
    using lua = await startEngine();
    const source = `
      local mt = { __gc = function() called = true while true do end end, __index = { x = 'index' } }
      do local t = setmetatable({}, mt) answer(t.x, getmetatable(t) == mt, mt.__gc ~= nil) end
      debug.setmetatable({}, mt)
      collectgarbage() collectgarbage()
      answer(called)
      answer(select(2, pcall(function() setmetatable(5, mt) end)))
      answer((pcall(setmetatable, setmetatable({}, { __metatable = 1 }), mt)))
      answer(mt.__gc ~= nil)`;
    expect(await lua.values(source)).toEqual([
      "index",
      "true",
      "true",
      "nil",
      "spec.conf:7: bad argument #1 to 'setmetatable' (table expected, got number)",
      "false",
      "true",
    ]);
  });

  test("a pending __close that loops is stopped, and so is the __tostring of an error", async () => {
    using lua = await startEngine();
    lua.engine.tasks.limit = () => 0.05;
    const loop = "function() while true do end end";
    expect(
      (await failure(lua, `local x <close> = setmetatable({}, { __close = ${loop} }) error('first')`)).message,
    ).toBe("spec.conf:1: first");
    expect((await failure(lua, `error(setmetatable({}, { __tostring = ${loop} }))`)).message).toContain("stopped");
    expect(await lua.values("answer('alive')")).toEqual(["alive"]);
  });
});

describe("tables that contain themselves", () => {
  test("are not followed by functions that take a table", async () => {
    using lua = await startEngine();
    const error = await failure(
      lua,
      "local t = {} for i = 1, 30 do t[i] = t end httpRequest({ url = 'http://127.0.0.1:1/', headers = t })",
    );
    expect(error.message).toContain("httpRequest");
  });
});

describe("memory", () => {
  test("the host's view follows a heap that grows by 200 MB in between", async () => {
    using lua = await startEngine();
    const before = lua.engine.state.heap().length;
    await lua.run(
      "local keep = {} for i = 1, 20 do keep[i] = ('x'):rep(10e6) .. i end infoLog('grown', {['ü'] = 'ö'})",
    );
    expect(lua.engine.state.heap().length - before).toBeGreaterThan(200e6);
    expect(lua.logs).toEqual(['grown: ü="ö"']);
  });

  test("the bytes in use are those that Lua counts", async () => {
    using lua = await startEngine();
    const [kilobytes] = await lua.values("keep = ('x'):rep(1e6) answer(collectgarbage('count'))");
    expect(Math.abs(lua.engine.state.usedMemory - Number(kilobytes) * 1024)).toBeLessThan(4096);
  });

  test("a large text finds room where there is only garbage", async () => {
    using lua = await startEngine("/", undefined, 32 * 1024 ** 2);
    const { state, tasks } = lua.engine;
    await lua.run("collectgarbage('stop') for i = 1, 4e5 do local garbage = { i } end");
    expect(state.usedMemory).toBeGreaterThan(19e6);
    const length = tasks.run(
      "report",
      (L) => {
        state.pushChunk(L, "return #..." as ByteString, "=length");
        state.pushBytes(L, "x".repeat(12e6) as ByteString);
        return 1;
      },
      (L) => state.number(L, 1),
    );
    expect(length).toBe(12e6);
  });

  test("an allocation beyond the end of memory is an error that can be caught, and the state lives", async () => {
    using lua = await startEngine("/", undefined, 64 * 1024 ** 2);
    const source = "local ok, e = pcall(string.rep, 'x', 2^28) answer(ok, e)";
    expect(await lua.values(source)).toEqual(["false", "not enough memory"]);
    expect(await lua.values("answer('alive')")).toEqual(["alive"]);
  });
});

describe("whatever fails, the error is a policy's", () => {
  const nothing = (): void => {};
  const outcome = async (run: () => unknown): Promise<unknown> => {
    try {
      return await run();
    } catch (error) {
      return error;
    }
  };

  test.each<[string, (lua: TestEngine) => unknown, string]>([
    ["a syntax error", ({ run }) => run("x = = 1"), "spec.conf:1: unexpected symbol near '='"],
    [
      "what cannot be taken to Lua",
      ({ engine: { tasks, state } }) =>
        tasks.run("report", (L) => (state.pushBytes(L, "x".repeat(40e6) as ByteString), 0), nothing),
      "not enough memory",
    ],
    [
      "what cannot be read of a result",
      ({ engine: { tasks, state } }) =>
        tasks.run(
          "report",
          (L) => (state.pushChunk(L, "sleep(0) return 1" as ByteString, "=spec"), 0),
          () => (undefined as unknown as Error).message,
        ),
      "internal error: undefined is not an object",
    ],
    [
      "a mistake of this program",
      ({ engine: { tasks } }) => tasks.run("report", () => (1).toFixed(-1).length, nothing),
      "internal error: ",
    ],
    [
      "one that nothing can describe",
      ({ run }) => run("error(setmetatable({}, { __tostring = function() error(('x'):rep(40e6)) end }))"),
      "not enough memory",
    ],
  ])("%s", async (_, run, message) => {
    using lua = await startEngine("/", undefined, 32 * 1024 ** 2);
    const { state } = lua.engine;
    const [stack, top] = [state.api.stackSave(), state.api.lua_gettop(state.main)];
    for (let i = 0; i < 3; i++) {
      const error = await outcome(() => run(lua));
      expect(error).toBeInstanceOf(PolicyError);
      expect((error as PolicyError).message).toContain(message);
    }
    expect([state.api.stackSave(), state.api.lua_gettop(state.main)]).toEqual([stack, top]);
    expect(await lua.values("sleep(0) answer('alive')")).toEqual(["alive"]);
  });
});

describe("waiting", () => {
  test("200 tasks that wait 100 ms each wait at the same time", async () => {
    using lua = await startEngine();
    const started = performance.now();
    await Promise.all(Array.from({ length: 200 }, () => lua.run("sleep(0.1)")));
    // One after the other would be 20 s. The bound is far from both, so that a slow machine passes.
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("works under pcall, in coroutines within coroutines, in iterators and metamethods", async () => {
    using lua = await startEngine();
    const source = `
      local nap = function(...) sleep(0.001) return ... end
      answer(pcall(nap, 1, 2))
      answer(select(2, pcall(function() nap() error('after', 0) end)))
      local outer = coroutine.wrap(function(a)
        local inner = coroutine.wrap(function(b) nap() coroutine.yield(b + 1) nap() return 'inner end' end)
        coroutine.yield(inner(a)) coroutine.yield(inner()) nap() return 'outer end'
      end)
      answer(outer(1), outer(), outer())
      for i in function(_, i) nap() if (i or 0) < 2 then return (i or 0) + 1 end end do answer(i) end
      answer(setmetatable({}, {__index = function(_, k) nap() return k end}).key)
      answer(setmetatable({}, {__add = function(a, b) nap() return 'sum' end}) + 1)`;
    expect(await lua.values(source)).toEqual([
      "true",
      "1",
      "2",
      "after",
      "2",
      "inner end",
      "outer end",
      "1",
      "2",
      "key",
      "sum",
    ]);
  });

  test("inside a function that C calls it is an error that says so, and nothing has begun", async () => {
    using lua = await startEngine();
    const error = await failure(lua, "table.sort({3, 1, 2}, function(a, b)\n sleep(0) return a < b end)");
    expect(error.message).toStartWith("spec.conf:2: 'sleep' cannot wait inside a function that C calls");
  });

  test("a task sees its own locals and the shared globals after a wait", async () => {
    using lua = await startEngine();
    await lua.run("order = {}");
    const task = (name: string, seconds: number): Promise<void> =>
      lua.run(`local mine = '${name}' sleep(${seconds}) order[#order + 1] = mine`);
    await Promise.all([task("slow", 0.05), task("quick", 0.01)]);
    expect(await lua.values("answer(table.unpack(order))")).toEqual(["quick", "slow"]);
  });

  test("wrong arguments are blamed on the caller's line", async () => {
    using lua = await startEngine();
    expect((await failure(lua, "\nsleep('x')")).message).toBe(
      "spec.conf:2: bad argument #1 to 'sleep' (number expected, got string)",
    );
    expect((await failure(lua, "sleep()")).message).toBe(
      "spec.conf:1: bad argument #1 to 'sleep' (number expected, got no value)",
    );
    expect((await failure(lua, "sleep(-1)")).message).toContain("seconds of 0 or more expected");
    expect((await failure(lua, "sleep(0/0)")).message).toContain("seconds of 0 or more expected");
  });

  test("a coroutine that another task waits in can neither be resumed nor closed", async () => {
    using lua = await startEngine();
    const waiting = lua.run("shared = coroutine.create(function() sleep(0.05) end) coroutine.resume(shared)");
    const source =
      "answer(coroutine.status(shared), coroutine.resume(shared)) answer((pcall(coroutine.close, shared)))";
    expect(await lua.values(source)).toEqual(["normal", "false", "cannot resume non-suspended coroutine", "false"]);
    await waiting;
    expect(await lua.values("answer(coroutine.status(shared))")).toEqual(["dead"]);
  });
});

describe("the coroutine library", () => {
  test("leaves a task's own thread to the host", async () => {
    using lua = await startEngine();
    const waiting = lua.values("saved = coroutine.running() sleep(0.03) answer('woken in time')");
    const source = `answer(coroutine.status(saved), coroutine.resume(saved)) answer(pcall(coroutine.close, saved))
      answer(coroutine.status((coroutine.running())))`;
    expect(await lua.values(source)).toEqual([
      "normal",
      "false",
      "cannot resume non-suspended coroutine",
      "false",
      "cannot close a normal coroutine",
      "running",
    ]);
    await waiting;
    expect(await lua.values("answer(pcall(coroutine.resume, saved))")).toEqual([
      "true",
      "false",
      "cannot resume non-suspended coroutine",
    ]);
  });

  test("blames the caller's line for wrong arguments", async () => {
    using lua = await startEngine();
    for (const [call, problem] of [
      ["coroutine.create(5)", "bad argument #1 to 'create' (function expected, got number)"],
      ["coroutine.wrap()", "bad argument #1 to 'wrap' (function expected, got no value)"],
      ["coroutine.resume('x')", "bad argument #1 to 'resume' (coroutine expected, got string)"],
    ] as const) {
      expect((await failure(lua, `\n${call} x = 1`)).message).toBe(`spec.conf:2: ${problem}`);
    }
  });

  test("behaves as Lua's own", async () => {
    using lua = await startEngine();
    const source = `
      local co = coroutine.create(function(...) answer(...) local x = coroutine.yield(1, nil) answer(x) error({}) end)
      answer(select('#', coroutine.resume(co, 'a', 'b')), coroutine.status(co))
      answer(select('#', coroutine.resume(co, 'c')), coroutine.status(co))
      answer(coroutine.resume(co))
      answer(select('#', coroutine.resume(coroutine.create(function() end))))
      answer(coroutine.isyieldable(), select(2, coroutine.running()))
      answer(coroutine.wrap(function() return coroutine.isyieldable(), select(2, coroutine.running()) end)())
      answer(pcall(coroutine.yield))
      local dead = coroutine.wrap(function() end) dead()
      answer(select(2, pcall(dead)))
      local closed coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() closed = true end}) end)()
      answer(closed)`;
    expect(await lua.values(source)).toEqual(
      ["a", "b", "3", "suspended", "c", "2", "dead", "false", "cannot resume dead coroutine", "1"].concat(
        ["false", "true", "true", "false", "false", "attempt to yield from outside a coroutine"],
        ["cannot resume dead coroutine", "true"],
      ),
    );
  });

  test("an error in a wrapped coroutine gets the position of the call, and closes what is pending", async () => {
    using lua = await startEngine();
    const source = `
      local log = {}
      local f = coroutine.wrap(function()
        local x <close> = setmetatable({}, {__close = function() log[#log + 1] = 'closed' end})
        error('inside', 0)
      end)
      answer(select(2, pcall(function()
        f()
      end)))
      answer(log[1])`;
    expect(await lua.values(source)).toEqual(["spec.conf:8: inside", "closed"]);
  });
});

describe("the prelude", () => {
  test("does not depend on globals that a policy may replace", async () => {
    using lua = await startEngine();
    await lua.run("keep = answer keep_tostring = tostring string, table, math, coroutine = nil, nil, nil, nil");
    await lua.run("pairs, ipairs, next, type, error, setmetatable, getmetatable, pcall, tostring = nil");
    await lua.run("sleep(0) ca = newCA('1.2.3.4') group = newNetmaskGroup() group:addMask('1.2.3.0/24')");
    await lua.run("infoLog('x', {a = 1, ok = group:match(ca), text = ca:tostring()})");
    expect(lua.logs).toEqual(['x: a="1" ok="true" text="1.2.3.4"']);
    expect((await failure(lua, "group:match('x')")).message).toContain("ComboAddress expected, got string");
    expect((await failure(lua, "sleep('x')")).message).toContain("number expected, got string");
  });
});
