/**
 * Keeps the time of what runs in Lua: lets others in, in slices, and stops it at its limit. Lua's hook asks every so many
 * instructions of any thread.
 */
import { toByteString } from "../text/byte-string.ts";
import { stopwatch } from "../time/clock.ts";
import type { HostFunction } from "./call.ts";
import type { LuaState } from "./state.ts";
import { ALLOW_HOOK, type LuaThread, MASK_COUNT } from "./wasm.ts";

/** Instructions between two looks at the clock: about 5 µs, too seldom to cost anything, often enough to stop a loop. */
const HOOK_INSTRUCTIONS = 1000;
/** Milliseconds a task may compute before others are served in between. */
const UNDISTURBED = 100;
/** Milliseconds of each further slice. */
const SLICE = 10;

export class TimeLimit {
  private readonly hook: number;
  private seconds = Infinity;
  private deadline = Infinity;
  private sliceEnd = Infinity;
  /** Threads that were cut off at the end of a slice, until the one that resumed them has seen it. */
  private readonly cut = new Set<LuaThread>();

  constructor(private readonly state: LuaState) {
    this.hook = state.callback((L: LuaThread, record: number) => this.onCount(L, record), "vii");
    this.watch(state.main);
  }

  /** Has a thread watched, and those that it makes; also one that was stopped, after which Lua would not call the hook. */
  watch(L: LuaThread): void {
    this.state.api.lua_sethook(L, this.hook, MASK_COUNT, HOOK_INSTRUCTIONS);
    this.state.heap()[L + ALLOW_HOOK] = 1;
  }

  /**
   * To be called before Lua runs.
   * @param seconds on the processor, in all
   * @param used milliseconds of them, so far
   * @param sliced whether it is cut off now and then, where Lua can be; else it runs until the limit
   * @returns the time, in milliseconds of {@link stopwatch}
   */
  begin(seconds: number, used: number, sliced: boolean): number {
    const now = stopwatch();
    this.seconds = seconds;
    this.deadline = now + seconds * 1000 - used;
    const slice = used < UNDISTURBED ? UNDISTURBED - used : SLICE;
    this.sliceEnd = sliced ? Math.min(this.deadline, now + slice) : this.deadline;
    return now;
  }

  /** Whether a thread that has just yielded was cut off; told once. */
  wasCut(L: LuaThread): boolean {
    return this.cut.delete(L);
  }

  /** The same for the prelude's `coroutine.resume`. */
  readonly wasCutFunction: HostFunction = {
    name: "was_cut",
    body: ({ state, thread }) => this.wasCut(state.api.lua_tothread(thread, 1)),
  };

  /**
   * Called by Lua. It must not throw, and a yield from here cannot have values.
   * @param record the activation record; null within a function of C: see checkpoints.ts
   */
  private onCount(L: LuaThread, record: number): void {
    const now = stopwatch();
    if (now < this.sliceEnd) return;
    const { api } = this.state;
    if (now >= this.deadline) {
      // From now on each instruction of this thread fails, so that no pcall in a loop can go on; not even in a message
      // handler of xpcall, which Lua runs before it leaves this hook, with hooks off.
      api.lua_sethook(L, this.hook, MASK_COUNT, 1);
      this.state.heap()[L + ALLOW_HOOK] = 1;
      api.luaL_where(L, record ? 0 : 1);
      this.state.pushBytes(L, toByteString(`stopped after ${this.seconds} s on the processor (setReportTimeout)`));
      api.lua_concat(L, 2);
      api.lua_error(L);
    } else if (record && api.lua_isyieldable(L)) {
      this.cut.add(L);
      api.lua_yieldk(L, 0, 0, 0);
    }
  }
}
