/** The signals that stop the daemon, and those that end it while it stops. */
import type { Clock } from "../time/clock.ts";

/** Milliseconds in which the same signal again is the one that came, passed on by a wrapper such as npx that had it too. */
const SAME_SIGNAL = 1000;

type StopSignal = "SIGTERM" | "SIGINT";

interface StopSignals {
  clock: Pick<Clock, "monotonic">;
  /** Whether the daemon stops already, for whatever reason. */
  stopping: () => boolean;
  /** Called with the first signal. */
  onStop: (signal: StopSignal) => void;
  /** Called with another, and with one that comes while the daemon stops. */
  onEnd: (signal: StopSignal) => void;
}

/** @returns what is to be called with each signal */
export function stopSignals({ clock, stopping, onStop, onEnd }: StopSignals): (signal: StopSignal) => void {
  let first: { signal: StopSignal; at: number } | undefined;
  return (signal) => {
    const at = clock.monotonic();
    if (first?.signal === signal && at - first.at < SAME_SIGNAL) return;
    const another = first !== undefined || stopping();
    first ??= { signal, at };
    if (another) onEnd(signal);
    else onStop(signal);
  };
}
