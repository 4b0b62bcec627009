/** What the daemon counts for people: on the console, in the log, and in the answer of the stats command. */
import type { Clock } from "../time/clock.ts";
import { Counter } from "./metric.ts";
import type { Metrics } from "./metrics.ts";
import { PerfStats } from "./perf.ts";
import { formatCounts, Tallies } from "./tallies.ts";

/** What there is to be counted, asked for each time, since the console adds to it. */
interface StatNames {
  /** Built-in commands and custom endpoints. */
  commands: () => Iterable<string>;
  /** Of custom stats. */
  custom: () => Iterable<string>;
}

export class Stats {
  readonly perf: PerfStats;
  /** Calls of built-in commands and custom endpoints. */
  readonly commands: Tallies;
  /** What policies count. */
  readonly custom: Tallies;
  private readonly started: number;

  constructor(
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    names: StatNames,
  ) {
    this.started = clock.monotonic();
    this.perf = new PerfStats(clock, metrics);
    const commands = new Counter("trackalert_commands_total", "Calls of commands and custom endpoints.", "cmd");
    const custom = new Counter("trackalert_custom_stats_total", "Custom stats, as the policy counts them.", "metric");
    this.commands = metrics.add(new Tallies(clock, commands, names.commands));
    this.custom = metrics.add(new Tallies(clock, custom, names.custom));
  }

  /** Seconds since the start. */
  get uptime(): number {
    return Math.floor((this.clock.monotonic() - this.started) / 1000);
  }

  /** `40 reports`, for the console. Like the other texts for it, with a newline after each line. */
  reportsText(): string {
    return `${this.metrics.reports.get()} reports\n`;
  }

  perfText(): string {
    return text(this.perf);
  }

  commandsText(): string {
    return text(this.commands);
  }

  customText(): string {
    return text(this.custom);
  }
}

/** What can say how often what happened in the last 5 minutes. */
interface Recent {
  recent(): [name: string, count: number][];
}

const text = (counts: Recent): string =>
  formatCounts(counts.recent())
    .map((line) => `${line}\n`)
    .join("");
