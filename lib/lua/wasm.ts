/**
 * The only module that knows wasmoon's inside: loads its WebAssembly build of Lua 5.4 and gives the C API a typed face,
 * so that another engine could take its place.
 *
 * wasmoon's own JS layer is not used beyond loading. Two things are taken at the moment of instantiation, by standing in
 * for `WebAssembly.instantiate` once: the exports themselves (its wrappers check assertions on each call), and the
 * system calls, which are replaced so that Lua sees the real file system and this daemon's clock.
 */
import { LuaFactory } from "wasmoon";
import glueFile from "wasmoon/dist/glue.wasm" with { type: "file" };

import type { Clock } from "../time/clock.ts";
import { placeCheckpoints } from "./checkpoints.ts";
import { hostFiles, type Surroundings } from "./host-files.ts";
import { localTimeCalls } from "./local-time.ts";
import { limitStrings } from "./longest-string.ts";
import { writeWholeNumbersPlainly } from "./number-text.ts";
import { WasmModule } from "./wasm-module.ts";
import { cutFractions } from "./whole-arguments.ts";

/** A `lua_State *`: the main state or a thread. An address in WebAssembly memory, as is every pointer here. */
export type LuaThread = number;

/** What this project uses of lua.h and lauxlib.h, as it is exported: pointers and ints are numbers, lua_Integer is bigint. */
export interface LuaExports {
  memory: WebAssembly.Memory;
  __indirect_function_table: WebAssembly.Table;
  stackSave(): number;
  stackRestore(stack: number): void;
  setThrew(threw: number, value: number): void;
  malloc(size: number): number;
  free(pointer: number): void;
  luaL_newstate(): LuaThread;
  luaL_openlibs(L: LuaThread): void;
  luaL_loadbufferx(L: LuaThread, buffer: number, size: number, name: number, mode: number): number;
  luaL_ref(L: LuaThread, table: number): number;
  luaL_unref(L: LuaThread, table: number, reference: number): void;
  luaL_traceback(L: LuaThread, of: LuaThread, message: number, level: number): void;
  luaL_where(L: LuaThread, level: number): void;
  lua_absindex(L: LuaThread, index: number): number;
  lua_atpanic(L: LuaThread, callback: number): number;
  lua_close(L: LuaThread): void;
  lua_concat(L: LuaThread, count: number): void;
  lua_createtable(L: LuaThread, list: number, records: number): void;
  lua_dump(L: LuaThread, writer: number, data: number, strip: number): number;
  lua_error(L: LuaThread): number;
  lua_getglobal(L: LuaThread, name: number): number;
  lua_gettop(L: LuaThread): number;
  lua_isyieldable(L: LuaThread): number;
  lua_newthread(L: LuaThread): LuaThread;
  lua_next(L: LuaThread, index: number): number;
  lua_pcallk(
    L: LuaThread,
    args: number,
    results: number,
    handler: number,
    context: number,
    continuation: number,
  ): number;
  lua_pushboolean(L: LuaThread, value: number): void;
  lua_pushcclosure(L: LuaThread, callback: number, upvalues: number): void;
  lua_pushinteger(L: LuaThread, value: bigint): void;
  lua_pushlightuserdata(L: LuaThread, pointer: number): void;
  lua_pushlstring(L: LuaThread, bytes: number, length: number): number;
  lua_pushnil(L: LuaThread): void;
  lua_pushnumber(L: LuaThread, value: number): void;
  lua_pushvalue(L: LuaThread, index: number): void;
  lua_rawgeti(L: LuaThread, index: number, key: bigint): number;
  lua_rawset(L: LuaThread, index: number): void;
  lua_resetthread(L: LuaThread): number;
  lua_resume(L: LuaThread, from: LuaThread, args: number, results: number): number;
  lua_setfield(L: LuaThread, index: number, name: number): void;
  lua_setglobal(L: LuaThread, name: number): void;
  lua_sethook(L: LuaThread, callback: number, mask: number, count: number): void;
  lua_settop(L: LuaThread, index: number): void;
  lua_toboolean(L: LuaThread, index: number): number;
  lua_tolstring(L: LuaThread, index: number, length: number): number;
  lua_tothread(L: LuaThread, index: number): LuaThread;
  lua_tonumberx(L: LuaThread, index: number, isNumber: number): number;
  lua_type(L: LuaThread, index: number): number;
  lua_xmove(from: LuaThread, to: LuaThread, count: number): void;
  lua_yieldk(L: LuaThread, results: number, context: number, continuation: number): number;
}

/** `lua_pcall` and `lua_resume` answer with these (lua.h). */
export const Status = { ok: 0, yield: 1, runtimeError: 2, syntaxError: 3, memoryError: 4, errorInError: 5 } as const;

/** What `lua_type` answers (lua.h). */
export const Type = {
  none: -1,
  nil: 0,
  boolean: 1,
  lightUserdata: 2,
  number: 3,
  string: 4,
  table: 5,
  function: 6,
  userdata: 7,
  thread: 8,
} as const;

/** The pseudo-index LUA_REGISTRYINDEX: -LUAI_MAXSTACK - 1000 in this build. */
export const REGISTRY = -1_001_000;

/** LUA_MASKCOUNT: a hook called every so many instructions. */
export const MASK_COUNT = 8;

/** Bytes of memory that this build can address at most. */
export const LARGEST_MEMORY = 2 ** 31;

/** Where lua_State (lstate.h) has `allowhook`: behind next (4 bytes), tt, marked and status (1 each). */
export const ALLOW_HOOK = 7;
/** Where it has `l_G`, the global_State: behind allowhook (1), nci (2), alignment and top (4). */
export const GLOBAL_STATE = 16;
/** Where global_State has `totalbytes` and `GCdebt` (4 each), whose sum is in use: behind frealloc and ud (4 each). */
export const TOTAL_BYTES = 8;

/** A loaded build: the exports, and a way to make a C function of a JS function. */
export interface LuaWasm {
  exports: LuaExports;
  /** @returns a function pointer; `signature` is the result's letter and then the parameters', "i" for an int or pointer, "v" for none */
  addFunction(callback: (...args: number[]) => number | void, signature: string): number;
}

/** By module and name. */
type Imports = Record<string, Record<string, unknown>>;
type Instantiate = (source: unknown, imports: Imports) => Promise<{ instance: { exports: unknown } }>;

/** The build, compiled once for all states of the process. */
let compiled: Promise<WebAssembly.Module> | undefined;

/** Loads stand in for a global function, so they take turns. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * @param clock what Lua's `os.time`, `os.date` and `os.clock` read
 * @param mostMemory bytes that it may take, {@link LARGEST_MEMORY} at most
 */
export function loadLua(clock: Clock, surroundings: Surroundings, mostMemory: number): Promise<LuaWasm> {
  const loaded = turn.then(() => load(clock, surroundings, mostMemory));
  turn = loaded.catch(() => {});
  return loaded;
}

async function load(clock: Clock, surroundings: Surroundings, mostMemory: number): Promise<LuaWasm> {
  let exports: LuaExports | undefined;
  let heapView: Buffer = Buffer.alloc(0);
  const heap = (): Buffer => {
    if (heapView.buffer !== exports!.memory.buffer) heapView = Buffer.from(exports!.memory.buffer);
    return heapView;
  };

  const target = WebAssembly as unknown as { instantiate: Instantiate };
  const { instantiate } = target;
  target.instantiate = async (source, imports) => {
    const calls = hostFiles(heap, surroundings);
    const env = imports["env"]!;
    const grow = env["emscripten_resize_heap"] as (size: number) => number;
    Object.assign(env, calls.env, localTimeCalls(heap, env as never), {
      emscripten_date_now: () => clock.now(),
      invoke_vii: (index: number, a: number, b: number) => invoke(exports!, index, a, b),
      // Beyond the end Emscripten complains on standard error; Lua's "not enough memory" says it where it belongs.
      emscripten_resize_heap: (size: number) => (size >>> 0 > mostMemory ? 0 : grow(size)),
    });
    Object.assign(imports["wasi_snapshot_preview1"]!, calls.wasi_snapshot_preview1);
    const module = await (compiled ??= WebAssembly.compile(mend(Buffer.from(source as ArrayBuffer))));
    const instance = new WebAssembly.Instance(module, imports as never);
    exports = instance.exports as unknown as LuaExports;
    writeWholeNumbersPlainly(heap().subarray(0, exports.stackSave())); // the stack, still empty, is behind the constants
    return { instance, module };
  };
  try {
    const { module } = await new LuaFactory(glueFile, environment()).getLuaModule();
    if (!exports) throw new Error("wasmoon did not load its module through WebAssembly.instantiate");
    return {
      exports,
      addFunction: (callback, signature) => module.addFunction(callback as never, signature),
    };
  } finally {
    target.instantiate = instantiate;
  }
}

/** What the C library of this build does otherwise than a daemon and policies for LuaJIT need. */
export function mend(build: Buffer): Buffer {
  const module = new WasmModule(build);
  cutFractions(module);
  placeCheckpoints(module);
  limitStrings(module);
  return module.write();
}

/**
 * Calls a function of the module in a frame that longjmp can leave: Emscripten's own, without its assertions, for it runs
 * at each start of a task. A number that is thrown is a longjmp, which setThrew tells the caller of.
 */
function invoke(exports: LuaExports, index: number, a: number, b: number): void {
  const stack = exports.stackSave();
  try {
    (exports.__indirect_function_table.get(index) as (a: number, b: number) => void)(a, b);
  } catch (error) {
    exports.stackRestore(stack);
    if (typeof error !== "number") throw error;
    exports.setThrew(1, 0);
  }
}

/** What Emscripten would make up, from the machine and the way this program was started. */
const MADE_UP = ["USER", "LOGNAME", "PATH", "PWD", "HOME", "LANG", "_"];

/**
 * What the C library sees of the environment: Lua's own settings and nothing else, for `os.getenv` asks the host. It is
 * copied into Lua's memory, and the order of `pairs` depends on addresses there: replays must not differ by it.
 */
function environment(): Record<string, string> {
  const set = Object.fromEntries(MADE_UP.map((name) => [name, ""]));
  for (const [name, value = ""] of Object.entries(process.env)) if (name.startsWith("LUA_")) set[name] = value;
  return set;
}
