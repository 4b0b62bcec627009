/** Installs the prelude: what is written in Lua of the engine, and the host functions that it needs. */
import type { Counters } from "../counters/counters.ts";
import type { GeoIPDatabases } from "../geoip/geoip-databases.ts";
import type { Log } from "../log/log.ts";
import type { HttpClient } from "../net/http-client.ts";
import { type ByteString, toByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { type HostFunction, pushHostFunction } from "./call.ts";
import type { Complaints } from "./complaints.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { addressFunctions } from "./functions/address.ts";
import { type AlertAccess, alertFunctions } from "./functions/alerts.ts";
import { consoleOutputFunctions } from "./functions/console.ts";
import { CounterCalls } from "./functions/counter-calls.ts";
import { dateFunctions } from "./functions/date.ts";
import { geoipLookups } from "./functions/geoip.ts";
import { historyCommands } from "./functions/history-console.ts";
import { type HistoryAccess, historyAdd, historyQuestions } from "./functions/history.ts";
import { httpRequestFunction, socketRequestFunction } from "./functions/http.ts";
import { logFunctions } from "./functions/log.ts";
import {
  luajitFunctions,
  mathFunctions,
  requireFunctions,
  sourceFunctions,
  systemFunctions,
} from "./functions/lua51.ts";
import { moduleFunctions } from "./functions/modules.ts";
import { personalDataFunctions } from "./functions/personal-data.ts";
import { historyLearn, profileQuestions } from "./functions/profile.ts";
import type { TcpSockets } from "./functions/tcp.ts";
import { sleepFunction, type WaitingFunction } from "./functions/wait.ts";
import addressChunk from "./prelude/address.lua" with { type: "text" };
import alertsChunk from "./prelude/alerts.lua" with { type: "text" };
import argumentsChunk from "./prelude/arguments.lua" with { type: "text" };
import bitChunk from "./prelude/bit.lua" with { type: "text" };
import consoleChunk from "./prelude/console.lua" with { type: "text" };
import coroutineChunk from "./prelude/coroutine.lua" with { type: "text" };
import countersChunk from "./prelude/counters.lua" with { type: "text" };
import dateChunk from "./prelude/date.lua" with { type: "text" };
import definedChunk from "./prelude/defined.lua" with { type: "text" };
import environmentChunk from "./prelude/environment.lua" with { type: "text" };
import finalizersChunk from "./prelude/finalizers.lua" with { type: "text" };
import geoipChunk from "./prelude/geoip.lua" with { type: "text" };
import historyChunk from "./prelude/history.lua" with { type: "text" };
import logChunk from "./prelude/log.lua" with { type: "text" };
import loginTupleChunk from "./prelude/login-tuple.lua" with { type: "text" };
import lua51Chunk from "./prelude/lua51.lua" with { type: "text" };
import luajitChunk from "./prelude/luajit.lua" with { type: "text" };
import mathChunk from "./prelude/math.lua" with { type: "text" };
import modulesChunk from "./prelude/modules.lua" with { type: "text" };
import requireChunk from "./prelude/require.lua" with { type: "text" };
import sourceChunk from "./prelude/source.lua" with { type: "text" };
import systemChunk from "./prelude/system.lua" with { type: "text" };
import tableChunk from "./prelude/table.lua" with { type: "text" };
import tcpChunk from "./prelude/tcp.lua" with { type: "text" };
import type { LuaState, Reference } from "./state.ts";
import type { Tasks } from "./tasks.ts";
import type { LuaThread } from "./wasm.ts";

interface PreludeOptions {
  state: LuaState;
  tasks: Tasks;
  clock: Clock;
  log: Log;
  geoip: GeoIPDatabases;
  counters: Counters;
  http: HttpClient;
  sockets: TcpSockets;
  /** What the names of files are relative to. */
  directory: string;
  output: ConsoleOutput;
  complaints: Complaints;
  /** Takes what each file compiles to. */
  onCompiled: ((chunk: ByteString) => void) | undefined;
  history: HistoryAccess;
  alerts: AlertAccess;
  /** Whether a function that is for the console alone may run now. */
  allowed: (name: string) => boolean;
}

/** What the engine calls: each takes the policy's function and a packed value (see codec.ts). */
export interface Drivers {
  runReport: Reference;
  runEndpoint: Reference;
  /** Takes a chunk, answers a text or nil. */
  runConsole: Reference;
  /** Takes the name of a global and perhaps of a field, answers whether it is there. */
  isDefined: Reference;
  /** What stands for the history: see history.lua. */
  history: Reference;
}

/** Runs the chunks in an order in which each finds what it needs; the modules last, for they see the globals as they are then. */
export function installPrelude(options: PreludeOptions): Drivers {
  const {
    state,
    tasks,
    clock,
    log,
    geoip,
    counters,
    http,
    sockets,
    directory,
    output,
    complaints,
    onCompiled,
    allowed,
  } = options;
  const { api, main } = state;
  const run = (name: string, source: string, ...args: Argument[]): Reference[] =>
    runChunk(state, tasks, name, source, args);

  const [wrongType, typeName, classOf] = run("arguments", argumentsChunk) as [Reference, Reference, Reference];
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
  const waitingTable = (definitions: Record<string, WaitingFunction>): Reference => {
    api.lua_createtable(main, 0, 0);
    for (const [key, definition] of Object.entries(definitions)) {
      state.pushReference(main, waiting(definition));
      api.lua_setfield(main, -2, state.constant(key));
    }
    return state.reference(main);
  };
  const setGlobal = (name: string, reference: Reference): void => {
    state.pushReference(main, reference);
    api.lua_setglobal(main, state.constant(name));
  };

  const sleep = waiting(sleepFunction(clock));
  setGlobal("sleep", sleep);
  setGlobal("httpRequest", waiting(httpRequestFunction(http, directory)));
  run("source", sourceChunk, onCompiled ? sourceFunctions(onCompiled) : {});
  const [check, checkNumber, blamed] = run("lua51", lua51Chunk, wrongType) as [Reference, Reference, Reference];
  run("table", tableChunk, check, blamed);
  run("math", mathChunk, mathFunctions(), checkNumber, blamed);
  run("environment", environmentChunk, check, checkNumber);
  run("date", dateChunk, dateFunctions, checkNumber, blamed);
  run("bit", bitChunk, wrongType);
  run("luajit", luajitChunk, luajitFunctions(), check, checkNumber);
  run("require", requireChunk, requireFunctions(tasks), wrongType);
  run("system", systemChunk, systemFunctions(clock), blamed);
  const [makeAddress, ...classChecks] = run("address", addressChunk, addressFunctions(complaints), wrongType, typeName);
  const [makeClass, checkSelf] = classChecks;
  run(
    "counters",
    countersChunk,
    new CounterCalls(counters, complaints).functions(allowed),
    makeClass!,
    checkSelf!,
    wrongType,
  );
  run("geoip", geoipChunk, geoipLookups(geoip, complaints), ...classChecks);
  const [runReport, runEndpoint] = run("login-tuple", loginTupleChunk, makeAddress!);
  const [runConsole] = run("console", consoleChunk, consoleOutputFunctions(output));
  const [isDefined] = run("defined", definedChunk);
  const waits = [
    ...historyQuestions(options.history),
    ...profileQuestions(options.history),
    ...personalDataFunctions(options.history),
    ...historyCommands(options.history),
  ];
  const classTools = classChecks.slice(0, 2);
  const historyHost: Record<string, HostFunction> = {
    add: historyAdd(options.history),
    learn: historyLearn(options.history),
  };
  const consoleHost: Record<string, HostFunction> = {
    allowed: { name: "allowed", body: (call) => allowed(call.text(1)) },
    print: consoleOutputFunctions(output)["print"]!,
  };
  const waitingByName = Object.fromEntries(waits.map((definition) => [definition.name, waiting(definition)]));
  const [history] = run("history", historyChunk, historyHost, waitingByName, ...classTools, wrongType, consoleHost);
  const alerts = alertFunctions(options.alerts);
  const alertsByName = Object.fromEntries(alerts.waiting.map((definition) => [definition.name, definition]));
  run(
    "alerts",
    alertsChunk,
    { raise: alerts.raise, summarize: alerts.summarize },
    waitingTable(alertsByName),
    consoleHost,
    wrongType,
    classOf,
  );
  const [tcp] = run(
    "tcp",
    tcpChunk,
    sockets.functions,
    ...classChecks.slice(0, 2),
    waitingTable(sockets.waits),
    check,
    checkNumber,
  );
  run("finalizers", finalizersChunk, wrongType);
  api.lua_pushlightuserdata(main, 0);
  const jsonNull = state.reference(main);
  const socketRequest = waiting(socketRequestFunction(http, directory));
  const [module] = run("modules", modulesChunk, moduleFunctions(clock), socketRequest, tcp!, sleep, jsonNull, classOf);
  run("log", logChunk, logFunctions(log), module!, classOf);
  return {
    runReport: runReport!,
    runEndpoint: runEndpoint!,
    runConsole: runConsole!,
    isDefined: isDefined!,
    history: history!,
  };
}

/** A table of host functions or Lua values, or a Lua value. */
type Argument = Record<string, HostFunction | Reference> | Reference;

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
        if (typeof definition === "bigint") state.pushReference(L, definition);
        else pushHostFunction(state, L, definition);
        api.lua_setfield(L, -2, state.constant(key));
      }
    }
    return args.length;
  };
  const takeAll = (L: LuaThread, count: number): Reference[] =>
    Array.from({ length: count }, () => state.reference(L)).reverse();
  return tasks.run("configuration", prepare, takeAll) as Reference[];
}
