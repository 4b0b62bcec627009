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
  /** Calls `callback` once, `milliseconds` from now. */
  after(milliseconds: number, callback: () => void): CancelTimer;
}

/** The longest delay setTimeout can keep: 2^31 - 1 ms. Above it the timer would fire at once. */
const LONGEST_TIMER = 0x7fffffff;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, callback) {
    let timer: ReturnType<typeof setTimeout>;
    const wait = (left: number): void => {
      timer = setTimeout(
        () => (left > LONGEST_TIMER ? wait(left - LONGEST_TIMER) : callback()),
        Math.min(left, LONGEST_TIMER),
      );
    };
    wait(milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * Milliseconds of real time since an arbitrary start, whatever the {@link Clock} says: measures effort, such as how long
 * a policy has been on the processor.
 */
export const stopwatch = (): number => performance.now();
