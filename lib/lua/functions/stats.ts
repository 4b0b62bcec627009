/** Custom stats: counters that the policy keeps. */
import type { Config } from "../../config.ts";
import type { Log } from "../../log/log.ts";
import type { Stats } from "../../stats/stats.ts";
import type { Clock } from "../../time/clock.ts";
import type { HostFunction } from "../call.ts";

/** Declares a counter; for the configuration. */
export const addCustomStat = (config: Config): HostFunction => ({
  name: "addCustomStat",
  body: (call) => void config.customStats.add(call.text(1).slice(0, LONGEST_NAME)),
});

/** Counts; for policies. A name that was not declared is an error in the log, once. */
export function incCustomStat(config: Config, stats: Stats, clock: Clock, log: Log): HostFunction {
  const reported = new Set<string>();
  return {
    name: "incCustomStat",
    body(call) {
      const name = call.text(1).slice(0, LONGEST_NAME);
      if (config.customStats.has(name)) return stats.custom.of(name).add(clock.monotonic());
      if (reported.has(name) || reported.size >= MOST_REPORTED) return;
      reported.add(name);
      log.error(`incCustomStat: no custom stat is named ${JSON.stringify(name)}: addCustomStat() declares one`);
    },
  };
}

/** A policy may make names up from its input; so many are reported, and so many characters of a name count. */
const MOST_REPORTED = 1000;
const LONGEST_NAME = 256;
