/** When background functions run: cron expressions in local time (cron.ts), and intervals. */

/** `h[h…][:mm][:ss]`, as the reference writes durations. */
const DURATION = /^(\d+)(?::([0-5]\d))?(?::([0-5]\d))?$/;

/** Seconds of a duration: `10` is 36000, `5:01` 18060, `00:00:01` 1. Undefined when it does not parse. */
export function parseDuration(text: string): number | undefined {
  const [match, hours, minutes = 0, seconds = 0] = DURATION.exec(text) ?? [];
  return match === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/** When a function runs next. */
export type Timing =
  | { kind: "cron"; expression: string }
  /** Seconds between runs; the first comes one interval after the start. */
  | { kind: "interval"; seconds: number };

/** A background function's place in time. */
export interface Schedule {
  name: string;
  timing: Timing;
  /** `file:line: ` of the call that made it, for messages. */
  where: string;
}

/** The schedules that were asked for. Who runs them is told of each, also of those that the console adds later. */
export class Schedules implements Iterable<Schedule> {
  private readonly all: Schedule[] = [];
  private runner: ((schedule: Schedule) => void) | undefined;

  /** Whether they are run already, so that a function they name must exist. */
  get running(): boolean {
    return this.runner !== undefined;
  }

  add(schedule: Schedule): void {
    this.all.push(schedule);
    this.runner?.(schedule);
  }

  /** Hands over those that are there, and from now on each that is added. */
  start(runner: (schedule: Schedule) => void): void {
    this.runner = runner;
    this.all.forEach(runner);
  }

  [Symbol.iterator](): Iterator<Schedule> {
    return this.all.values();
  }
}
