/** Background functions and when they run. */
import type { Config } from "../../config.ts";
import { quoted } from "../../text/quoted.ts";
import { nextCronTime } from "../../time/cron.ts";
import { parseDuration, type Schedule, type Timing } from "../../time/schedule.ts";
import type { Call, HostFunction } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import type { Policy } from "../policy.ts";
import { LuaError, type LuaState } from "../state.ts";

/** Says that the function of a schedule does not exist; undefined when it does. */
export const unknownFunction = ({ name }: Schedule, { background }: Policy): string | undefined =>
  background.has(name) ? undefined : `no background function is named ${quoted(name)}: setBackground() makes one`;

/** In the configuration a schedule may come before the function that it names; on the console it may not. */
export function scheduleFunctions(config: Config, policy: Policy, state: LuaState): HostFunction[] {
  const add = (call: Call, timing: Timing): void => {
    const schedule = { name: call.text(2), timing, where: call.where() };
    const problem = config.schedules.running ? unknownFunction(schedule, policy) : undefined;
    if (problem) throw new LuaError(problem);
    config.schedules.add(schedule);
  };
  return [
    {
      name: "setBackground",
      body(call) {
        const name = call.text(1);
        const background = call.function(2);
        const former = policy.background.get(name);
        if (former !== undefined) state.release(former);
        policy.background.set(name, background);
      },
    },
    {
      name: "cronScheduleBackgroundFunc",
      body(call) {
        const expression = call.text(1);
        call.text(2);
        try {
          nextCronTime(expression, 0);
        } catch (error) {
          throw call.wrong(1, `cron expression expected, got ${quoted(expression)}: ${(error as Error).message}`);
        }
        add(call, { kind: "cron", expression });
      },
    },
    {
      name: "intervalScheduleBackgroundFunc",
      body(call) {
        const text = call.text(1);
        call.text(2);
        const seconds = parseDuration(text);
        if (!seconds) {
          const example = "duration above 0 such as 00:05:00 (hours, minutes, seconds)";
          throw call.wrong(1, `${example} expected, got ${quoted(text)}`);
        }
        add(call, { kind: "interval", seconds });
      },
    },
  ];
}

/** For policies: the seconds of a duration, 0 and an error in the log when it is none. */
export const durationToSeconds = ({ tell }: Complaints): HostFunction => ({
  name: "durationToSeconds",
  body(call) {
    const text = call.text(1);
    const seconds = parseDuration(text);
    if (seconds === undefined) tell(`durationToSeconds: not a duration: ${quoted(text)}`);
    return seconds ?? 0;
  },
});
