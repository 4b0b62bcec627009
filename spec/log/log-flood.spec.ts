import { describe, expect, test } from "bun:test";

import { LogFlood } from "../../lib/log/log-flood.ts";
import { Level, Log } from "../../lib/log/log.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

function startFlood() {
  const lines: string[] = [];
  const clock = new JumpingClock(0);
  const flood = new LogFlood({ clock, log: new Log({ sink: (line) => lines.push(line) }) });
  const taken = (): string[] => lines.splice(0);
  return { flood, clock, taken };
}
const MINUTE = 60_000;

describe("what repeats", () => {
  test("is said once, then once a minute with the newest and how many there were, until it ends", async () => {
    const { flood, clock, taken } = startFlood();
    for (let i = 0; i < 1000; i++) flood.write(Level.warning, `refused ${i}`, "192.0.2.1");
    expect(taken()).toEqual(["refused 0"]);
    await clock.advanceTo(MINUTE);
    expect(taken()).toEqual(["refused 999 (999 more)"]);
    flood.write(Level.warning, "refused again", "192.0.2.1");
    expect(taken()).toEqual([]);
    await clock.advanceTo(2 * MINUTE);
    expect(taken()).toEqual(["refused again (1 more)"]);
    await clock.advanceTo(3 * MINUTE);
    expect([taken(), clock.pending]).toEqual([[], 0]);
    flood.write(Level.warning, "refused anew", "192.0.2.1");
    expect(taken()).toEqual(["refused anew"]);
  });

  test("is told apart by its kind, of which no more than a thousand are remembered", async () => {
    const { flood, clock, taken } = startFlood();
    for (let i = 0; i < 100_000; i++) flood.write(Level.warning, `refused ${i}`, String(i));
    expect(taken()).toHaveLength(1001);
    expect(clock.pending).toBe(1001);
    await clock.advanceTo(MINUTE);
    expect(taken()).toEqual(["refused 99999 (98999 more)"]);
  });

  test("is told at the end, and leaves no timer", () => {
    const { flood, clock, taken } = startFlood();
    flood.error("it broke");
    flood.error("it broke");
    flood.close();
    expect([taken(), clock.pending]).toEqual([["it broke", "it broke (1 more)"], 0]);
  });
});
