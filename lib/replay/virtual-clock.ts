/**
 * The clock of replays: one queue of everything that waits for its time. Time stands still until it is told to move, and
 * then jumps from event to event.
 *
 * It counts in whole milliseconds, as the system's does. What is due at the same time runs in the order it was asked for.
 */
import type { CancelTimer, Clock } from "../time/clock.ts";
import { Heap } from "../time/heap.ts";

interface Timer {
  /** Undefined once it is cancelled: a heap cannot be searched, so it stays until its time. */
  callback: (() => void) | undefined;
}

/** Timers at one time; more are a function that waits for 0 seconds again and again. */
const MOST_AT_ONE_TIME = 100_000;

/** Time does not get on: the message says where. */
export class StandstillError extends Error {
  override name = "StandstillError";
}

export class VirtualClock implements Clock {
  private readonly timers = new Heap<Timer>();
  private readonly start: number;
  private fired = 0;
  private waiting = 0;

  /** @param time milliseconds since 1970 */
  constructor(private time: number) {
    this.start = time;
  }

  now = (): number => this.time;
  monotonic = (): number => this.time;
  cpu = (): number => (this.time - this.start) / 1000;
  after = (milliseconds: number, callback: () => void): CancelTimer => this.at(this.time + milliseconds, callback);

  at(time: number, callback: () => void): CancelTimer {
    const timer: Timer = { callback };
    this.timers.push(Math.max(Math.ceil(time), this.time), timer);
    this.waiting++;
    return () => {
      if (timer.callback) this.waiting--;
      timer.callback = undefined;
    };
  }

  /** Timers that have been set, and neither fired nor been cancelled. */
  get pending(): number {
    return this.waiting;
  }

  /** When the next timer is due; Infinity when there is none. */
  get next(): number {
    while (this.timers.first && !this.timers.first.callback) this.timers.pop();
    return this.timers.time;
  }

  /** Jumps to a time before which no timer is due. */
  jumpTo(time: number): void {
    if (time <= this.time) return;
    this.time = time;
    this.fired = 0;
  }

  /**
   * Moves on, and lets everything happen that is due until then, promises included.
   * @param stepped called after each event
   * @throws {StandstillError}
   */
  async advanceTo(time: number, stepped = (): void => {}): Promise<void> {
    await this.settle();
    while (this.next <= time) {
      await this.step();
      stepped();
    }
    this.jumpTo(time);
  }

  /**
   * Jumps to the next timer and runs it, promises included.
   * @throws {StandstillError}
   */
  async step(): Promise<void> {
    const { next } = this;
    const timer = this.timers.pop();
    if (!timer?.callback) return;
    const { callback } = timer;
    timer.callback = undefined;
    this.waiting--;
    this.jumpTo(next);
    if (++this.fired > MOST_AT_ONE_TIME) {
      throw new StandstillError(
        `more than ${MOST_AT_ONE_TIME} waits ended at one time: something waits for 0 s in a loop`,
      );
    }
    callback();
    await this.settle();
  }

  /** Lets pending promises run: a macrotask comes after all of them. */
  readonly settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
}
