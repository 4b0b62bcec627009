/** Installs the prelude: what is written in Lua of the engine, and the host functions that it needs. */
import type { GeoIPDatabases } from "../geoip/geoip-databases.ts";
import type { HttpClient } from "../net/http-client.ts";
import { type ByteString, toByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { type HostFunction, pushHostFunction } from "./call.ts";
import type { Complaints } from "./complaints.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { addressFunctions } from "./functions/address.ts";
import { consoleOutputFunctions } from "./functions/console.ts";
import { geoipLookups } from "./functions/geoip.ts";
import { httpRequestFunction, socketRequestFunction } from "./functions/http.ts";
import { lua51Functions, requireFunctions, sourceFunctions, systemFunctions } from "./functions/lua51.ts";
import { moduleFunctions } from "./functions/modules.ts";
import { sleepFunction, type WaitingFunction } from "./functions/wait.ts";
import addressChunk from "./prelude/address.lua" with { type: "text" };
import argumentsChunk from "./prelude/arguments.lua" with { type: "text" };
import bitChunk from "./prelude/bit.lua" with { type: "text" };
import consoleChunk from "./prelude/console.lua" with { type: "text" };
import coroutineChunk from "./prelude/coroutine.lua" with { type: "text" };
import countersChunk from "./prelude/counters.lua" with { type: "text" };
import definedChunk from "./prelude/defined.lua" with { type: "text" };
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
  geoip: GeoIPDatabases;
  http: HttpClient;
  output: ConsoleOutput;
  /** What counters.lua asks of the host. */
  counters: Record<string, HostFunction>;
  complaints: Complaints;
  /** Takes what each file compiles to. */
  onCompiled: ((chunk: ByteString) => void) | undefined;
}

/** What the engine calls: each takes the policy's function and a packed value (see codec.ts). */
export interface Drivers {
  runReport: Reference;
  runEndpoint: Reference;
  /** Takes a chunk, answers a text or nil. */
  runConsole: Reference;
  /** Takes the name of a global and perhaps of a field, answers whether it is there. */
  isDefined: Reference;
}

/** Runs the chunks in an order in which each finds what it needs; the modules last, for they see the globals as they are then. */
export function installPrelude(options: PreludeOptions): Drivers {
  const { state, tasks, clock, geoip, http, output, counters, complaints, onCompiled } = options;
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
  run("source", sourceChunk, onCompiled ? sourceFunctions(onCompiled) : {});
  const [blamed] = run("lua51", lua51Chunk, lua51Functions(), wrongType);
  run("bit", bitChunk, wrongType);
  run("require", requireChunk, requireFunctions(tasks), wrongType);
  run("system", systemChunk, systemFunctions(clock), blamed!);
  const [makeAddress, ...classChecks] = run("address", addressChunk, addressFunctions(complaints), wrongType, typeName);
  run("geoip", geoipChunk, geoipLookups(geoip, complaints), ...classChecks);
  const [makeClass, checkSelf] = classChecks;
  run("counters", countersChunk, counters, makeClass!, checkSelf!, wrongType);
  const [runReport, runEndpoint] = run("login-tuple", loginTupleChunk, makeAddress!);
  const [runConsole] = run("console", consoleChunk, consoleOutputFunctions(output));
  const [isDefined] = run("defined", definedChunk);
  run("finalizers", finalizersChunk, wrongType);
  api.lua_pushlightuserdata(main, 0);
  const jsonNull = state.reference(main);
  run("modules", modulesChunk, moduleFunctions(clock), waiting(socketRequestFunction(http)), sleep, jsonNull);
  return { runReport: runReport!, runEndpoint: runEndpoint!, runConsole: runConsole!, isDefined: isDefined! };
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
