/** The log functions: `infoLog(message, {key=value})` and its kin. */
import { formatFields, Level, type Log } from "../../log/log.ts";
import type { Call, HostFunction } from "../call.ts";
import { Type } from "../wasm.ts";

export function logFunctions(log: Log): HostFunction[] {
  const at = (name: string, level: Level, verboseOnly = false): HostFunction => ({
    name,
    body(call) {
      const message = call.text(1);
      if (verboseOnly && !log.verbose) return;
      log.write(level, call.has(2) ? formatFields(message, readFields(call)) : message);
    },
  });
  return [
    at("errorLog", Level.error),
    at("warnLog", Level.warning),
    at("infoLog", Level.info),
    at("vinfoLog", Level.info, true),
    at("debugLog", Level.debug, true),
  ];
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
