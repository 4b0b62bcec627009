/** Custom stats: counters that the policy keeps. */
import type { Config } from "../../config.ts";
import type { Stats } from "../../stats/stats.ts";
import { copyOf } from "../../text/byte-string.ts";
import { quoted } from "../../text/quoted.ts";
import type { Clock } from "../../time/clock.ts";
import type { Call, HostFunction } from "../call.ts";
import type { Complaints } from "../complaints.ts";

/** Declares a counter; for the configuration. */
export const addCustomStat = (config: Config): HostFunction => ({
  name: "addCustomStat",
  body: (call) => void config.customStats.add(nameOf(call)),
});

/** Counts; for policies. A name that was not declared is an error in the log, once. */
export const incCustomStat = (config: Config, stats: Stats, clock: Clock, { tellOnce }: Complaints): HostFunction => ({
  name: "incCustomStat",
  body(call) {
    const name = nameOf(call);
    if (config.customStats.has(name)) stats.custom.of(name).add(clock.monotonic());
    else tellOnce(`incCustomStat: no custom stat is named ${quoted(name)}: addCustomStat() declares one`);
  },
});

/** Characters of a name that count. */
const LONGEST_NAME = 256;

const nameOf = (call: Call): string => copyOf(call.text(1).slice(0, LONGEST_NAME));
