/** A clock that only moves when it is told to, and whose wall clock can be set; lib/replay/virtual-clock.ts cannot do that. */
import type { Clock } from "../../lib/time/clock.ts";

interface Timer {
  /** When it fires, on the monotonic clock. It changes for those that wait for a time of the wall clock. */
  due: () => number;
  callback: () => void;
}

export class JumpingClock implements Clock {
  private timers = new Set<Timer>();
  /** How far the wall clock is ahead of the monotonic one. */
  private ahead = 0;

  /** @param time milliseconds since 1970, where both clocks begin */
  constructor(private time: number) {}

  /** Timers that have been set, and neither fired nor been cancelled. */
  get pending(): number {
    return this.timers.size;
  }

  now = (): number => this.time + this.ahead;
  monotonic = (): number => this.time;
  cpu = (): number => this.time / 1000;
  after = (milliseconds: number, callback: () => void): (() => void) => {
    const time = this.time + milliseconds;
    return this.add({ due: () => time, callback });
  };

  at(time: number, callback: () => void): () => void {
    const begun = this.now();
    return this.add({ due: () => (this.now() < begun ? this.time : time - this.ahead), callback });
  }

  /** Sets the wall clock: forward, or back when negative. The monotonic clock does not notice. */
  jump(milliseconds: number): void {
    this.ahead += milliseconds;
  }

  /** When the next timer fires. */
  get next(): number | undefined {
    return this.first?.due();
  }

  /** Moves on to a time of the monotonic clock, and lets everything happen that is due until then, promises included. */
  async advanceTo(time: number): Promise<void> {
    await settle();
    while (true) {
      const next = this.first;
      if (!next || next.due() > time) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.due());
      next.callback();
      await settle();
    }
    this.time = time;
  }

  private get first(): Timer | undefined {
    return [...this.timers].sort((a, b) => a.due() - b.due())[0];
  }

  private add(timer: Timer): () => void {
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
}

/** Lets pending promises run: a macrotask comes after all of them. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
