/** Counts by name, such as of commands: since the start for /metrics, and of the last 5 minutes for people. */
import { escapeControls } from "../log/log.ts";
import type { Clock } from "../time/clock.ts";
import type { Cell, Counter, Metric } from "./metric.ts";
import { SlidingCount } from "./window.ts";

/** One name's counts. */
export class Tally {
  private readonly recent = new SlidingCount();

  constructor(private readonly total: Cell) {}

  /** Since the start. */
  get all(): number {
    return this.total.value;
  }

  /** @param now milliseconds on the monotonic clock */
  add(now: number): void {
    this.total.value++;
    this.recent.add(now);
  }

  recentAt(now: number): number {
    return this.recent.at(now);
  }
}

/** Every name is shown from the moment there is one, with zero until it is counted. */
export class Tallies implements Metric {
  private readonly tallies = new Map<string, Tally>();

  /** @param names all that there are, asked each time they are shown; no others may be counted */
  constructor(
    private readonly clock: Clock,
    private readonly counter: Counter,
    private readonly names: () => Iterable<string>,
  ) {}

  get name(): string {
    return this.counter.name;
  }

  /** @param name one of the names: each takes memory for good */
  of(name: string): Tally {
    let tally = this.tallies.get(name);
    if (!tally) {
      tally = new Tally(this.counter.cell(name));
      this.tallies.set(name, tally);
    }
    return tally;
  }

  /** Each name and its count of the last 5 minutes, sorted by name. */
  recent(): [name: string, count: number][] {
    const now = this.clock.monotonic();
    const all = this.declareAll().map((name) => [name, this.of(name).recentAt(now)] as [string, number]);
    return all.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  format(): string {
    this.declareAll();
    return this.counter.format();
  }

  private declareAll(): string[] {
    const names = [...this.names()];
    for (const name of names) this.of(name);
    return names;
  }
}

/** `name=count`, for each. */
export const formatCounts = (counts: readonly (readonly [name: string, count: number])[]): string[] =>
  counts.map(([name, count]) => `${escapeControls(name)}=${count}`);
