/** When background functions run: cron expressions in local time, and intervals. */

/** `h[h…][:mm][:ss]`, as the reference writes durations. */
const DURATION = /^(\d+)(?::(\d\d))?(?::(\d\d))?$/;

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

/**
 * The next time that a cron expression matches, in milliseconds since 1970, after the given one. Five fields (minute, hour,
 * day of month, month, day of week) with ranges, steps, lists and names, or a nickname such as `@daily`; both days given
 * means either. In a daylight saving gap a run moves behind it, in a doubled hour a fixed time runs once: see Bun.cron.parse.
 * @returns undefined when it never matches within eight years, as on February 30th
 * @throws {Error} when it is none
 */
export const nextCronTime = (expression: string, after: number): number | undefined =>
  Bun.cron.parse(expression, after)?.getTime();
