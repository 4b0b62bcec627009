import { expect, test } from "bun:test";

import { Log } from "../../lib/log/log.ts";
import { MemoryWatch } from "../../lib/lua/memory-watch.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

const MIB = 1024 ** 2;

test("from 80 % on there is a warning, and one a minute as long as it stays so", async () => {
  const clock = new JumpingClock(0);
  const lines: string[] = [];
  const state = { usedMemory: 0, mostMemory: 2000 * MIB };
  const watch = new MemoryWatch(state, { clock, log: new Log({ sink: (line) => lines.push(line) }) });
  const at = async (seconds: number, used: number): Promise<number> => {
    await clock.advanceTo(seconds * 1000);
    state.usedMemory = used * MIB;
    watch.check();
    return lines.length;
  };
  expect(await at(0, 1599)).toBe(0);
  expect(await at(1, 1600)).toBe(1);
  expect(lines[0]).toStartWith("Lua's values take 1600 of 2000 MiB");
  expect(await at(1, 1999)).toBe(1);
  expect(await at(60, 2000)).toBe(1);
  expect(await at(61, 2000)).toBe(2);
  expect(await at(200, 1000)).toBe(2);
  expect(await at(201, 1700)).toBe(3);
  expect(watch.warnings).toBe(3);
});
