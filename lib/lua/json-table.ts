/** Lua tables as JSON texts whose strings are bytes, and back. */
import type { ByteString } from "../text/byte-string.ts";
import type { Json } from "../text/json.ts";
import { LuaError, type LuaTable, type LuaValue } from "./state.ts";

/** Levels of tables that a text may hold. */
export const MOST_LEVELS = 8;

/** @throws {LuaError} for what JSON cannot hold, naming where it is */
export const tableToJson = (table: LuaTable): ByteString => JSON.stringify(toJson(table, "")) as ByteString;

export const jsonToTable = (text: ByteString): LuaTable => fromJson(JSON.parse(text) as Json) as LuaTable;

function toJson(value: LuaValue, where: string): Json {
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") {
    if (Number.isFinite(value)) return value;
    throw new LuaError(`${where}: JSON has no ${value}`);
  }
  if (!(value instanceof Map)) {
    const type = typeof value === "object" ? value.type : typeof value;
    throw new LuaError(`${where}: JSON can hold no ${type === "table" ? "table so deep" : type}`);
  }
  const items = Array.from({ length: value.size }, (_, i) => value.get(i + 1));
  if (items.length > 0 && !items.includes(undefined)) return items.map((item, i) => toJson(item, `${where}[${i + 1}]`));
  // An object with a prototype would treat the key __proto__ differently.
  const object = Object.create(null) as Record<string, Json>;
  for (const [key, item] of value) object[key] = toJson(item, where === "" ? String(key) : `${where}.${key}`);
  return object as Json;
}

function fromJson(json: Json): LuaValue {
  if (json === null) return undefined;
  if (typeof json !== "object") return json;
  const entries: [ByteString | number, Json][] = Array.isArray(json)
    ? json.map((item, i) => [i + 1, item])
    : (Object.entries(json) as [ByteString, Json][]);
  return new Map(entries.map(([key, item]) => [key, fromJson(item)]));
}
