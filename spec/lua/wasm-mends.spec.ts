/** What is mended in wasmoon's build of Lua is found, or the engine does not start: a guess could change anything. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { writeWholeNumbersPlainly } from "../../lib/lua/number-text.ts";
import { WasmModule } from "../../lib/lua/wasm-module.ts";
import { mend } from "../../lib/lua/wasm.ts";

describe("the constant of digits", () => {
  const around = (...parts: string[]): Buffer => Buffer.from(parts.join("\0-0123456789\0"));

  test("is overwritten, and nothing beside it", () => {
    const memory = around("before", "behind");
    writeWholeNumbersPlainly(memory);
    expect(memory.toString("latin1")).toBe(`before\0${"\x7f".repeat(11)}\0behind`);
  });

  test.each([
    ["not there", around("nothing")],
    ["there twice", around("a", "b", "c")],
  ])("%s: an error, and nothing changes", (_, memory) => {
    const before = Buffer.from(memory);
    expect(() => writeWholeNumbersPlainly(memory)).toThrow("does not have the constant -0123456789 exactly once");
    expect(memory).toEqual(before);
  });
});

describe("the functions that are given other bodies", () => {
  const build = readFileSync(fileURLToPath(import.meta.resolve("wasmoon/dist/glue.wasm")));
  const without = (text: string): Buffer => {
    const other = Buffer.from(build);
    other.write("X", other.indexOf(text));
    return other;
  };

  test("the module is valid, and exports and imports the same", async () => {
    const [before, after] = await Promise.all([build, mend(build)].map((module) => WebAssembly.compile(module)));
    expect(WebAssembly.Module.exports(after!)).toEqual(WebAssembly.Module.exports(before!));
    expect(WebAssembly.Module.imports(after!)).toEqual(WebAssembly.Module.imports(before!));
  });

  test("a module that nothing is changed in is written as it was read", () => {
    expect(new WasmModule(build).write().equals(build)).toBe(true);
  });

  test.each(["lua_tointegerx", "lua_geti"])("%s is not exported: an error", (name) => {
    expect(() => mend(without(`${name}\0`))).toThrow(`does not export ${name}`);
  });

  test.each([
    "pattern too complex",
    "^$*+?.([%-",
    "resulting string too large",
    "buffer too large",
    "string length overflow",
  ])("the text %j is not there: an error", (text) => {
    expect(() => mend(without(`${text}\0`))).toThrow(`does not have the text "${text}" exactly once`);
  });
});
