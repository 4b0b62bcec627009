/**
 * Host functions: JS functions that Lua calls as C functions.
 *
 * A {@link Call} reads the arguments and raises Lua's own messages when they are wrong. Nothing that is thrown inside a
 * host function unwinds through Lua's frames: it is caught here and raised again with `lua_error`.
 */
import type { ByteString } from "../text/byte-string.ts";
import { toByteString, toText } from "../text/byte-string.ts";
import { LuaError, LuaPanic, type LuaState, type LuaTable, type LuaValue, type Reference } from "./state.ts";
import { type LuaThread, Type } from "./wasm.ts";

/** What a host function answers: one value, or several in a list. */
export type Returned = LuaValue | void | LuaValue[];

export interface HostFunction {
  /** The name in error messages. */
  name: string;
  body: (call: Call) => Returned;
  /** Whose line an error names: 1 the caller's, 2 its caller's (for functions wrapped in Lua). */
  level?: number;
  /** How many leading arguments are not counted in messages: 1 for methods. */
  self?: number;
}

/** The arguments of one call. Positions count from 1. */
export class Call {
  constructor(
    readonly state: LuaState,
    readonly thread: LuaThread,
    private readonly of: HostFunction,
  ) {}

  /** Whether an argument was given and is not nil. */
  has(position: number): boolean {
    return this.state.api.lua_type(this.thread, position) > Type.nil;
  }

  /** A string's bytes; numbers are taken as Lua writes them. */
  bytes(position: number): ByteString {
    const type = this.state.api.lua_type(this.thread, position);
    if (type !== Type.string && type !== Type.number) throw this.wrongType(position, "string");
    return this.state.bytes(this.thread, position);
  }

  /** A string as text. */
  text(position: number): string {
    return toText(this.bytes(position));
  }

  /** A number, or a string that is one. */
  number(position: number): number {
    const value = this.state.number(this.thread, position);
    if (value === undefined) throw this.wrongType(position, "number");
    return value;
  }

  /** A whole number between two bounds, both included. */
  integer(position: number, least: number, most: number): number {
    const value = this.number(position);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw this.wrong(position, `whole number from ${least} to ${most} expected, got ${value}`);
    }
    return value;
  }

  boolean(position: number): boolean {
    if (this.state.api.lua_type(this.thread, position) !== Type.boolean) throw this.wrongType(position, "boolean");
    return this.state.api.lua_toboolean(this.thread, position) !== 0;
  }

  /**
   * A table, copied.
   * @param levels how many levels of tables: 1 for a flat one
   */
  table(position: number, levels = 1): LuaTable {
    if (this.state.api.lua_type(this.thread, position) !== Type.table) throw this.wrongType(position, "table");
    return this.state.read(this.thread, position, levels) as LuaTable;
  }

  /** Any value; of a table so many levels are copied. */
  value(position: number, levels = 0): LuaValue {
    return this.state.read(this.thread, position, levels);
  }

  /** A function, kept alive until it is released. */
  function(position: number): Reference {
    if (this.state.api.lua_type(this.thread, position) !== Type.function) throw this.wrongType(position, "function");
    this.state.api.lua_pushvalue(this.thread, position);
    return this.state.reference(this.thread);
  }

  /** `file:line: ` of the call, for a message that comes later. */
  where(): string {
    this.state.api.luaL_where(this.thread, this.of.level ?? 1);
    const where = this.state.text(this.thread, -1);
    this.state.api.lua_settop(this.thread, -2);
    return where;
  }

  /** The error for an argument whose value is wrong. */
  wrong(position: number, problem: string): LuaError {
    const counted = position - (this.of.self ?? 0);
    if (counted === 0) return new LuaError(`calling '${this.of.name}' on bad self (${problem})`);
    return new LuaError(`bad argument #${counted} to '${this.of.name}' (${problem})`);
  }

  /** The error for an argument of the wrong type. */
  wrongType(position: number, expected: string): LuaError {
    return this.wrong(position, `${expected} expected, got ${this.state.typeName(this.thread, position)}`);
  }
}

/**
 * Pushes a host function.
 *
 * Emscripten's longjmp, by which Lua raises errors, is a thrown number: it must pass, and `lua_error` itself must not be
 * called inside the `try`.
 */
export function pushHostFunction(state: LuaState, L: LuaThread, definition: HostFunction): void {
  const { api } = state;
  const level = definition.level ?? 1;
  const callback = state.callback((thread: LuaThread) => {
    let problem: unknown;
    try {
      const returned = definition.body(new Call(state, thread, definition));
      if (returned === undefined) return 0;
      if (!Array.isArray(returned)) {
        state.push(thread, returned);
        return 1;
      }
      for (const value of returned) state.push(thread, value);
      return returned.length;
    } catch (error) {
      if (typeof error === "number") throw error;
      problem = error;
    }
    api.luaL_where(thread, level);
    state.pushBytes(thread, toByteString(describe(problem, definition.name)));
    api.lua_concat(thread, 2);
    return api.lua_error(thread);
  }, "ii");
  api.lua_pushcclosure(L, callback, 0);
}

const describe = (problem: unknown, name: string): string =>
  problem instanceof LuaError || problem instanceof LuaPanic
    ? problem.message
    : `'${name}' failed: ${problem instanceof Error ? problem.message : problem}`;
