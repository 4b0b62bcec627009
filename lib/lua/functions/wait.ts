/** Functions that suspend the task that calls them. */
import type { Clock } from "../../time/clock.ts";
import type { Call, Returned } from "../call.ts";

/** A function that waits: it begins an operation and answers its result. */
export interface WaitingFunction {
  name: string;
  begin: (call: Call) => Promise<Returned>;
}

export const sleepFunction = (clock: Clock): WaitingFunction => ({
  name: "sleep",
  begin(call) {
    const seconds = call.number(1);
    if (!(seconds >= 0)) throw call.wrong(1, `seconds of 0 or more expected, got ${seconds}`);
    return new Promise((resolve) => clock.after(seconds * 1000, () => resolve(undefined)));
  },
});
