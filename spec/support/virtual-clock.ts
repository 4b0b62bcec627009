/** A clock that only moves when it is told to, from timer to timer. */
import type { Clock } from "../../lib/clock.ts";

interface Timer {
  time: number;
  callback: () => void;
}

export class VirtualClock implements Clock {
  private timers = new Set<Timer>();

  /** @param time milliseconds since 1970 */
  constructor(private time: number) {}

  /** Timers that have been set, and neither fired nor been cancelled. */
  get pending(): number {
    return this.timers.size;
  }

  now = (): number => this.time;
  monotonic = (): number => this.time;
  cpu = (): number => this.time / 1000;
  after = (milliseconds: number, callback: () => void): (() => void) => this.at(this.time + milliseconds, callback);

  at(time: number, callback: () => void): () => void {
    const timer = { time, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** When the next timer fires. */
  get next(): number | undefined {
    return [...this.timers].sort((a, b) => a.time - b.time)[0]?.time;
  }

  /** Moves on, and lets everything happen that is due until then, promises included. */
  async advanceTo(time: number): Promise<void> {
    await settle();
    while (true) {
      const next = [...this.timers].sort((a, b) => a.time - b.time)[0];
      if (!next || next.time > time) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.time);
      next.callback();
      await settle();
    }
    this.time = time;
  }
}

/** Lets pending promises run: a macrotask comes after all of them. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
