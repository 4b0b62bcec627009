/** Tables with named keys, as functions take them: which there may be, and what their values are. */
import { type ByteString, toText } from "../../text/byte-string.ts";
import { LuaError, type LuaTable, type LuaValue } from "../state.ts";

interface Types {
  string: ByteString;
  number: number;
  boolean: boolean;
  table: LuaTable;
}

/** @throws {LuaError} when there is another one */
export function checkKeys(table: LuaTable, known: readonly string[]): void {
  for (const key of table.keys()) {
    if (known.some((name) => name === key)) continue;
    throw new LuaError(`unknown key '${typeof key === "string" ? toText(key) : key}': ${known.join(", ")} are known`);
  }
}

/** @throws {LuaError} for a value of another type */
export function optional<T extends keyof Types>(table: LuaTable, key: string, type: T): Types[T] | undefined {
  const value = table.get(key as ByteString);
  if (value === undefined) return undefined;
  if (typeName(value) !== type) throw new LuaError(`${key}: ${type} expected, got ${typeName(value)}`);
  return value as Types[T];
}

/** @throws {LuaError} for no value, or one of another type */
export function required<T extends keyof Types>(table: LuaTable, key: string, type: T): Types[T] {
  const value = optional(table, key, type);
  if (value === undefined) throw new LuaError(`${key}: ${type} expected, got no value`);
  return value;
}

/** As Lua's own messages have it. */
export function typeName(value: LuaValue): string {
  if (value instanceof Map) return "table";
  if (typeof value === "object") return value.type;
  return value === undefined ? "nil" : typeof value;
}
