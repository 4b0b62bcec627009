/** The fields of log functions. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { failure, startEngine, type TestEngine } from "../support/engine.ts";

let lua: TestEngine;
beforeAll(async () => {
  lua = await startEngine();
});
afterAll(() => lua[Symbol.dispose]());

async function logged(source: string): Promise<string> {
  lua.logs.length = 0;
  await lua.run(source);
  return lua.logs.join("\n");
}

test.each(["errorLog", "warnLog", "infoLog", "vinfoLog", "debugLog"])("%s shows tables", async (name) => {
  expect(await logged(`${name}('x', { r = newCA('10.0.0.1:25'), t = { 1, 'two' }, n = 60 / 2 })`)).toBe(
    'x: n="30" r="10.0.0.1" t="[1,\\"two\\"]"',
  );
});

describe("a field", () => {
  test.each([
    ["newCA('2001:db8::1')", "2001:db8::1"],
    ["{ newCA('10.0.0.1') }", '[\\"10.0.0.1\\"]'],
    ["{ a = { b = { true } } }", '{\\"a\\":{\\"b\\":[true]}}'],
    ["{}", "{}"],
    ["{ print }", "table"], // no JSON
    ["(function() local t = {} t[1] = t return t end)()", "table"],
    ["newNetmask('10.0.0.0/8')", "Netmask"],
    ["newNetmaskGroup()", "NetmaskGroup"],
    ["print", "function"],
    ["coroutine.create(print)", "thread"],
    ["io.stdout", "userdata"],
    ["setmetatable({ 1 }, { __tostring = function() return 'mine' end })", "[1]"],
  ])("%s is shown as %s", async (value, text) => {
    expect(await logged(`infoLog('x', { f = ${value} })`)).toBe(`x: f="${text}"`);
  });

  test("does not change, and neither does the table of fields", async () => {
    expect(await lua.values("local t = {} local f = { t = t } infoLog('x', f) answer(f.t == t, next(t))")).toEqual([
      "true",
      "nil",
    ]);
  });
});

test.each([
  ["infoLog()", "bad argument #1 to 'infoLog' (string expected, got no value)"],
  ["infoLog({}, { t = {} })", "bad argument #1 to 'infoLog' (string expected, got table)"],
  ["debugLog('x', 5)", "bad argument #2 to 'debugLog' (table expected, got number)"],
])("%s is an error at its line", async (call, message) => {
  expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
});
