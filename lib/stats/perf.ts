/** How long requests waited before their command began to run, and how long it ran. */
import type { Clock } from "../time/clock.ts";
import { Histogram } from "./metric.ts";
import type { Metrics } from "./metrics.ts";
import { SlidingCount } from "./window.ts";

/** Seconds: the bounds of the histograms, and of the buckets whose names say them in milliseconds. */
const BOUNDS = [0.001, 0.01, 0.1, 1];
const BUCKETS = ["0_1", "1_10", "10_100", "100_1000", "Slow"];

/** One duration: all of them for /metrics, and those of the last 5 minutes. */
class Durations {
  private readonly windows = BUCKETS.map(() => new SlidingCount());

  constructor(
    private readonly prefix: string,
    private readonly histogram: Histogram,
  ) {}

  /** @param milliseconds which ended at `now` */
  add(milliseconds: number, now: number): void {
    this.windows[this.histogram.observe(milliseconds / 1000)]!.add(now);
  }

  recentAt(now: number): [name: string, count: number][] {
    return this.windows.map((window, bucket) => [`${this.prefix}_${BUCKETS[bucket]}`, window.at(now)]);
  }
}

export class PerfStats {
  private readonly waiting: Durations;
  private readonly running: Durations;

  constructor(
    private readonly clock: Clock,
    metrics: Metrics,
  ) {
    const durations = (prefix: string, name: string, help: string): Durations =>
      new Durations(prefix, metrics.add(new Histogram(name, help, BOUNDS)));
    this.waiting = durations(
      "WTW",
      "trackalert_worker_queue_duration_seconds",
      "How long requests waited before their command began to run.",
    );
    this.running = durations("WTR", "trackalert_worker_response_duration_seconds", "How long commands ran.");
  }

  /**
   * A command begins to run.
   * @param arrived when its request came, in milliseconds on the monotonic clock
   * @returns now, for {@link end}
   */
  begin(arrived: number): number {
    const now = this.clock.monotonic();
    this.waiting.add(now - arrived, now);
    return now;
  }

  /** A command has run. @param begun from {@link begin} */
  end(begun: number): void {
    const now = this.clock.monotonic();
    this.running.add(now - begun, now);
  }

  /** `WTW_0_1` to `WTW_Slow`, `WTR_0_1` to `WTR_Slow`, and how many there were in the last 5 minutes. */
  recent(): [name: string, count: number][] {
    const now = this.clock.monotonic();
    return [...this.waiting.recentAt(now), ...this.running.recentAt(now)];
  }
}
