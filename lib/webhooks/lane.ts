/** The events of one hook that wait, in order, and whether they may leave. */
import type { CancelTimer } from "../time/clock.ts";
import { Circuit } from "./circuit.ts";
import type { Entry } from "./entry.ts";
import type { WebHook } from "./hook.ts";
import { Line } from "./line.ts";
import { patience } from "./retry.ts";

export class Lane {
  readonly circuit = new Circuit();
  inFlight = 0;
  private readonly fresh = new Line<Entry>();
  /** They go first: a long queue must not stretch the schedule of retries. */
  private readonly retries = new Line<Entry>();
  /** What waits until it is due. */
  private readonly timers = new Map<Entry, CancelTimer[]>();

  constructor(readonly hook: WebHook) {}

  /** Puts an event behind those that may leave now. */
  add(entry: Entry): void {
    (entry.attempts === 0 ? this.fresh : this.retries).push(entry);
  }

  /** Lets an event wait for timers: the one that comes first adds it. */
  addLater(entry: Entry, timers: CancelTimer[]): void {
    this.timers.set(entry, timers);
  }

  /** Takes an event out, wherever it waits. */
  remove(entry: Entry): void {
    for (const cancel of this.timers.get(entry) ?? []) cancel();
    this.timers.delete(entry);
    this.fresh.delete(entry);
    this.retries.delete(entry);
  }

  /** @param now of {@link Clock.monotonic} @param most requests of one hook in flight */
  allows(now: number, most: number): boolean {
    const waiting = this.fresh.size + this.retries.size;
    return waiting > 0 && this.inFlight < most && this.circuit.allows(now, this.inFlight);
  }

  take(): Entry {
    const entry = (this.retries.first ?? this.fresh.first)!;
    this.remove(entry);
    return entry;
  }

  /** The events that have waited for their receiver for longer than all attempts of one take. @param now as above */
  expired(now: number): Entry[] {
    const oldest = now - patience(this.hook.maxAttempts);
    return [...this.retries, ...this.fresh].filter(({ queued }) => queued < oldest);
  }

  /** Ends the timers. */
  close(): void {
    for (const timers of this.timers.values()) for (const cancel of timers) cancel();
    this.timers.clear();
  }
}
