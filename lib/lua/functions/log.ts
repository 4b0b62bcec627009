/** The log functions: `infoLog(message, {key=value})` and its kin. */
import { formatFields, Level, type Log } from "../../log/log.ts";
import type { Call, HostFunction } from "../call.ts";
import { Type } from "../wasm.ts";

const VERBOSE_ONLY = new Set(["vinfoLog", "debugLog"]);

/** What prelude/log.lua wraps, by the names that policies call; and `wanted(name)`, whether a function would log at all. */
export function logFunctions(log: Log): Record<string, HostFunction> {
  const wanted = (name: string): boolean => log.verbose || !VERBOSE_ONLY.has(name);
  const at = (name: string, level: Level): HostFunction => ({
    name,
    level: 2,
    body(call) {
      const message = call.text(1);
      if (wanted(name)) log.write(level, call.has(2) ? formatFields(message, readFields(call)) : message);
    },
  });
  return {
    errorLog: at("errorLog", Level.error),
    warnLog: at("warnLog", Level.warning),
    infoLog: at("infoLog", Level.info),
    vinfoLog: at("vinfoLog", Level.info),
    debugLog: at("debugLog", Level.debug),
    wanted: { name: "wanted", body: (call) => wanted(call.text(1)) },
  };
}

/** What is neither string, number nor boolean shows the name of its type. */
function readFields(call: Call): [string, string][] {
  const { state, thread } = call;
  if (state.api.lua_type(thread, 2) !== Type.table) throw call.wrongType(2, "table");
  const textAt = (index: number): string => state.scalarText(thread, index) ?? state.typeName(thread, index);
  const fields: [string, string][] = [];
  state.eachPair(thread, 2, () => fields.push([textAt(-2), textAt(-1)]));
  return fields;
}
