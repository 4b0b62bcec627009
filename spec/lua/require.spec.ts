import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { MODULE_NAMES } from "../../lib/lua/functions/modules.ts";
import { failure, startEngine, type TestEngine } from "../support/engine.ts";

let lua: TestEngine;
const folder = mkdtempSync(join(tmpdir(), "require-"));
beforeAll(async () => {
  lua = await startEngine(folder);
  const files = {
    waits: "sleep(0.001) return { get = function() sleep(0.001) return 'got' end, args = { ... } }",
    nothing: "count = (count or 0) + 1",
    no: "return false",
    broken: "x = = 1",
    fails: "error('on purpose')",
  };
  for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, `${name}.lua`), source);
  await lua.run("package.path = './?.lua'");
});
afterAll(() => {
  lua[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

test("modules may wait while they load, and their functions later", async () => {
  const source = `
    local m, where = require 'waits' answer(m.get(), m.args[1], m.args[2], where)
    answer(require 'waits' == m, package.loaded.waits == m)`;
  expect(await lua.values(source)).toEqual(["got", "waits", "./waits.lua", "./waits.lua", "true", "true"]);
});

test("what a module answers, and does not", async () => {
  const source = "answer((require 'nothing'), (require 'nothing'), count) answer((require 'no'))";
  expect(await lua.values(source)).toEqual(["true", "true", "1", "false"]);
});

test("a module that is not there is told in two lines; other errors are those of Lua's own require", async () => {
  const source = `
    for _, name in ipairs{'missing', 'broken', 'fails'} do answer(select(2, pcall(function() require(name) end))) end
    answer(select(2, pcall(function() require() end)))`;
  const [missing, broken, fails, wrong] = await lua.values(source);
  const cannot = "not found; modules in C cannot be loaded, for this Lua is a WebAssembly build\n\t";
  expect(missing).toBe(`spec.conf:2: module 'missing' ${cannot}no ./missing.lua`);
  expect(broken).toStartWith(
    "error loading module 'broken' from file './broken.lua':\n\t./broken.lua:1: unexpected symbol",
  );
  expect(fails).toBe("./fails.lua:1: on purpose");
  expect(wrong).toBe("spec.conf:3: bad argument #1 to 'require' (string expected, got no value)");
});

test("each module of the engine is there, once, and leaves no globals", async () => {
  const source = `
    local before = {} for name in pairs(_G) do before[name] = true end
    for name in ([[${MODULE_NAMES.join(" ")}]]):gmatch('%S+') do
      local m = require(name) assert(type(m) == 'table' and m == require(name), name)
    end
    for name in pairs(_G) do if not before[name] then answer(name) end end
    answer(require 'cjson' ~= require 'cjson.safe', require 'socket.http' ~= require 'ssl.https')`;
  expect(await lua.values(source)).toEqual(["true", "true"]);
});

test("what is looked for in many folders is told by their names", async () => {
  using other = await startEngine();
  expect((await failure(other, "require 'a.b'")).message).toEndWith(
    "\n\tno a/b.lua or a/b/init.lua in ., /usr/local/share/lua/5.4, /usr/local/lib/lua/5.4, /usr/share/lua/5.4, " +
      "/usr/local/share/lua/5.1, /usr/local/lib/lua/5.1, /usr/share/lua/5.1",
  );
});

describe("searchers", () => {
  test("of a policy find modules, by both names of their list, and tell why not", async () => {
    using other = await startEngine();
    const source = `
      answer(package.loaders == package.searchers)
      table.insert(package.loaders, 2, function(name)
        if name == 'made' then return function(...) return { name = ... } end end
        return "\\n\\tno recipe for '" .. name .. "'"
      end)
      answer(require('made').name)
      local _, problem = pcall(require, 'other') answer((problem:match("\\t(no recipe for 'other'; no other.lua)")))
      package.loaders = { function() return function() return 'from a list of its own' end end } answer((require('x')))
      package.loaders = package.searchers package.searchers = { function() return function() return 'again' end end }
      answer((require('y')))`;
    expect(await other.values(source)).toEqual([
      "true",
      "made",
      "no recipe for 'other'; no other.lua",
      "from a list of its own",
      "again",
    ]);
  });

  test.each(["loaders", "searchers"])("package.%s that is no list is an error", async (name) => {
    using other = await startEngine();
    expect((await failure(other, `\npackage.${name} = nil require('x')`)).message).toBe(
      `spec.conf:2: 'package.${name}' must be a table`,
    );
  });
});
