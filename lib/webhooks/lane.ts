/** The events of one hook that may leave now, in order, and whether they may. */
import { Circuit } from "./circuit.ts";
import type { Entry } from "./entry.ts";
import type { WebHook } from "./hook.ts";

export class Lane {
  readonly circuit = new Circuit();
  inFlight = 0;
  private readonly fresh = new Fifo<Entry>();
  /** They go first: a long queue must not stretch the schedule of retries. */
  private readonly retries = new Fifo<Entry>();

  constructor(readonly hook: WebHook) {}

  add(entry: Entry): void {
    (entry.attempts === 0 ? this.fresh : this.retries).push(entry);
  }

  /** @param now of {@link Clock.monotonic} @param most requests of one hook in flight */
  allows(now: number, most: number): boolean {
    const waiting = this.fresh.length + this.retries.length;
    return waiting > 0 && this.inFlight < most && this.circuit.allows(now, this.inFlight);
  }

  take(): Entry {
    return this.retries.length > 0 ? this.retries.shift() : this.fresh.shift();
  }
}

/** First in, first out. An array's own shift() takes time that grows with its length. */
class Fifo<T> {
  private items: T[] = [];
  private first = 0;

  get length(): number {
    return this.items.length - this.first;
  }

  push(item: T): void {
    this.items.push(item);
  }

  shift(): T {
    const item = this.items[this.first++]!;
    if (this.first * 2 >= this.items.length) {
      this.items = this.items.slice(this.first);
      this.first = 0;
    }
    return item;
  }
}
