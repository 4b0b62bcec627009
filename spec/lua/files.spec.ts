import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { temporaryFolder } from "../support/daemon.ts";
import { failure, startEngine } from "../support/engine.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trackalert-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(directory, name)), { recursive: true });
  writeFileSync(join(directory, name), content);
}
const read = (name: string): string => readFileSync(join(directory, name), "latin1");

/** What a chunk answers that runs in the folder. */
async function values(source: string): Promise<string[]> {
  using lua = await startEngine(directory);
  return await lua.values(source);
}

describe("io", () => {
  test("writes, appends, seeks and reads, relative to the folder", async () => {
    const source = `
      local f = assert(io.open('sub/a.txt', 'w'))
      answer(io.type(f), f:write('one\\n', 2, '\\n', 3.5, '\\nlast') == f, f:close(), io.type(f))
      f = io.open('sub/a.txt', 'a') f:write('!') f:close()
      f = io.open('sub/a.txt')
      answer(f:read(), f:read('n'), f:read('L'), f:read('n'), f:read('a'), f:read('a'), f:read('l'))
      answer(f:seek('set', 4), f:read(1), f:seek(), f:seek('end'), f:seek('cur', -5), f:read(5), f:read(0), f:read(1))
      f:close()
      for line in io.lines('sub/a.txt') do answer(line) end
      for a, b in io.lines('sub/a.txt', 1, 'l') do answer(a, b) break end`;
    mkdirSync(join(directory, "sub"));
    expect(await values(source)).toEqual(
      ["file", "true", "true", "closed file", "one", "2", "\n", "3.5", "\nlast!", "", "nil"].concat(
        ["4", "2", "5", "15", "10", "last!", "nil", "nil"],
        ["one", "2", "3.5", "last!", "o", "ne"],
      ),
    );
    expect(read("sub/a.txt")).toBe("one\n2\n3.5\nlast!");
  });

  test("a+ reads anywhere and writes at the end, r+ writes in place, w+ empties", async () => {
    write("f", "12345");
    const source = `
      local f = io.open('f', 'a+') f:seek('set', 1) answer(f:read(2)) f:seek('set', 0) f:write('6') f:flush()
      f:seek('set', 0) answer(f:read('a')) f:close()
      f = io.open('f', 'r+') f:seek('set', 1) f:write('x') f:seek('cur', 1) answer(f:read('a')) f:close()
      f = io.open('g', 'w+') f:write('abc') f:seek('set') answer(f:read('a')) f:close()`;
    expect(await values(source)).toEqual(["23", "123456", "456", "abc"]);
    expect(read("f")).toBe("1x3456");
  });

  test("buffers until it is told to flush", async () => {
    using lua = await startEngine(directory);
    await lua.run("f = io.open('f', 'w') f:write('x')");
    expect(read("f")).toBe("");
    await lua.run("f:flush()");
    expect(read("f")).toBe("x");
    await lua.run("f:setvbuf('no') f:write('y')");
    expect(read("f")).toBe("xy");
  });

  test("every byte comes back, in a file of 1 MB", async () => {
    const every = new Uint8Array(1 << 20).map((_, i) => i ^ (i >> 8));
    write("in", every);
    const source = `
      local data = io.open('in', 'rb'):read('a')
      answer(#data, data:byte(1, 3))
      local f = io.open('out', 'wb') f:write(data) f:close()`;
    expect(await values(source)).toEqual([`${1 << 20}`, "0", "1", "2"]);
    expect(Buffer.compare(readFileSync(join(directory, "out")), every)).toBe(0);
  });

  test("a long line, and NUL in lines", async () => {
    write("f", `${"x".repeat(300_000)}\na\0b\n`);
    expect(await values("local f = io.open('f') answer(#f:read(), #f:read(), f:read())")).toEqual([
      "300000",
      "3",
      "nil",
    ]);
  });

  test("default files", async () => {
    write("f", "a\nb\n");
    const source = `
      local input, output = io.input(), io.output()
      io.input('f') answer(io.read(), io.read('L'), io.read()) io.close(io.input()) io.input(input)
      io.output('g') io.write('x', 1) io.close() io.output(output)
      answer(io.type(io.stdout), io.output() == io.stdout)`;
    expect(await values(source)).toEqual(["a", "b\n", "nil", "file", "true"]);
    expect(read("g")).toBe("x1");
  });

  test("standard input is at its end", async () => {
    expect(
      await values(
        "answer(io.read(), io.read('a'), io.stdin:read(1)) for l in io.lines() do answer(l) end dofile() answer('end')",
      ),
    ).toEqual(["nil", "", "nil", "end"]);
  });

  test("standard streams stay open", async () => {
    expect(await values("answer(io.stdout:close()) answer(io.stdin:close())")).toEqual(
      ["nil", "cannot close standard file"].concat(["nil", "cannot close standard file"]),
    );
  });

  test("a broken pipe on standard output is an error to Lua, and no more than that", async () => {
    const script = `
      const { startEngine } = await import(${JSON.stringify(join(import.meta.dir, "../support/engine.ts"))});
      const lua = await startEngine();
      await Bun.stdin.text();
      const source = "print(('x'):rep(1e5)) answer((select(2, io.write(('y'):rep(1e5))))) answer('alive')";
      console.error((await lua.values(source)).join());`;
    // The reader, true, has ended when standard input does.
    const program = Bun.spawn(["sh", "-c", `{ cat | "$0" -e "$1" 2>&3 | true; } 3>errors`, process.execPath, script], {
      cwd: directory,
      stdin: "pipe",
    });
    await Bun.sleep(100);
    await program.stdin.end();
    await program.exited;
    expect(read("errors")).toBe("Broken pipe,alive\n");
  });

  test("a temporary file is gone when it is closed, names of new ones differ", async () => {
    const source = `
      local f = io.tmpfile() f:write('abc') f:seek('set') answer(f:read('a')) f:close()
      local a, b = os.tmpname(), os.tmpname() answer(a ~= b, a:sub(1, 5))`;
    expect(await values(source)).toEqual(["abc", "true", "/tmp/"]);
  });

  test("failures have Lua's messages and the system's numbers", async () => {
    write("file", "");
    mkdirSync(join(directory, "folder"));
    const source = `
      answer(io.open('none/x')) answer(io.open('folder', 'w')) answer(io.open('file/x'))
      answer(io.open('folder'):read(1)) answer(io.open(('x'):rep(300)))
      answer(os.remove('none')) answer(os.rename('none', 'x')) answer(os.rename('file', 'none/x'))`;
    const enoent = "No such file or directory";
    expect(await values(source)).toEqual(
      ["nil", `none/x: ${enoent}`, "2"].concat(
        ["nil", "folder: Is a directory", "21", "nil", "file/x: Not a directory", "20"],
        ["nil", "Is a directory", "31", "nil", `${"x".repeat(300)}: Filename too long`, "36"],
        ["nil", `none: ${enoent}`, "2", "nil", enoent, "2", "nil", enoent, "2"],
      ),
    );
  });

  test.each([
    ["io.open()", "bad argument #1 to 'open' (string expected, got no value)"],
    ["io.open('x', 'y')", "bad argument #2 to 'open' (invalid mode)"],
    ["io.open({})", "bad argument #1 to 'open' (string expected, got table)"],
    ["io.lines('none')", "cannot open file 'none' (No such file or directory)"],
    ["io.input('none')", "cannot open file 'none' (No such file or directory)"],
    ["io.stdout:seek('x')", "bad argument #1 to 'seek' (invalid option 'x')"],
    ["io.close(1)", "bad argument #1 to 'close' (FILE* expected, got number)"],
    ["os.remove()", "bad argument #1 to 'remove' (string expected, got no value)"],
    ["os.rename('a')", "bad argument #2 to 'rename' (string expected, got no value)"],
    ["os.getenv()", "bad argument #1 to 'getenv' (string expected, got no value)"],
    ["dofile({})", "bad argument #1 to 'dofile' (string expected, got table)"],
    ["require()", "bad argument #1 to 'require' (string expected, got no value)"],
  ])("%s is an error at its line", async (call, message) => {
    using lua = await startEngine(directory);
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
  });

  test("a closed file cannot be used", async () => {
    using lua = await startEngine(directory);
    expect((await failure(lua, "local f = io.open('x', 'w') f:close()\nf:write('a')")).message).toBe(
      "spec.conf:2: attempt to use a closed file",
    );
  });
});

describe("os", () => {
  test("removes and renames files, and removes empty folders", async () => {
    write("a", "1");
    write("b", "2");
    mkdirSync(join(directory, "folder"));
    expect(await values("answer(os.rename('a', 'c'), os.remove('b'), os.remove('folder'))")).toEqual([
      "true",
      "true",
      "true",
    ]);
    expect(["a", "b", "c", "folder"].filter((name) => existsSync(join(directory, name)))).toEqual(["c"]);
  });

  test("getenv sees the environment", async () => {
    expect(await values("answer(os.getenv('PATH'), os.getenv('NO_SUCH_VARIABLE'))")).toEqual([
      process.env["PATH"]!,
      "nil",
    ]);
  });
});

describe("require", () => {
  test("finds a module beside the configuration, once, and tells it its name and file", async () => {
    write("m.lua", "answer(...) return {n = 1}");
    write("dir/sub.lua", "return ...");
    write("pack/init.lua", "value = 'set'");
    const source = `
      local m, file = require('m')
      answer(m.n, file, require('m') == m, select('#', require('m')), package.loaded.m == m)
      answer(require('dir.sub')) answer(require('pack')) answer(value)`;
    expect(await values(source)).toEqual(
      ["m", "./m.lua", "1", "./m.lua", "true", "1", "true"].concat(
        ["dir.sub", "./dir/sub.lua"],
        ["true", "./pack/init.lua", "set"],
      ),
    );
  });

  test("honours package.path, package.preload and package.searchers", async () => {
    write("lib/x.luax", "return 'from lib'");
    const source = `
      package.preload.p = function(...) answer(...) return 'preloaded' end
      answer(require('p'))
      package.path = package.path .. ';./lib/?.luax'
      answer((require('x')))
      table.insert(package.searchers, 1, function(name) if name == 's' then return function(...) answer(...) end, 'extra' end end)
      answer(require('s'))
      package.loaded.x = nil
      answer((require('x')))`;
    expect(await values(source)).toEqual(
      ["p", ":preload:", "preloaded", ":preload:", "from lib", "s", "extra", "true", "extra"].concat(["from lib"]),
    );
  });

  test("a module may set its own entry, and may be false", async () => {
    write("own.lua", "package.loaded[...] = 'mine'");
    write("no.lua", "return false");
    expect(await values("answer((require('own'))) answer((require('no')))")).toEqual(["mine", "false"]);
  });

  test("path comes from LUA_PATH if it is set, and begins with the folder otherwise", async () => {
    expect((await values("answer(package.path)"))[0]).toStartWith("./?.lua;./?/init.lua;/usr/local/share/lua/5.4/");
    process.env["LUA_PATH"] = "./mine/?.lua;;";
    try {
      expect((await values("answer(package.path)"))[0]).toStartWith("./mine/?.lua;/usr/local/share/lua/5.4/");
    } finally {
      delete process.env["LUA_PATH"];
    }
  });

  test("what is not found says where it was looked for", async () => {
    using lua = await startEngine(directory);
    await lua.run("package.path = './?.lua;./?/x.lua'");
    expect((await failure(lua, "\nrequire('a.b')")).message).toBe(
      "spec.conf:2: module 'a.b' not found; modules in C cannot be loaded, for this Lua is a WebAssembly build" +
        "\n\tno ./a/b.lua, no ./a/b/x.lua",
    );
    expect((await failure(lua, "package.path = nil require('a')")).message).toBe("'package.path' must be a string");
    expect((await failure(lua, "package.searchers = nil require('a')")).message).toBe(
      "spec.conf:1: 'package.searchers' must be a table",
    );
  });

  test("a module that fails keeps its file and line, and can be tried again", async () => {
    write("syntax.lua", "x = 1\ny = = 2");
    write("raises.lua", "\n\ntries = (tries or 0) + 1 if tries < 3 then error('boom') end return 'third'");
    using lua = await startEngine(directory);
    expect((await failure(lua, "require('syntax')")).message).toBe(
      "error loading module 'syntax' from file './syntax.lua':\n\t./syntax.lua:2: unexpected symbol near '='",
    );
    const error = await failure(lua, "require('raises')");
    expect(error.message).toBe("./raises.lua:3: boom");
    expect(error.traceback).toContain("./raises.lua:3: in ");
    const source = "answer(pcall(require, 'raises')) answer(package.loaded.raises) answer((require('raises')))";
    expect(await lua.values(source)).toEqual(["false", "./raises.lua:3: boom", "nil", "third"]);
  });

  test("a module that requires itself, or one that requires it, is an error", async () => {
    write("self.lua", "\nrequire('self')");
    write("a.lua", "require('b')");
    write("b.lua", "coroutine.wrap(function() require('a') end)()");
    using lua = await startEngine(directory);
    expect((await failure(lua, "require('self')")).message).toBe("./self.lua:2: loop in loading module 'self'");
    expect((await failure(lua, "require('a')")).message).toContain("loop in loading module 'a'");
  });

  test("modules wait while they load and in their functions", async () => {
    write(
      "outer.lua",
      "sleep(0.001) local inner = require('inner') return { f = function(x) sleep(0) return inner(x) end }",
    );
    write("inner.lua", "sleep(0.001) return function(x) sleep(0.001) return x + 1 end");
    expect(
      await values("answer(require('outer').f(1), coroutine.wrap(function() return require('inner')(2) end)())"),
    ).toEqual(["2", "3"]);
  });

  test("two tasks that require a module at the same time run it once", async () => {
    write("slow.lua", "runs = (runs or 0) + 1 sleep(0.02) return {}");
    using lua = await startEngine(directory);
    await Promise.all([lua.run("first = require('slow')"), lua.run("second = require('slow')")]);
    expect(await lua.values("answer(runs, first == second)")).toEqual(["1", "true"]);
  });

  test("when the task that loads a module fails, is stopped or forgets it, the next one loads it", async () => {
    write("m.lua", "runs = (runs or 0) + 1 sleep(0.01) if runs == 1 then error('first') end return runs");
    write("endless.lua", "if not again then again = true sleep(0.01) while true do end end return 'loaded'");
    write("parked.lua", "if not parked then parked = true coroutine.yield() end return 'loaded'");
    using lua = await startEngine(directory);
    lua.engine.tasks.limit = () => 0.05;
    const [first, second] = await Promise.allSettled([lua.run("require('m')"), lua.run("value = require('m')")]);
    expect([first!.status, second!.status]).toEqual(["rejected", "fulfilled"]);
    const stopped = failure(lua, "coroutine.wrap(function() require('endless') end)()");
    expect(await lua.values("answer((require('endless')))")).toEqual(["loaded"]);
    expect((await stopped).message).toContain("stopped after 0.05 s");
    await lua.run("co = coroutine.create(require) coroutine.resume(co, 'parked')");
    expect(await lua.values("answer((require('parked')))")).toEqual(["loaded"]);
  });

  test("two tasks whose modules require each other get an error, not a standstill", async () => {
    write("x.lua", "sleep(0.01) require('y')");
    write("y.lua", "sleep(0.01) require('x')");
    using lua = await startEngine(directory);
    const settled = await Promise.allSettled([lua.run("require('x')"), lua.run("require('y')")]);
    const messages = settled.map((result) => (result.status === "rejected" ? String(result.reason) : ""));
    expect(messages.join()).toContain("loop in loading module");
  });

  test("C modules cannot be loaded, and it is said so", async () => {
    expect(await values("answer(package.cpath, (package.loadlib('/lib/x.so', 'f')))")).toEqual(["", "nil"]);
  });
});

describe("dofile and loadfile", () => {
  test("run a file, whose first line may begin with #, that may wait", async () => {
    write("f.lua", "#!/usr/bin/lua\nsleep(0.001) local a = 1 sleep(0) return a, 'two'");
    expect(await values("answer(dofile('f.lua')) answer(loadfile('f.lua')())")).toEqual(["1", "two", "1", "two"]);
  });

  test("errors name file and line", async () => {
    write("raises.lua", "\nerror('boom')");
    write("syntax.lua", "\nx x");
    using lua = await startEngine(directory);
    expect((await failure(lua, "dofile('raises.lua')")).message).toBe("raises.lua:2: boom");
    expect((await failure(lua, "dofile('syntax.lua')")).message).toBe("syntax.lua:2: syntax error near 'x'");
    expect((await failure(lua, "dofile('none.lua')")).message).toBe("cannot open none.lua: No such file or directory");
    expect(await lua.values("answer(loadfile('none.lua'))")).toEqual([
      "nil",
      "cannot open none.lua: No such file or directory",
    ]);
  });
});

describe("what would have the daemon wait", () => {
  test("a pipe without another end is an error at once", async () => {
    using folder = temporaryFolder();
    const fifo = join(folder.path, "fifo");
    Bun.spawnSync(["mkfifo", fifo]);
    using lua = await startEngine(folder.path);
    expect(await lua.values("answer(io.open('fifo')) answer(io.open('fifo', 'w'))")).toEqual([
      "nil",
      "fifo: No such device or address",
      "6",
      "nil",
      "fifo: No such device or address",
      "6",
    ]);
    expect(await lua.values("answer(io.open('/dev/null'):read('a'))")).toEqual([""]);
  });

  test("files take no finalizer", async () => {
    using lua = await startEngine();
    expect(await lua.values("answer(getmetatable(io.stdout), pcall(setmetatable, io.stdout, {}))")).toEqual([
      "FILE*",
      "false",
      "bad argument #1 to 'setmetatable' (table expected, got userdata)",
    ]);
  });
});
