/**
 * One Lua state: strings and values in and out of its memory, chunks, references, and host functions.
 *
 * Everything here restores the stack it found. Calls that may allocate and are made outside a running Lua function
 * (no Lua frame below them) end in {@link LuaPanic} when the memory is used up; then {@link LuaState.recover}.
 */
import { type ByteString, toByteString, toText } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import type { Surroundings } from "./host-files.ts";
import {
  GLOBAL_STATE,
  LARGEST_MEMORY,
  loadLua,
  type LuaExports,
  type LuaThread,
  type LuaWasm,
  REGISTRY,
  Status,
  TOTAL_BYTES,
  Type,
} from "./wasm.ts";

/** Lua values on the host's side. Functions, threads and userdata cannot leave Lua: they come as {@link Opaque}. */
export type LuaValue = undefined | boolean | number | ByteString | LuaTable | Opaque | Reference;
export type LuaTable = Map<ByteString | number, LuaValue>;

/** A value that stays in Lua; only the name of its type is known outside. */
class Opaque {
  constructor(readonly type: string) {}
}

/** The name of a value's type in Lua. */
export function typeName(value: LuaValue): string {
  if (value instanceof Map) return "table";
  if (typeof value === "object") return value.type;
  return value === undefined ? "nil" : typeof value;
}

/** A Lua value kept alive by the registry. A bigint, since that is what a lua_Integer is: no conversion for each push. */
export type Reference = bigint & { readonly reference: true };

/** A Lua error raised by a host function, or met in a chunk: the message is for the policy's author. */
export class LuaError extends Error {
  override name = "LuaError";
}

/** Lua ran out of memory where nothing could catch it. The state is whole, the operation did not happen. */
export class LuaPanic extends Error {
  override name = "LuaPanic";
}

/** What Lua itself says. */
const OUT_OF_MEMORY = "not enough memory";
/** Bytes that are always there for what goes into Lua; what is longer is allocated each time. */
const SCRATCH = 65_536;

const TYPE_NAMES = ["nil", "boolean", "userdata", "number", "string", "table", "function", "userdata", "thread"];

/** Bytes, about, that the copy of a table may take, and those of a value that is no string. */
const MOST_COPIED = 64 * 1024 ** 2;
const SIZE_OF_VALUE = 32;

interface Room {
  bytes: number;
}

export class LuaState {
  readonly api: LuaExports;
  readonly main: LuaThread;
  private readonly word: number;
  private readonly names = new Map<string, number>();
  private readonly scratchAt: number;
  /** What the last string that was longer has taken. */
  private largeAt = 0;
  private readonly collect: Reference;
  /** Where C's stack is when nothing runs. */
  private readonly stack: number;
  private view: Buffer = Buffer.alloc(0);
  /** For {@link dump}. */
  private writer: number | undefined;
  private onPiece: (piece: string) => void = () => {};

  private constructor(
    private readonly wasm: LuaWasm,
    /** Bytes that Lua may take. */
    readonly mostMemory: number,
  ) {
    this.api = wasm.exports;
    this.stack = this.api.stackSave();
    this.word = this.api.malloc(4);
    this.main = this.api.luaL_newstate();
    this.api.luaL_openlibs(this.main);
    this.scratchAt = this.api.malloc(SCRATCH);
    const panic = (L: LuaThread): number => {
      throw new LuaPanic(this.text(L, -1));
    };
    this.api.lua_atpanic(this.main, this.callback(panic, "ii"));
    this.api.lua_getglobal(this.main, this.constant("collectgarbage"));
    this.collect = this.reference(this.main);
  }

  /** @param mostMemory bytes that Lua may take */
  static async open(clock: Clock, surroundings: Surroundings, mostMemory = LARGEST_MEMORY): Promise<LuaState> {
    return new LuaState(await loadLua(clock, surroundings, mostMemory), mostMemory);
  }

  close(): void {
    this.api.lua_close(this.main);
  }

  /** The memory as it is now. Never keep it over a call into Lua: when memory grows, the old view is empty. */
  heap(): Buffer {
    const { buffer } = this.api.memory;
    if (this.view.buffer !== buffer) this.view = Buffer.from(buffer);
    return this.view;
  }

  /** Bytes of all values, those that are garbage but not collected yet included: what `collectgarbage("count")` tells. */
  get usedMemory(): number {
    const heap = this.heap();
    const at = heap.readUInt32LE(this.main + GLOBAL_STATE) + TOTAL_BYTES;
    return heap.readInt32LE(at) + heap.readInt32LE(at + 4);
  }

  /**
   * To be called after a {@link LuaPanic} that no host function has met, when nothing runs: clears away what was on the main
   * thread's stack, and on C's own, which only functions that return give back.
   */
  recover(): void {
    this.api.stackRestore(this.stack);
    this.api.lua_settop(this.main, 0);
  }

  /** A function pointer for a JS function; signature as in {@link LuaWasm.addFunction}. It is never given back. */
  callback(f: (...args: number[]) => number | void, signature: string): number {
    return this.wasm.addFunction(f, signature);
  }

  /**
   * An address with room for `size` bytes, valid until the next call of this function.
   * @throws {LuaPanic}
   */
  scratch(size: number): number {
    if (this.largeAt) this.api.free(this.largeAt);
    this.largeAt = 0;
    if (size <= SCRATCH) return this.scratchAt;
    // Lua collects its garbage when it finds no memory, but it knows only of what it allocates itself.
    this.largeAt = this.api.malloc(size) || (this.collectGarbage(), this.api.malloc(size));
    if (!this.largeAt) throw new LuaPanic(OUT_OF_MEMORY);
    return this.largeAt;
  }

  /** A NUL-terminated constant, kept for good: for names written in this program, never for input. */
  constant(text: string): number {
    let at = this.names.get(text);
    if (at === undefined) {
      const size = Buffer.byteLength(text) + 1;
      at = this.api.malloc(size);
      this.heap().write(`${text}\0`, at, size);
      this.names.set(text, at);
    }
    return at;
  }

  /** A string's bytes, or a number's as Lua writes it; other values are the empty string. At most `limit` bytes. */
  bytes(L: LuaThread, index: number, limit = Infinity): ByteString {
    const at = this.api.lua_tolstring(L, index, this.word);
    if (!at) return "" as ByteString;
    const heap = this.heap();
    return heap.toString("latin1", at, at + Math.min(limit, heap.readUInt32LE(this.word))) as ByteString;
  }

  /**
   * Where a string's bytes are in {@link heap}, or a number's as Lua writes it; 0 for other values. For what runs so often that
   * a copy would cost too much: good until Lua has the string no more.
   */
  locate(L: LuaThread, index: number): number {
    return this.api.lua_tolstring(L, index, this.word);
  }

  /** The length of what {@link locate} has found. */
  get locatedLength(): number {
    return this.heap().readUInt32LE(this.word);
  }

  /** A number, or a string that is one in Lua's eyes; undefined for anything else. */
  number(L: LuaThread, index: number): number | undefined {
    const value = this.api.lua_tonumberx(L, index, this.word);
    return this.heap().readInt32LE(this.word) ? value : undefined;
  }

  /** As {@link bytes}, decoded from UTF-8. */
  text(L: LuaThread, index: number, limit = Infinity): string {
    return toText(this.bytes(L, index, limit));
  }

  /**
   * A string, number or boolean as text; undefined for anything else. Never changes the value, so it may be a table's key.
   */
  scalarText(L: LuaThread, index: number, limit = Infinity): string | undefined {
    switch (this.api.lua_type(L, index)) {
      case Type.boolean:
        return this.api.lua_toboolean(L, index) ? "true" : "false";
      case Type.string:
        return this.text(L, index, limit);
      case Type.number: {
        this.api.lua_pushvalue(L, index);
        const text = this.text(L, -1);
        this.api.lua_settop(L, -2);
        return text;
      }
      default:
        return undefined;
    }
  }

  /** Calls back for each pair of a table, key at -2 and value at -1. */
  eachPair(L: LuaThread, index: number, callback: () => void): void {
    const table = this.api.lua_absindex(L, index);
    this.api.lua_pushnil(L);
    while (this.api.lua_next(L, table)) {
      callback();
      this.api.lua_settop(L, -2);
    }
  }

  pushBytes(L: LuaThread, string: ByteString): void {
    const at = this.scratch(string.length);
    this.heap().write(string, at, string.length, "latin1");
    this.api.lua_pushlstring(L, at, string.length);
  }

  /** Whole numbers become Lua integers, so that they print without a fraction. */
  pushNumber(L: LuaThread, value: number): void {
    if (Number.isSafeInteger(value)) this.api.lua_pushinteger(L, BigInt(value));
    else this.api.lua_pushnumber(L, value);
  }

  push(L: LuaThread, value: LuaValue): void {
    switch (typeof value) {
      case "undefined":
        return this.api.lua_pushnil(L);
      case "boolean":
        return this.api.lua_pushboolean(L, value ? 1 : 0);
      case "number":
        return this.pushNumber(L, value);
      case "string":
        return this.pushBytes(L, value);
      case "bigint":
        return this.pushReference(L, value);
      default:
        if (value instanceof Opaque) throw new TypeError(`a ${value.type} cannot be given to Lua`);
        this.api.lua_createtable(L, 0, value.size);
        for (const [key, item] of value) {
          this.push(L, key);
          this.push(L, item);
          this.api.lua_rawset(L, -3);
        }
    }
  }

  /**
   * The value at an index.
   * @param levels how many levels of tables are copied; below they are {@link Opaque}, for tables may contain themselves
   * @param room what the copy of a table may still take
   * @throws {LuaError} for a table that would take more: one in which the same is many times takes little in Lua
   */
  read(L: LuaThread, index: number, levels: number, room?: Room): LuaValue {
    const { api } = this;
    switch (api.lua_type(L, index)) {
      case Type.none:
      case Type.nil:
        return undefined;
      case Type.boolean:
        return api.lua_toboolean(L, index) !== 0;
      case Type.number:
        return api.lua_tonumberx(L, index, 0);
      case Type.string:
        return this.bytes(L, index);
      case Type.table:
        return levels > 0 ? this.readTable(L, index, levels, room ?? { bytes: MOST_COPIED }) : new Opaque("table");
      default:
        return new Opaque(this.typeName(L, index));
    }
  }

  private readTable(L: LuaThread, index: number, levels: number, room: Room): LuaTable {
    const table: LuaTable = new Map();
    this.eachPair(L, index, () => {
      const key = this.read(L, -2, 0);
      if (typeof key !== "string" && typeof key !== "number") return;
      const value = this.read(L, -1, levels - 1, room);
      table.set(key, value);
      for (const one of [key, value]) room.bytes -= typeof one === "string" ? one.length : SIZE_OF_VALUE;
      if (room.bytes < 0) throw new LuaError("the table is too large: with all tables in it it would take over 64 MiB");
    });
    return table;
  }

  /** The name Lua's own messages use for the type of a value. */
  typeName(L: LuaThread, index: number): string {
    const type = this.api.lua_type(L, index);
    return type === Type.none ? "no value" : TYPE_NAMES[type]!;
  }

  /** Takes the value on top of the stack into the registry. */
  reference(L: LuaThread): Reference {
    return BigInt(this.api.luaL_ref(L, REGISTRY)) as Reference;
  }

  pushReference(L: LuaThread, reference: Reference): void {
    this.api.lua_rawgeti(L, REGISTRY, reference);
  }

  release(reference: Reference): void {
    this.api.luaL_unref(this.main, REGISTRY, Number(reference));
  }

  /**
   * Compiles a chunk of Lua source (never byte code) and pushes the function.
   * @param name as Lua wants it: `@` and a file name, or `=` and a title; more than 59 bytes would be cut
   * @throws {LuaError} with the syntax error; nothing is pushed then
   */
  pushChunk(L: LuaThread, source: ByteString, name: string): void {
    const nameBytes = `${toByteString(name)}\0`;
    const at = this.scratch(source.length + nameBytes.length);
    const heap = this.heap();
    heap.write(source, at, source.length, "latin1");
    heap.write(nameBytes, at + source.length, nameBytes.length, "latin1");
    const status = this.api.luaL_loadbufferx(L, at, source.length, at + source.length, this.constant("t"));
    if (status === Status.ok) return;
    const message = this.text(L, -1);
    this.api.lua_settop(L, -2);
    throw new LuaError(message);
  }

  /** What the function on top of the stack was compiled to, in Lua's own format; the function stays. */
  dump(L: LuaThread): ByteString {
    const pieces: string[] = [];
    this.onPiece = (piece) => pieces.push(piece);
    this.writer ??= this.callback((_, at, size) => {
      this.onPiece(this.heap().toString("latin1", at!, at! + size!));
      return 0;
    }, "iiiii");
    this.api.lua_dump(L, this.writer, 0, 0);
    return pieces.join("") as ByteString;
  }

  private collectGarbage(): void {
    this.pushReference(this.main, this.collect);
    if (this.api.lua_pcallk(this.main, 0, 0, 0, 0, 0) !== Status.ok) this.api.lua_settop(this.main, -2);
  }
}
