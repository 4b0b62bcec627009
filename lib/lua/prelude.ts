/** Installs the prelude: what is written in Lua of the engine, and the host functions that it needs. */
import { toByteString } from "../byte-string.ts";
import type { Clock } from "../clock.ts";
import type { GeoIPDatabases } from "../geoip-databases.ts";
import type { HttpClient } from "../http-client.ts";
import type { Log } from "../log.ts";
import { type HostFunction, pushHostFunction } from "./call.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { addressFunctions } from "./functions/address.ts";
import { consoleOutputFunctions } from "./functions/console.ts";
import { geoipLookups } from "./functions/geoip.ts";
import { httpRequestFunction, socketRequestFunction } from "./functions/http.ts";
import { lua51Functions, requireFunctions, systemFunctions } from "./functions/lua51.ts";
import { moduleFunctions } from "./functions/modules.ts";
import { sleepFunction, type WaitingFunction } from "./functions/wait.ts";
import addressChunk from "./prelude/address.lua" with { type: "text" };
import argumentsChunk from "./prelude/arguments.lua" with { type: "text" };
import bitChunk from "./prelude/bit.lua" with { type: "text" };
import consoleChunk from "./prelude/console.lua" with { type: "text" };
import coroutineChunk from "./prelude/coroutine.lua" with { type: "text" };
import countersChunk from "./prelude/counters.lua" with { type: "text" };
import finalizersChunk from "./prelude/finalizers.lua" with { type: "text" };
import geoipChunk from "./prelude/geoip.lua" with { type: "text" };
import loginTupleChunk from "./prelude/login-tuple.lua" with { type: "text" };
import lua51Chunk from "./prelude/lua51.lua" with { type: "text" };
import modulesChunk from "./prelude/modules.lua" with { type: "text" };
import requireChunk from "./prelude/require.lua" with { type: "text" };
import sourceChunk from "./prelude/source.lua" with { type: "text" };
import systemChunk from "./prelude/system.lua" with { type: "text" };
import type { LuaState, Reference } from "./state.ts";
import type { Tasks } from "./tasks.ts";
import type { LuaThread } from "./wasm.ts";

interface PreludeOptions {
  state: LuaState;
  tasks: Tasks;
  clock: Clock;
  log: Log;
  geoip: GeoIPDatabases;
  http: HttpClient;
  output: ConsoleOutput;
  /** What counters.lua asks of the host. */
  counters: Record<string, HostFunction>;
  /** Tells of a mistake in what the policy asked for. */
  complain: (problem: string) => void;
}

/** What the engine calls: each takes the policy's function and a packed value (see codec.ts). */
export interface Drivers {
  runReport: Reference;
  runEndpoint: Reference;
  /** Takes a chunk, answers a text or nil. */
  runConsole: Reference;
}

/** Runs the chunks in an order in which each finds what it needs; the modules last, for they see the globals as they are then. */
export function installPrelude({
  state,
  tasks,
  clock,
  log,
  geoip,
  http,
  output,
  counters,
  complain,
}: PreludeOptions): Drivers {
  const { api, main } = state;
  const run = (name: string, source: string, ...args: Argument[]): Reference[] =>
    runChunk(state, tasks, name, source, args);

  const [wrongType, typeName] = run("arguments", argumentsChunk) as [Reference, Reference];
  const [makeWaiting] = run("coroutine", coroutineChunk, { was_cut: tasks.wasCut }, wrongType);
  const waiting = ({ name, begin }: WaitingFunction): Reference => {
    const functions = tasks.waitingFunctions(name, begin);
    const prepare = (L: LuaThread): number => {
      state.pushReference(L, makeWaiting!);
      pushHostFunction(state, L, functions.begin);
      pushHostFunction(state, L, functions.take);
      return 2;
    };
    return tasks.run("configuration", prepare, (L) => state.reference(L)) as Reference;
  };
  const setGlobal = (name: string, reference: Reference): void => {
    state.pushReference(main, reference);
    api.lua_setglobal(main, state.constant(name));
  };

  const sleep = waiting(sleepFunction(clock));
  setGlobal("sleep", sleep);
  setGlobal("httpRequest", waiting(httpRequestFunction(http)));
  run("source", sourceChunk);
  const [blamed] = run("lua51", lua51Chunk, lua51Functions(), wrongType);
  run("bit", bitChunk, wrongType);
  run("require", requireChunk, requireFunctions(tasks), wrongType);
  run("system", systemChunk, systemFunctions(clock), blamed!);
  const [makeAddress, ...classChecks] = run("address", addressChunk, addressFunctions(complain), wrongType, typeName);
  run("geoip", geoipChunk, geoipLookups(geoip, log), ...classChecks);
  const [makeClass, checkSelf] = classChecks;
  run("counters", countersChunk, counters, makeClass!, checkSelf!, wrongType);
  const [runReport, runEndpoint] = run("login-tuple", loginTupleChunk, makeAddress!);
  const [runConsole] = run("console", consoleChunk, consoleOutputFunctions(output));
  run("finalizers", finalizersChunk, wrongType);
  api.lua_pushlightuserdata(main, 0);
  const jsonNull = state.reference(main);
  run("modules", modulesChunk, moduleFunctions(clock), waiting(socketRequestFunction(http)), sleep, jsonNull);
  return { runReport: runReport!, runEndpoint: runEndpoint!, runConsole: runConsole! };
}

/** A table of host functions, or a Lua value. */
type Argument = Record<string, HostFunction> | Reference;

/** Runs a chunk and gives its results. The prelude never waits, so they are there at once. */
function runChunk(state: LuaState, tasks: Tasks, name: string, source: string, args: Argument[]): Reference[] {
  const { api } = state;
  const prepare = (L: LuaThread): number => {
    state.pushChunk(L, toByteString(source), `=[${name}]`);
    for (const arg of args) {
      if (typeof arg === "bigint") {
        state.pushReference(L, arg);
        continue;
      }
      api.lua_createtable(L, 0, 0);
      for (const [key, definition] of Object.entries(arg)) {
        pushHostFunction(state, L, definition);
        api.lua_setfield(L, -2, state.constant(key));
      }
    }
    return args.length;
  };
  const takeAll = (L: LuaThread, count: number): Reference[] =>
    Array.from({ length: count }, () => state.reference(L)).reverse();
  return tasks.run("configuration", prepare, takeAll) as Reference[];
}
