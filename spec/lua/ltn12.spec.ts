import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startEngine, type TestEngine } from "../support/engine.ts";

let lua: TestEngine;
const folder = mkdtempSync(join(tmpdir(), "ltn12-"));
beforeAll(async () => {
  lua = await startEngine(folder);
  await lua.run(`
    ltn12 = require 'ltn12' source, sink, filter, pump = ltn12.source, ltn12.sink, ltn12.filter, ltn12.pump
    function all(from) local into, t = sink.table() local ok, e = pump.all(from, into) return ok, ok and table.concat(t, '|') or e end
    upper = function(c) return c and c:upper() end
    -- Gives back what it took in pieces of three bytes, and so has more after each piece.
    threes = function() local rest = '' return function(c)
      rest = rest .. (c or '')
      if #rest >= 3 or (c == nil and #rest > 0) then local out = rest:sub(1, 3) rest = rest:sub(4) return out end
      if c then return '' end
    end end`);
});
afterAll(() => {
  lua[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

test.each([
  ["source.string(('x'):rep(2049))", `${"x".repeat(2048)}|x`],
  ["source.string(nil)", ""],
  ["source.empty()", ""],
  ["source.table{'a', 'b'}", "a|b"],
  ["source.cat(source.string('a'), source.empty(), source.string('b'))", "a|b"],
  ["source.chain(source.string('abc'), upper)", "ABC"],
  ["source.chain(source.table{'abcd', 'ef', 'g'}, threes())", "abc|def|g"],
  ["source.chain(source.table{'abcd', 'ef', 'g'}, threes(), upper)", "ABC|DEF|G"],
  [
    "source.simplify((function() local i = 0 return function() i = i + 1 if i < 2 then return 'a', function() return nil end end end end)())",
    "a",
  ],
])("%s", async (source, text) => {
  expect(await lua.values(`answer(all(${source}))`)).toEqual(["1", text]);
});

test.each([
  ["source.error('broken')", "broken"],
  ["source.cat(source.string('a'), source.error('broken'))", "broken"],
  ["source.chain(source.error('broken'), upper)", "broken"],
  ["source.file(io.open('missing'))", "missing: No such file or directory"],
])("%s fails", async (source, message) => {
  expect(await lua.values(`answer(all(${source}))`)).toEqual(["nil", message]);
});

test("a source takes chunks back", async () => {
  const source = "local s = source.rewind(source.table{'a', 'b'}) local a = s() s(a) s('0') answer(s(), s(), s(), s())";
  expect(await lua.values(source)).toEqual(["0", "a", "b", "nil"]);
});

test("filters compose and keep their state", async () => {
  const source = `
    local count = filter.cycle(function(n, chunk, step) if not chunk or chunk == '' then return chunk, n end return chunk .. n, n + step end, 1, 2)
    local f = filter.chain(count, upper, threes())
    answer(f('a'), f('bcd'), f(nil), f(nil))`;
  expect(await lua.values(source)).toEqual(["", "A1BCD3", "nil", "nil"]);
});

test("a chain of sink gets everything, with what is left at the end", async () => {
  const source = `
    local into, t = sink.table()
    answer(pump.all(source.table{'ab', 'cde', 'fg'}, sink.chain(threes(), upper, into)), table.concat(t))
    answer(pump.all(source.string('a'), sink.chain(upper, sink.error('full'))))
    answer(pump.all(source.string('a'), sink.null()), pump.step(source.empty(), sink.null()))
    local first = sink.simplify(function() return 1, into end) first('x') first('y') answer(t[#t])`;
  expect(await lua.values(source)).toEqual(["1", "ABCDEFG", "nil", "full", "1", "nil", "nil", "y"]);
});

test("files are sources and sinks", async () => {
  writeFileSync(join(folder, "in"), "x".repeat(5000));
  const source = `
    answer(pump.all(source.file(io.open('in', 'rb')), sink.file(io.open('out', 'wb'))))
    local f = io.open('out', 'rb') answer(#f:read('a')) f:close()
    answer(pump.all(source.string('a'), sink.file(nil, 'no such folder')))`;
  expect(await lua.values(source)).toEqual(["1", "5000", "nil", "no such folder"]);
});

test("sources and sinks may wait", async () => {
  const source = "answer(all(function() if not done then sleep(0) done = true return 'late' end end))";
  expect(await lua.values(source)).toEqual(["1", "late"]);
});

test("wrong arguments and filters are refused", async () => {
  const source = `
    answer(select(2, pcall(function() pump.all(nil, sink.null()) end)))
    answer((pcall(all, source.chain(source.string('a'), function() return nil end))))`;
  const [pumped, ok] = await lua.values(source);
  expect(pumped).toBe("spec.conf:2: bad argument #1 to 'all' (function expected, got no value)");
  expect(ok).toBe("false");
});
