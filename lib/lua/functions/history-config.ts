/** `newHistory` and its options. */
import { readTarget, TargetError } from "../../history/postgres/target.ts";
import { type Hierarchy, hierarchyProblem } from "../../history/risk.ts";
import { DEFAULTS, type HistorySettings, type Place } from "../../history/settings.ts";
import { type ByteString, toText } from "../../text/byte-string.ts";
import { DURATION_EXAMPLES, parseDuration } from "../../time/duration.ts";
import type { Call, HostFunction } from "../call.ts";
import { LuaError, type LuaTable, type LuaValue, type Reference, typeName } from "../state.ts";

const OPTIONS = ["retention", "unused", "max_size", "batch", "timeout", "hierarchies"];
const UNITS = ["", "K", "M", "G", "T"];
/** Seconds. */
const DAY = 86_400;
const LONGEST = 100 * 365 * DAY;
const LONGEST_BATCH = 60;
const LONGEST_TIMEOUT = 3600;
/** Bytes: what an empty SQLite file with its indexes has, several times. */
const SMALLEST = 1024 ** 2;

/**
 * `newHistory(url, options)` answers the history.
 * @param begin takes the settings over
 * @param object what stands for the history in Lua
 */
export const newHistory = (
  begin: (settings: HistorySettings) => void,
  object: Reference,
  isThere: () => boolean,
): HostFunction => ({
  name: "newHistory",
  body(call) {
    if (isThere()) throw new LuaError("newHistory: there is a history already: a daemon has one");
    begin(readSettings(call));
    return object;
  },
});

export const getHistory = (object: Reference, isThere: () => boolean): HostFunction => ({
  name: "getHistory",
  body() {
    if (!isThere()) throw new LuaError("no history (newHistory)");
    return object;
  },
});

function readSettings(call: Call): HistorySettings {
  const place = readPlace(call);
  const options = call.has(2) ? call.table(2, 4) : (new Map() as LuaTable);
  const given = new Map(
    [...options].map(([key, value]) => [typeof key === "string" ? toText(key) : String(key), value]),
  );
  for (const name of given.keys()) {
    if (!OPTIONS.includes(name)) {
      throw call.wrong(2, `unknown option ${JSON.stringify(name)}: ${OPTIONS.join(", ")} are known`);
    }
  }
  const seconds = (name: "retention" | "unused" | "batch" | "timeout", least: number, most: number): number => {
    const value = given.get(name);
    if (value === undefined) return DEFAULTS[name];
    const duration = typeof value === "string" ? parseDuration(toText(value as ByteString)) : undefined;
    if (duration === undefined) throw call.wrong(2, `${name}: ${DURATION_EXAMPLES} expected, got ${show(value)}`);
    if (duration >= least && duration <= most) return duration;
    throw call.wrong(2, `${name}: ${least} s to ${most} s expected, got ${show(value)}`);
  };
  return {
    place,
    retention: seconds("retention", 60, LONGEST),
    unused: seconds("unused", 60, LONGEST),
    round: DEFAULTS.round,
    maxSize: readSize(call, given.get("max_size")),
    batch: seconds("batch", 1, LONGEST_BATCH),
    timeout: seconds("timeout", 1, LONGEST_TIMEOUT),
    hierarchies: readHierarchies(call, given.get("hierarchies")),
    where: call.where(),
  };
}

/** What a url says is not shown when it is wrong: it may hold a password. */
function readPlace(call: Call): Place {
  const url = call.text(1);
  if (/^postgres(ql)?:/.test(url)) {
    try {
      return { kind: "postgres", target: readTarget(url, process.env) };
    } catch (error) {
      throw error instanceof TargetError ? call.wrong(1, error.message) : error;
    }
  }
  const path = /^sqlite:(.*)$/s.exec(url)?.[1];
  if (!path || path.includes("\0")) throw call.wrong(1, '"sqlite:FILE" or "postgres://…" expected');
  return { kind: "sqlite", path };
}

function readSize(call: Call, value: LuaValue): number {
  if (value === undefined) return DEFAULTS.maxSize;
  const text = typeof value === "string" ? toText(value as ByteString) : String(value);
  const [, amount, unit] = /^(\d{1,15})([KMGT]?)$/.exec(text) ?? [];
  const bytes = amount === undefined ? NaN : Number(amount) * 1024 ** UNITS.indexOf(unit!);
  if (bytes >= SMALLEST && Number.isSafeInteger(bytes)) return bytes;
  throw call.wrong(2, `max_size: bytes such as 500M or 20G, 1M at least, expected, got ${show(value)}`);
}

/** A list of lists of `{ name, weight }`. */
function readHierarchies(call: Call, value: LuaValue): readonly Hierarchy[] {
  if (value === undefined) return DEFAULTS.hierarchies;
  const refuse = (problem: string): LuaError => call.wrong(2, `hierarchies: ${problem}`);
  const items = (of: LuaValue, what: string): LuaValue[] => {
    if (!(of instanceof Map) || of.size === 0) throw refuse(`${what} expected, got ${typeName(of)}`);
    return Array.from({ length: of.size }, (_, i) => of.get(i + 1));
  };
  const hierarchies = items(value, "list of lists of { name, weight }").map((levels) =>
    items(levels, "list of { name, weight }").map((level) => {
      const [name, weight] = items(level, "{ name, weight }");
      if (typeof name !== "string") throw refuse("a name must be a text");
      if (typeof weight !== "number") throw refuse(`weight of ${show(name)}: number expected, got ${show(weight)}`);
      return { name: name as ByteString, weight };
    }),
  );
  const problem = hierarchyProblem(hierarchies);
  if (problem) throw refuse(problem);
  return hierarchies;
}

const show = (value: LuaValue): string => {
  if (typeof value === "string") return JSON.stringify(toText(value as ByteString));
  return typeof value === "number" || typeof value === "boolean" ? String(value) : typeName(value);
};
