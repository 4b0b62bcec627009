/** Uses of globals, as they are read from compiled chunks. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { Counters } from "../../lib/counters/counters.ts";
import { Log } from "../../lib/log/log.ts";
import { readChunkGlobals } from "../../lib/lua/chunk-globals.ts";
import { Engine } from "../../lib/lua/engine.ts";
import { findUnknownNames } from "../../lib/lua/unknown-names.ts";
import { unreachableTcp } from "../../lib/net/tcp.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { network } from "../support/engine.ts";

let engine: Engine;
let compiled: ByteString;
beforeAll(async () => {
  const log = new Log({ sink: () => {} });
  const counters = new Counters(systemClock);
  engine = await Engine.create({
    clock: systemClock,
    log,
    counters,
    directory: "/",
    http: network(),
    tcp: unreachableTcp("nothing runs here"),
    onCompiled: (chunk) => (compiled = chunk),
  });
});
afterAll(() => engine.close());

/** The chunk is not run. */
async function compile(source: string): Promise<ByteString> {
  await engine.runFile(Buffer.from(`if true then return end ${source}`), "x.lua");
  return compiled;
}

/** As `name how line`, or `name.field how line`. */
async function usesIn(source: string): Promise<string[]> {
  const { uses } = readChunkGlobals(await compile(source));
  return uses.map(({ name, field, how, line }) => `${field ? `${name}.${field}` : name} ${how} ${line}`);
}

describe("the globals of a chunk", () => {
  test("are told from locals, fields, strings and comments", async () => {
    expect(
      await usesIn(`local a, t = 1, {}
        -- comment()
        t.field, t["key"] = a, "string()"
        return a, t.field, function(b) return a, b, t.c.d end`),
    ).toEqual([]);
  });

  test.each([
    ["x()", ["x reads 1"]],
    ["x = 1", ["x sets 1"]],
    ["x = y", ["y reads 1", "x sets 1"]],
    ["function x()\n y() end", ["x sets 1", "y reads 2"]],
    ["local f = function()\n return function()\n\n return deep end end", ["deep reads 4"]],
    ["os.exit()", ["os.exit reads 1"]],
    ["local e = os.exit", ["os.exit reads 1"]],
    ["os['exit']()", ["os.exit reads 1"]],
    ["string:rep()", ["string.rep reads 1"]],
    ["if x then end", ["x tests 1"]],
    ["local y = x or 1", ["x tests 1"]],
    ["if x == nil then end", ["x asks 1"]],
    ["if x == 1 then end", ["x reads 1"]],
    ["return type(x) == 'table'", ["type reads 1", "x asks 1"]],
    ["_ENV.x()", ["x reads 1"]],
    ["local _ENV = {} x() return function() y() end", []],
    ["return function(_ENV) return x end", []],
  ])("%j", async (source, uses) => {
    expect(await usesIn(source)).toEqual(uses);
  });

  test("are found in a function with more constants than an instruction can name", async () => {
    const constants = Array.from({ length: 300 }, (_, i) => `"constant ${i}"`).join(",");
    expect(await usesIn(`local t = { ${constants} }\nx = y\nreturn os.exit`)).toEqual([
      "y reads 2",
      "x sets 2",
      "os.exit reads 3",
    ]);
  });

  test("are found with names that Lua keeps as long strings", async () => {
    const name = "long".repeat(20);
    expect(await usesIn(`${name} = ${name}`)).toEqual([`${name} reads 1`, `${name} sets 1`]);
  });

  test("have their lines in functions of many lines", async () => {
    const lines = Array.from({ length: 2000 }, (_, i) => (i % 7 === 0 ? `x${i}()` : "\n".repeat(i % 200)));
    const source = lines.join("\n");
    const expected = source
      .split("\n")
      .flatMap((text, i) => (text.startsWith("x") ? [`${text.slice(0, -2)} reads ${i + 1}`] : []));
    expect(await usesIn(source)).toEqual(expected);
  });

  test("cannot be read from what is no chunk", () => {
    expect(() => readChunkGlobals("text" as ByteString)).toThrow(RangeError);
  });
});

describe("names that nobody defines", () => {
  const problems = async (...sources: string[]): Promise<string[]> => {
    const chunks: ByteString[] = [];
    for (const source of sources) chunks.push(await compile(source));
    return findUnknownNames(engine, chunks, "main.conf");
  };

  test("are not those that another file sets", async () => {
    expect(await problems("x()", "function y() x = 1 end")).toEqual([]);
  });

  test("are not those that a file asks for", async () => {
    expect(await problems("if ngx then ngx.log() end")).toEqual([]);
    expect(await problems("if type(alert) == 'function' then alert() end")).toEqual([]);
  });

  test("are not those that the script has made otherwise", async () => {
    await engine.runFile(
      Buffer.from("rawset(_G, 'made', 1) setmetatable(_G, { __index = { inherited = 1 } })"),
      "y.lua",
    );
    expect(await problems("made() inherited()")).toEqual([]);
    await engine.runFile(Buffer.from("setmetatable(_G, { __index = function(_, name) error(name) end })"), "y.lua");
    expect(await problems("made() inherited()")).toEqual(['x.lua:1: no global is named "inherited"']);
    await engine.runFile(Buffer.from("setmetatable(_G, nil)"), "y.lua");
  });
});
