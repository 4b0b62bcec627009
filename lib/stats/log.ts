/** The counts of the last 5 minutes in the log, every 5 minutes. */
import type { Log } from "../log/log.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Stats } from "./stats.ts";
import { formatCounts } from "./tallies.ts";
import { LOOK_BACK } from "./window.ts";

/** Logs a line for each kind of stats, each time the windows hold new ones only. @returns what ends it */
export function logStats({ perf, commands, custom }: Stats, { clock, log }: { clock: Clock; log: Log }): CancelTimer {
  const line = (kind: string, counts: readonly (readonly [name: string, count: number])[]): void =>
    log.notice(`${kind} stats last ${LOOK_BACK} secs: ${formatCounts(counts).join(" ")}`);
  let cancel: CancelTimer;
  const arm = (): void => {
    cancel = clock.after(LOOK_BACK * 1000, () => {
      arm();
      line("perf", perf.recent());
      line("command", commands.recent());
      const counts = custom.recent();
      if (counts.length > 0) line("custom", counts);
    });
  };
  arm();
  return () => cancel();
}
