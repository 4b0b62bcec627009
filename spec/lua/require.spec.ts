import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { MODULE_NAMES } from "../../lib/lua/functions/modules.ts";
import { startEngine, type TestEngine } from "../support/engine.ts";

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

test("errors are those of Lua's own require", async () => {
  const source = `
    for _, name in ipairs{'missing', 'broken', 'fails'} do answer(select(2, pcall(function() require(name) end))) end
    answer(select(2, pcall(function() require() end)))`;
  const [missing, broken, fails, wrong] = await lua.values(source);
  expect(missing).toStartWith(
    "spec.conf:2: module 'missing' not found:\n\tno field package.preload['missing']\n\tno file './missing.lua'",
  );
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
