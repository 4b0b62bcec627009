/**
 * Tasks: Lua functions that run on pooled threads (coroutines) of the one state.
 *
 * A task that never waits runs to its end inside {@link Tasks.run} and costs little more than a call. One that waits
 * yields in Lua with the number of its wait, is parked, and goes on when the host has the result:
 *
 * ```
 *   policy: sleep(1)     prelude: id = begin(1); yield(id); return take(id)     host: begin → wait → resume the thread
 * ```
 *
 * Between two waits a task is alone: nothing else runs in the state. Only one that keeps the processor for longer than
 * {@link UNDISTURBED} has to let others in, in slices, until it ends or is stopped at the limit.
 */
import { toByteString } from "../text/byte-string.ts";
import { stopwatch } from "../time/clock.ts";
import type { Call, HostFunction, Returned } from "./call.ts";
import { LuaPanic, type LuaState, type Reference } from "./state.ts";
import { Waits } from "./waits.ts";
import { type LuaThread, MASK_COUNT, Status } from "./wasm.ts";
import { withWforceHint } from "./wforce-names.ts";

/** On whose behalf a task runs. */
type TaskKind = "configuration" | "console" | "report" | "background" | "endpoint";

/** Instructions between two looks at the clock: about 5 µs, too seldom to cost anything, often enough to stop a loop. */
const HOOK_INSTRUCTIONS = 1000;
/** Milliseconds a task may compute before others are served in between. */
const UNDISTURBED = 100;
/** Milliseconds of each further slice. */
const SLICE = 10;
/** Milliseconds that a failed task gets to close its variables, and its error to describe itself. */
const CLEANUP = 1000;
/** Threads kept for reuse; more exist only while more tasks wait at the same time. */
const IDLE_THREADS = 1000;
/** Where lua_State (lstate.h) has `allowhook`: behind next (4 bytes), tt, marked and status (1 each). */
const ALLOW_HOOK = 7;
/** The longest error message that is passed on, in bytes. */
const LONGEST_MESSAGE = 4096;

/** A policy function failed: Lua's message with `file:line`, and where it was. */
export class PolicyError extends Error {
  override name = "PolicyError";
  constructor(
    message: string,
    /** Lua's "stack traceback:" and a line a frame; empty when there is none. */
    readonly traceback: string,
  ) {
    super(message);
  }
}

/** The engine threw where only Lua may fail: the state cannot be trusted any more. */
class EngineFailure extends Error {
  override name = "EngineFailure";
}

interface Task {
  readonly thread: LuaThread;
  readonly anchor: Reference;
  kind: TaskKind;
  /** Each run of a function has a number of its own. */
  run: number;
  /** Milliseconds on the processor so far. */
  used: number;
  /** The wait that it began last. */
  wait: number;
  /** Called when a parked task has ended. */
  settle: ((failure: Error | undefined) => void) | undefined;
}

export class Tasks {
  /** The kind of the task that is running, undefined between tasks. */
  get current(): TaskKind | undefined {
    return this.running?.kind;
  }

  /** The number of the run that began last; runs are counted from 1. */
  get lastRunNumber(): number {
    return this.lastRun;
  }

  /** The number of the run that is going on, undefined between tasks. */
  get runNumber(): number | undefined {
    return this.running?.run;
  }

  /** Seconds on the processor after which a task is stopped. Asked at each start, so that it can change. */
  limit: () => number = () => 10;
  /** Told when the engine cannot go on. */
  onBroken: (failure: EngineFailure) => void = () => {};

  private readonly idle: Task[] = [];
  private running: Task | undefined;
  private readonly waits = new Waits();
  private lastRun = 0;
  private readonly watchedRuns = new Set<number>();
  private readonly results: number;
  private readonly hook: number;
  private readonly tostring: Reference;
  private describing = false;
  private closed = false;
  private deadline = Infinity;
  private sliceEnd = Infinity;
  /** Threads that were cut off at the end of a slice, until the one that resumed them has seen it. */
  private readonly cut = new Set<LuaThread>();

  /** @param sliced whether a task that computes for long lets others in: when it does so depends on the machine */
  constructor(
    private readonly state: LuaState,
    private readonly options = { sliced: true },
  ) {
    this.results = state.api.malloc(4);
    this.hook = state.callback((L: LuaThread) => this.onCount(L), "vii");
    state.api.lua_getglobal(state.main, state.constant("tostring"));
    this.tostring = state.reference(state.main);
    state.api.lua_sethook(state.main, this.hook, MASK_COUNT, HOOK_INSTRUCTIONS);
  }

  /** Forgets what is parked: after this, nothing runs any more and the state may be closed. */
  close(): void {
    this.closed = true;
  }

  /**
   * Runs a function as a task.
   * @param prepare pushes the function and its arguments and answers their count, the function not counted
   * @param read takes what is needed of the results, which are at 1 … count
   * @returns the result at once when the task did not wait, else a promise of it
   * @throws {PolicyError} when the function failed (the promise rejects with the same)
   */
  run<T>(kind: TaskKind, prepare: (L: LuaThread) => number, read: (L: LuaThread, count: number) => T): T | Promise<T> {
    if (this.running) throw new Error("a task cannot be started from within a task");
    const task = this.idle.pop() ?? this.create();
    task.kind = kind;
    task.run = ++this.lastRun;
    task.used = 0;
    const { thread } = task;
    let ended;
    try {
      ended = this.resume(task, prepare(thread));
    } catch (error) {
      throw this.fail(task, error);
    }
    const finish = (): T => {
      try {
        return read(thread, this.state.api.lua_gettop(thread));
      } finally {
        this.release(task);
      }
    };
    if (ended) return finish();
    return new Promise((resolve, reject) => {
      task.settle = (failure) => {
        task.settle = undefined;
        if (failure) return reject(failure);
        try {
          resolve(finish());
        } catch (error) {
          reject(error);
        }
      };
    });
  }

  /** The two host functions behind a prelude function that waits: see {@link Waits}. */
  waitingFunctions(
    name: string,
    begin: (call: Call) => Promise<Returned>,
  ): { begin: HostFunction; take: HostFunction } {
    return this.waits.functions(name, begin, (id) => void (this.running!.wait = id));
  }

  /** For the prelude's `coroutine.resume`: whether the coroutine that just yielded was cut off at the end of its slice. */
  readonly wasCut: HostFunction = {
    name: "was_cut",
    body: ({ state, thread }) => this.cut.delete(state.api.lua_tothread(thread, 1)),
  };

  /** The number of the running task's run, to be asked about later by {@link isRunning}. */
  currentRun(): number {
    const { run } = this.running!;
    this.watchedRuns.add(run);
    return run;
  }

  /** Whether a run whose number {@link currentRun} gave has not ended. */
  isRunning(run: number): boolean {
    return this.watchedRuns.has(run);
  }

  /** Goes on with a parked task and tells the one who started it when it has ended. */
  private proceed(task: Task): void {
    if (this.closed) return;
    try {
      if (this.resume(task, 0)) task.settle!(undefined);
    } catch (error) {
      task.settle!(this.fail(task, error));
    }
  }

  /** @returns true when the function has returned, false when it is parked */
  private resume(task: Task, args: number): boolean {
    const { api } = this.state;
    const started = stopwatch();
    this.deadline = started + this.limit() * 1000 - task.used;
    const slice = task.used < UNDISTURBED ? UNDISTURBED - task.used : SLICE;
    this.sliceEnd = this.options.sliced ? Math.min(this.deadline, started + slice) : this.deadline;
    this.running = task;
    let status;
    try {
      status = api.lua_resume(task.thread, this.state.main, args, this.results);
    } catch (error) {
      if (error instanceof LuaPanic) throw error;
      throw this.broken(error);
    } finally {
      this.running = undefined;
      task.used += stopwatch() - started;
    }
    if (status === Status.ok) return true;
    if (status === Status.yield) {
      this.park(task);
      return false;
    }
    throw this.failure(task);
  }

  /** Yielded is the number of a wait, 0 by the prelude for a cut inside a coroutine, nothing for a cut in the task itself. */
  private park(task: Task): void {
    const { api } = this.state;
    const yielded = this.state.heap().readInt32LE(this.results);
    const id = yielded > 0 ? api.lua_tonumberx(task.thread, -1, 0) : 0;
    api.lua_settop(task.thread, -yielded - 1);
    this.cut.delete(task.thread);
    this.waits.onEnd(id, () => this.proceed(task));
  }

  /** Called by Lua every {@link HOOK_INSTRUCTIONS} instructions of any thread. */
  private onCount(L: LuaThread): void {
    const now = stopwatch();
    if (now < this.sliceEnd) return;
    const { api } = this.state;
    if (now >= this.deadline) {
      // From now on each instruction of this thread fails, so that no pcall in a loop can go on; not even in a message
      // handler of xpcall, which Lua runs before it leaves this hook, with hooks off.
      api.lua_sethook(L, this.hook, MASK_COUNT, 1);
      this.state.heap()[L + ALLOW_HOOK] = 1;
      api.luaL_where(L, 0);
      this.state.pushBytes(L, toByteString(`stopped after ${this.limit()} s on the processor (setReportTimeout)`));
      api.lua_concat(L, 2);
      api.lua_error(L);
    } else if (api.lua_isyieldable(L)) {
      this.cut.add(L);
      api.lua_yieldk(L, 0, 0, 0);
    }
  }

  private create(): Task {
    const { api, main } = this.state;
    const thread = api.lua_newthread(main);
    return { thread, anchor: this.state.reference(main), kind: "report", run: 0, used: 0, wait: 0, settle: undefined };
  }

  private release(task: Task): void {
    this.state.api.lua_settop(task.thread, 0);
    if (this.watchedRuns.size > 0) this.watchedRuns.delete(task.run);
    if (this.idle.length < IDLE_THREADS) this.idle.push(task);
    else this.state.release(task.anchor);
  }

  /**
   * Gives up a task that failed; the reset closes its pending variables. Its thread is not used again: one that was
   * stopped by an error in the hook never calls the hook again.
   * @returns the error to tell
   */
  private fail(task: Task, error: unknown): Error {
    if (error instanceof EngineFailure) return error;
    this.waits.drop(task.wait);
    this.cleaningUp(() => this.state.api.lua_resetthread(task.thread));
    this.watchedRuns.delete(task.run);
    this.state.release(task.anchor);
    return error instanceof LuaPanic ? new PolicyError(error.message, "") : (error as Error);
  }

  /** Bounds what Lua may run outside its task. It cannot be sliced, so it gets little. */
  private cleaningUp(action: () => void): void {
    this.deadline = this.sliceEnd = stopwatch() + CLEANUP;
    try {
      action();
    } catch (error) {
      throw this.broken(error);
    }
  }

  private broken(cause: unknown): EngineFailure {
    const failure = new EngineFailure(`the Lua engine failed: ${cause}`, { cause });
    this.onBroken(failure);
    return failure;
  }

  /** Reads message and traceback off a task that failed. */
  private failure(task: Task): PolicyError {
    const { api, main } = this.state;
    api.luaL_traceback(main, task.thread, 0, 0);
    const traceback = this.state.text(main, -1, LONGEST_MESSAGE);
    api.lua_settop(main, -2);
    const message = this.state.scalarText(task.thread, -1, LONGEST_MESSAGE) ?? this.describe(task);
    return new PolicyError(withWforceHint(message), traceback);
  }

  /** What Lua's `tostring` says of an error that is no string. It may run a metamethod, so it is a task of its own. */
  private describe({ kind, thread: failed }: Task): string {
    const { state } = this;
    if (this.describing) return `(error object is a ${state.typeName(failed, -1)} value)`;
    this.describing = true;
    const { limit } = this;
    this.limit = () => CLEANUP / 1000;
    const prepare = (L: LuaThread): number => {
      state.pushReference(L, this.tostring);
      state.api.lua_xmove(failed, L, 1);
      return 1;
    };
    try {
      // A metamethod is called by C and cannot wait, so the result is there at once.
      return this.run(kind, prepare, (L) => state.text(L, 1, LONGEST_MESSAGE)) as string;
    } catch (error) {
      return (error as Error).message;
    } finally {
      this.describing = false;
      this.limit = limit;
    }
  }
}
