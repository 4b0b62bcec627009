/** Runs background functions when their time has come. */
import type { CancelTimer, Clock } from "./clock.ts";
import { nextCronTime } from "./cron.ts";
import { Limit } from "./limit.ts";
import type { Schedule } from "./schedule.ts";

interface BackgroundOptions {
  clock: Clock;
  /** Told of a schedule whose time never comes. */
  warn: (message: string) => void;
  /** How many functions may run at the same time. */
  most: () => number;
  /** Runs a function by name. It handles its own errors. */
  run: (name: string) => Promise<void>;
}

/** Starts each schedule's function again and again until it is stopped. A run never overlaps its predecessor. */
export class Background {
  private readonly timers = new Map<Schedule, CancelTimer>();
  private readonly running = new Set<Promise<void>>();
  private readonly limit: Limit;
  private stopped = false;

  constructor(private readonly options: BackgroundOptions) {
    this.limit = new Limit(options.most);
  }

  /** Adds a schedule; its first run comes after now. */
  add(schedule: Schedule): void {
    this.arm(schedule, this.options.clock.monotonic());
  }

  /** How many functions run, those that wait for their turn not counted. */
  get active(): number {
    return this.running.size - this.limit.waiting;
  }

  /** Starts nothing more. @returns when the functions that run have ended */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
    await Promise.all(this.running);
  }

  /**
   * Sets the timer for the next run. Times that passed while the function still ran are left out.
   * @param last milliseconds, on the monotonic clock, when the last run was due: intervals count from there
   */
  private arm(schedule: Schedule, last: number): void {
    if (this.stopped) return;
    const { clock, warn } = this.options;
    const { timing, name } = schedule;
    if (timing.kind === "interval") {
      const interval = timing.seconds * 1000;
      const now = clock.monotonic();
      const due = last + interval * Math.max(1, Math.ceil((now - last) / interval));
      this.timers.set(
        schedule,
        clock.after(due - now, () => this.fire(schedule, due)),
      );
      return;
    }
    const next = nextCronTime(timing.expression, clock.now());
    if (next === undefined) return warn(`background function ${name}: '${timing.expression}' never comes`);
    this.timers.set(
      schedule,
      clock.at(next, () => (clock.now() < next ? this.arm(schedule, last) : this.fire(schedule, last))),
    );
  }

  private async runOne({ name }: Schedule): Promise<void> {
    // It may have had to wait for its turn, until after the end.
    await this.limit.run(() => (this.stopped ? undefined : this.options.run(name)));
  }

  private fire(schedule: Schedule, due: number): void {
    this.timers.delete(schedule);
    const ended = this.runOne(schedule).then(() => {
      this.running.delete(ended);
      this.arm(schedule, due);
    });
    this.running.add(ended);
  }
}
