/** What is mended in wasmoon's build of Lua is found, or the engine does not start: a guess could change anything. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { writeWholeNumbersPlainly } from "../../lib/lua/number-text.ts";
import { cutFractions } from "../../lib/lua/whole-arguments.ts";

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

describe("the function that reads whole numbers", () => {
  const build = readFileSync(fileURLToPath(import.meta.resolve("wasmoon/dist/glue.wasm")));

  test("is given another body, in a module that is valid and exports and imports the same", async () => {
    const [before, after] = await Promise.all(
      [build, cutFractions(build)].map((module) => WebAssembly.compile(module)),
    );
    expect(WebAssembly.Module.exports(after!)).toEqual(WebAssembly.Module.exports(before!));
    expect(WebAssembly.Module.imports(after!)).toEqual(WebAssembly.Module.imports(before!));
  });

  test("not exported: an error", () => {
    const other = Buffer.from(build);
    other.write("X", other.indexOf("lua_tointegerx"));
    expect(() => cutFractions(other)).toThrow("does not export lua_tointegerx");
  });
});
