/**
 * Numbers with a fraction where a function of Lua's library takes a whole one: cut off, toward zero, as in LuaJIT, where
 * 5.4 raises "number has no integer representation".
 *
 * Every such function asks the C API's `lua_tointegerx` for its arguments, `os.time` for the fields of a date as well, and
 * beside them only `math.tointeger` does (which lua51.lua puts right). So that one function gets another body before the
 * module is compiled: it calls the old one, which has moved to the end, and looks for a fraction only where that says no.
 * What is whole already costs no more than a call, and no function has to be wrapped in Lua.
 *
 * Numbers as in the WebAssembly Core Specification: 5.4 (instructions) and 5.5 (modules).
 */

const HEADER = 8;
const Section = { import: 2, function: 3, export: 7, code: 10 } as const;
const FUNCTION = 0;

/** Reads on through a part of the module. */
class Reader {
  at = 0;

  constructor(readonly bytes: Buffer) {}

  byte(): number {
    return this.bytes[this.at++]!;
  }

  /** An unsigned LEB128 number. */
  number(): number {
    const byte = this.byte();
    return byte < 128 ? byte : byte - 128 + 128 * this.number();
  }

  /** As many bytes as the number in front of them says. */
  block(): Buffer {
    const length = this.number();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

const number = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))];

const block = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from(number(bytes.length)), bytes]);

/** By their numbers, in their order; the few that we look into are there once. */
function readSections(module: Buffer): [id: number, content: Buffer][] {
  const reader = new Reader(module);
  reader.at = HEADER;
  const sections: [number, Buffer][] = [];
  while (reader.at < module.length) sections.push([reader.byte(), reader.block()]);
  return sections;
}

/** How many functions are imported: they are numbered before the module's own. */
function countImports(content: Buffer): number {
  const reader = new Reader(content);
  const count = reader.number();
  for (let i = 0; i < count; i++) {
    reader.block();
    reader.block();
    if (reader.byte() !== FUNCTION) throw new Error("this build of Lua imports more than functions");
    reader.number();
  }
  return count;
}

/** The numbers of the functions that are exported, by name. */
function readExports(content: Buffer): Map<string, number> {
  const reader = new Reader(content);
  const functions = new Map<string, number>();
  for (let left = reader.number(); left > 0; left--) {
    const name = reader.block().toString();
    const kind = reader.byte();
    const index = reader.number();
    if (kind === FUNCTION) functions.set(name, index);
  }
  return functions;
}

/**
 * A list, with a count in front, whose item at a position has moved to the end.
 * @param skip passes over an item
 * @param replacement what stands in its place; a copy unless given
 */
function moveToEnd(content: Buffer, position: number, skip: (reader: Reader) => unknown, replacement?: Buffer): Buffer {
  const reader = new Reader(content);
  const count = reader.number();
  const start = reader.at;
  for (let i = 0; i < position; i++) skip(reader);
  const from = reader.at;
  skip(reader);
  const item = content.subarray(from, reader.at);
  const [before, after] = [content.subarray(start, from), content.subarray(reader.at)];
  return Buffer.concat([Buffer.from(number(count + 1)), before, replacement ?? item, after, item]);
}

/**
 * @param module wasmoon's build of Lua
 * @returns it with the other `lua_tointegerx`
 * @throws when it is not made as expected: this is another build
 */
export function cutFractions(module: Buffer): Buffer {
  const sections = new Map(readSections(module));
  const exported = readExports(sections.get(Section.export)!);
  const [changed, toNumber] = [exported.get("lua_tointegerx"), exported.get("lua_tonumberx")];
  if (changed === undefined || toNumber === undefined) {
    throw new Error("this build of Lua does not export lua_tointegerx and lua_tonumberx: is wasmoon another version?");
  }
  const imported = countImports(sections.get(Section.import)!);
  const declared = sections.get(Section.function)!;
  const moved = imported + new Reader(declared).number();
  const position = changed - imported;
  sections.set(
    Section.function,
    moveToEnd(declared, position, (reader) => reader.number()),
  );
  sections.set(
    Section.code,
    moveToEnd(sections.get(Section.code)!, position, (reader) => reader.block(), block(cuttingBody(moved, toNumber))),
  );
  const written = Array.from(sections, ([id, content]) => [Buffer.of(id), block(content)]);
  return Buffer.concat([module.subarray(0, HEADER), ...written.flat()]);
}

/**
 * `lua_tointegerx(L, index, isWhole)`, where isWhole points to an int or is null:
 *
 * ```
 *   result = old(L, index, isWhole)
 *   if (isWhole && !*isWhole) {
 *     number = trunc(lua_tonumberx(L, index, isWhole))
 *     if (*isWhole) if (-2^63 <= number < 2^63) result = number else *isWhole = 0
 *   }
 *   return result
 * ```
 */
function cuttingBody(old: number, toNumber: number): Buffer {
  const [L, index, isWhole, result, cut] = [0, 1, 2, 3, 4] as const;
  const [i64, f64] = [0x7e, 0x7c] as const;
  const get = (local: number): number[] => [0x20, local];
  const set = (local: number): number[] => [0x21, local];
  const call = (target: number): number[] => [0x10, ...number(target)];
  const power = (sign: 0x43 | 0xc3): number[] => [0x44, 0, 0, 0, 0, 0, 0, 0xe0, sign]; // a double of 2^63, its sign in front
  const [IF, ELSE, END] = [[0x04, 0x40], [0x05], [0x0b]] as const;
  const [LOAD, STORE, ZERO, IS_ZERO] = [[0x28, 2, 0], [0x36, 2, 0], [0x41, 0], [0x45]] as const;
  const [AND, AT_LEAST, BELOW, TRUNC, TO_INTEGER] = [[0x71], [0x66], [0x63], [0x9d], [0xb0]] as const;
  const args = [...get(L), ...get(index), ...get(isWhole)];
  return Buffer.from(
    [
      [2, 1, i64, 1, f64], // locals behind the arguments: two groups, of one each
      [...args, ...call(old), ...set(result)],
      [...get(isWhole), ...IF],
      [...get(isWhole), ...LOAD, ...IS_ZERO, ...IF],
      [...args, ...call(toNumber), ...TRUNC, ...set(cut)],
      [...get(isWhole), ...LOAD, ...IF],
      [...get(cut), ...power(0xc3), ...AT_LEAST, ...get(cut), ...power(0x43), ...BELOW, ...AND, ...IF],
      [...get(cut), ...TO_INTEGER, ...set(result)],
      [...ELSE, ...get(isWhole), ...ZERO, ...STORE],
      [...END, ...END, ...END, ...END],
      [...get(result), ...END],
    ].flat(),
  );
}
