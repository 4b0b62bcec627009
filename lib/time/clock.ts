/**
 * Time as a port. Only this module reads the system's clocks; everything else is given a {@link Clock}, so that a
 * replay can run the same code on virtual time.
 */

/** A pending {@link Clock.after}; calling it cancels the timer, and does nothing once it has fired. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. May jump when the system's time is set. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never jumps; for durations. */
  monotonic(): number;
  /** Seconds that this process has spent on the processor. */
  cpu(): number;
  /** Calls `callback` once, `milliseconds` from now. */
  after(milliseconds: number, callback: () => void): CancelTimer;
  /**
   * Calls `callback` once {@link now} has reached a time, in milliseconds since 1970, also when the clock is set meanwhile.
   * When it is set to before this call, `callback` comes early: what was the next time need not be that any more.
   */
  at(time: number, callback: () => void): CancelTimer;
}

/** Milliseconds between two looks at whether the system's clock has been set. */
const CLOCK_CHECK = 30_000;

/** The longest delay setTimeout can keep: 2^31 - 1 ms. Above it the timer would fire at once. */
const LONGEST_TIMER = 0x7fffffff;

/** Waits in steps of at most `longest` milliseconds until nothing is left. */
function waitInSteps(left: () => number, longest: number, callback: () => void): CancelTimer {
  let timer: ReturnType<typeof setTimeout>;
  const step = (): void => {
    timer = setTimeout(() => (left() > 0 ? step() : callback()), Math.min(Math.max(left(), 0), longest));
  };
  step();
  return () => clearTimeout(timer);
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  after(milliseconds, callback) {
    const end = performance.now() + milliseconds;
    return waitInSteps(() => end - performance.now(), LONGEST_TIMER, callback);
  },
  at(time, callback) {
    const begun = Date.now();
    return waitInSteps(() => (Date.now() < begun ? 0 : time - Date.now()), CLOCK_CHECK, callback);
  },
};

/**
 * Milliseconds of real time since an arbitrary start, whatever the {@link Clock} says: measures effort, such as how long
 * a policy has been on the processor.
 */
export const stopwatch = (): number => performance.now();
