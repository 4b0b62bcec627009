/**
 * Tasks: Lua functions that run on pooled threads (coroutines) of the one state.
 *
 * A task that never waits runs to its end inside {@link Tasks.run} and costs little more than a call. One that waits
 * yields in Lua with the number of its wait, is parked, and goes on when the host has the result:
 *
 * ```
 *   policy: sleep(1)     prelude: id = begin(1); yield(AWAIT, id); return take(id)     host: begin → wait → resume the thread
 * ```
 *
 * Between two waits a task is alone: nothing else runs in the state. Only one that keeps the processor for long has to let
 * others in, in slices, until it ends or is stopped at the limit: see {@link TimeLimit}.
 */
import { stopwatch } from "../time/clock.ts";
import type { Call, HostFunction, Returned } from "./call.ts";
import { PolicyError } from "./policy-error.ts";
import type { LuaState, Reference } from "./state.ts";
import { TimeLimit } from "./time-limit.ts";
import { NEXT_TURN, Waits } from "./waits.ts";
import { type LuaThread, Status } from "./wasm.ts";
import { withWforceHint } from "./wforce-names.ts";

/** On whose behalf a task runs. A description is what Lua's `tostring` says of an error. */
type TaskKind = "configuration" | "console" | "report" | "background" | "endpoint" | "description";

/** Seconds that a failed task gets to close its variables, and its error to describe itself. */
const CLEANUP = 1;
/** Threads kept for reuse; more exist only while more tasks wait at the same time. */
const IDLE_THREADS = 1000;
/** The longest error message that is passed on, in bytes. */
const LONGEST_MESSAGE = 4096;

interface Task {
  readonly thread: LuaThread;
  readonly anchor: Reference;
  kind: TaskKind;
  /** What it is about: seconds since 1970 of the report. */
  time: number | undefined;
  /** Each run of a function has a number of its own. */
  run: number;
  /** Milliseconds on the processor so far. */
  used: number;
  /** The wait that it began last. */
  wait: number;
  /** Called when a parked task has ended. */
  settle: ((failure: PolicyError | undefined) => void) | undefined;
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

  /** Seconds since 1970 of the report that the running task handles, if it does. */
  get reportTime(): number | undefined {
    return this.running?.time;
  }

  /** Seconds on the processor after which a task is stopped. Asked each time that one goes on, so that it can change. */
  limit: () => number = () => 10;
  /** Told when the engine cannot go on: the state cannot be trusted any more. */
  onBroken: (failure: PolicyError) => void = () => {};
  /** Told each time that a task has ended, waits, or was cut off. */
  onRest: () => void = () => {};

  private readonly idle: Task[] = [];
  private running: Task | undefined;
  private readonly waits = new Waits();
  private lastRun = 0;
  private readonly watchedRuns = new Set<number>();
  private readonly results: number;
  private readonly timeLimit: TimeLimit;
  private readonly tostring: Reference;
  private closed = false;
  /** Why the engine threw where only Lua may fail. */
  private broken: PolicyError | undefined;

  /** @param sliced whether a task that computes for long lets others in: when it does so depends on the machine */
  constructor(
    private readonly state: LuaState,
    private readonly options = { sliced: true },
  ) {
    this.results = state.api.malloc(4);
    this.timeLimit = new TimeLimit(state);
    state.api.lua_getglobal(state.main, state.constant("tostring"));
    this.tostring = state.reference(state.main);
  }

  /** Forgets what is parked: after this, nothing runs any more and the state may be closed. */
  close(): void {
    this.closed = true;
  }

  /**
   * Runs a function as a task.
   * @param prepare pushes the function and its arguments and answers their count, the function not counted
   * @param read takes what is needed of the results, which are at 1 … count
   * @param time of the report that it handles, in seconds since 1970
   * @returns the result at once when the task did not wait, else a promise of it
   * @throws {PolicyError} and nothing else, whatever failed, in `prepare` and `read` too (the promise rejects with the same)
   */
  run<T>(
    kind: TaskKind,
    prepare: (L: LuaThread) => number,
    read: (L: LuaThread, count: number) => T,
    time?: number,
  ): T | Promise<T> {
    let task: Task | undefined;
    try {
      task = this.begin(kind, time);
      if (this.resume(task, prepare(task.thread))) return this.finish(task, read);
    } catch (error) {
      throw this.fail(task, error);
    }
    const parked = task;
    return new Promise((resolve, reject) => {
      parked.settle = (failure) => {
        if (failure) return reject(failure);
        try {
          resolve(this.finish(parked, read));
        } catch (error) {
          reject(this.fail(parked, error));
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
  get wasCut(): HostFunction {
    return this.timeLimit.wasCutFunction;
  }

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

  private begin(kind: TaskKind, time: number | undefined): Task {
    if (this.running) throw new Error("a task cannot be started from within a task");
    if (this.broken) throw this.broken;
    const task = this.idle.pop() ?? this.create();
    task.kind = kind;
    task.time = time;
    task.run = ++this.lastRun;
    task.used = 0;
    return task;
  }

  private create(): Task {
    const { state } = this;
    const thread = state.api.lua_newthread(state.main);
    const anchor = state.reference(state.main);
    return { thread, anchor, kind: "report", time: undefined, run: 0, used: 0, wait: 0, settle: undefined };
  }

  /** Goes on with a parked task and tells the one who started it when it has ended. */
  private proceed(task: Task): void {
    if (this.closed) return;
    const settle = task.settle!;
    let failure;
    try {
      if (!this.resume(task, 0)) return;
    } catch (error) {
      failure = this.fail(task, error);
    }
    settle(failure);
  }

  /**
   * @returns true when the function has returned, false when it is parked
   * @throws {PolicyError} when it has failed
   */
  private resume(task: Task, args: number): boolean {
    const { api, main } = this.state;
    const limit = task.kind === "description" ? CLEANUP : this.limit();
    const started = this.timeLimit.begin(limit, task.used, this.options.sliced);
    this.running = task;
    let status;
    try {
      status = api.lua_resume(task.thread, main, args, this.results);
    } catch (error) {
      throw this.breaks(error);
    } finally {
      this.running = undefined;
      task.used += stopwatch() - started;
    }
    this.onRest();
    if (status === Status.ok) return true;
    if (status !== Status.yield) throw this.failure(task);
    this.park(task);
    return false;
  }

  /** What has left the task is `AWAIT` and the number of a wait, by the prelude; or nothing, when the task was cut off. */
  private park(task: Task): void {
    const { api } = this.state;
    const wait = this.timeLimit.wasCut(task.thread) ? NEXT_TURN : api.lua_tonumberx(task.thread, -1, 0);
    api.lua_settop(task.thread, -this.state.heap().readInt32LE(this.results) - 1);
    this.waits.onEnd(wait, () => this.proceed(task));
  }

  /** Takes the results of a task that has ended, and keeps its thread for others. */
  private finish<T>(task: Task, read: (L: LuaThread, count: number) => T): T {
    const result = read(task.thread, this.state.api.lua_gettop(task.thread));
    this.release(task);
    return result;
  }

  private release(task: Task): void {
    this.state.api.lua_settop(task.thread, 0);
    task.settle = undefined;
    if (this.watchedRuns.size > 0) this.watchedRuns.delete(task.run);
    if (this.idle.length < IDLE_THREADS) this.idle.push(task);
    else this.state.release(task.anchor);
  }

  /**
   * Ends a task that failed, if there is one; the reset closes its pending variables, which cannot be sliced and so get
   * little. Its thread is kept: where there is no memory a new one could not be made.
   * @returns the error to tell
   */
  private fail(task: Task | undefined, error: unknown): PolicyError {
    if (this.broken) return this.broken;
    this.state.recover();
    if (task) {
      this.waits.drop(task.wait);
      this.timeLimit.begin(CLEANUP, 0, false);
      try {
        this.state.api.lua_resetthread(task.thread);
      } catch (error) {
        return this.breaks(error);
      }
      this.timeLimit.watch(task.thread);
      this.release(task);
    }
    return PolicyError.from(error);
  }

  private breaks(cause: unknown): PolicyError {
    this.broken = new PolicyError(`the Lua engine failed: ${cause}`, "", { cause });
    this.onBroken(this.broken);
    return this.broken;
  }

  /** What a task failed with. */
  private failure(task: Task): PolicyError {
    const traceback = this.traceback(task);
    const message = this.state.scalarText(task.thread, -1, LONGEST_MESSAGE) ?? this.describe(task);
    return new PolicyError(withWforceHint(message), traceback);
  }

  /** Empty when there is no memory for it. */
  private traceback({ thread }: Task): string {
    const { state } = this;
    try {
      state.api.luaL_traceback(state.main, thread, 0, 0);
      return state.text(state.main, -1, LONGEST_MESSAGE);
    } catch {
      return "";
    } finally {
      state.recover();
    }
  }

  /** What Lua's `tostring` says of an error that is no string. It may run a metamethod, so it is a task of its own. */
  private describe({ kind, thread: failed }: Task): string {
    const { state } = this;
    if (kind === "description") return `(error object is a ${state.typeName(failed, -1)} value)`;
    const prepare = (L: LuaThread): number => {
      state.pushReference(L, this.tostring);
      state.api.lua_xmove(failed, L, 1);
      return 1;
    };
    try {
      // A metamethod is called by C and cannot wait, so the result is there at once.
      return this.run("description", prepare, (L) => state.text(L, 1, LONGEST_MESSAGE)) as string;
    } catch (error) {
      return (error as PolicyError).message;
    }
  }
}
