/** How long questions took, the slowest of the last five minutes among them. */
import { Histogram } from "../stats/metric.ts";
import type { Clock } from "../time/clock.ts";

const MINUTE = 60_000;
const MINUTES = 5;
/** Seconds. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Slow {
  minute: number;
  seconds: number;
  question: string;
}

export class QueryTimes {
  readonly histogram = new Histogram(
    "trackalert_history_query_duration_seconds",
    "How long questions to the history took, waiting included.",
    BOUNDS,
  );
  /** The slowest of each minute. */
  private slow: Slow[] = [];

  constructor(private readonly clock: Clock) {}

  observe(question: string, seconds: number): void {
    this.histogram.observe(seconds);
    const minute = Math.floor(this.clock.monotonic() / MINUTE);
    const current = this.slow.at(-1);
    if (current?.minute !== minute) this.slow = [...this.recent(minute), { minute, seconds, question }];
    else if (seconds > current.seconds) Object.assign(current, { seconds, question });
  }

  /** Of the last five minutes. */
  get slowest(): { seconds: number; question: string } | undefined {
    return this.recent(Math.floor(this.clock.monotonic() / MINUTE)).toSorted((a, b) => b.seconds - a.seconds)[0];
  }

  private recent(minute: number): Slow[] {
    return this.slow.filter((slow) => slow.minute > minute - MINUTES);
  }
}
