/** What the prelude's names of LuaJIT, modules and system functions (math.lua, luajit.lua, require.lua, system.lua) ask of the host. */
import { type ByteString, toByteString } from "../../text/byte-string.ts";
import type { Clock } from "../../time/clock.ts";
import type { HostFunction } from "../call.ts";
import { systemErrorNumber } from "../host-files.ts";
import type { Tasks } from "../tasks.ts";
import { UNAVAILABLE } from "../unavailable.ts";

export function mathFunctions(): Record<string, HostFunction> {
  const names = ["log10", "cosh", "sinh", "tanh"] as const;
  return Object.fromEntries(names.map((name) => [name, { name, body: (call) => Math[name](call.number(1)) }]));
}

export const luajitFunctions = (): Record<string, HostFunction> => ({
  // LuaJIT's names for processors are Node's.
  architecture: { name: "architecture", body: () => process.arch as string as ByteString },
});

export function requireFunctions(tasks: Tasks): Record<string, HostFunction> {
  return {
    current_run: { name: "require", body: () => tasks.currentRun() },
    is_running: { name: "require", body: (call) => tasks.isRunning(call.number(1)) },
  };
}

/** @param onCompiled takes what a file compiled to, before it runs */
export const sourceFunctions = (onCompiled: (chunk: ByteString) => void): Record<string, HostFunction> => ({
  compiled: { name: "loadfile", body: ({ state, thread }) => onCompiled(state.dump(thread)) },
});

export function systemFunctions(clock: Clock): Record<string, HostFunction> {
  return {
    getenv: {
      name: "getenv",
      body(call) {
        const value = process.env[call.text(1)];
        return [value === undefined ? undefined : toByteString(value)];
      },
    },
    unavailable: {
      name: "unavailable",
      body: () => toByteString(Array.from(UNAVAILABLE, ([name, instead]) => `${name}: ${instead}`).join("\n")),
    },
    clock: { name: "clock", body: () => clock.cpu() },
    error_number: { name: "error_number", body: (call) => systemErrorNumber(call.number(1)) },
  };
}
