import { describe, expect, test } from "bun:test";

import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { Heap } from "../../lib/time/heap.ts";
import { property } from "../support/random.ts";

property("a heap hands out by time, and in order of arrival at the same time", 100, (random) => {
  const heap = new Heap<{ time: number; n: number }>();
  const waiting: { time: number; n: number }[] = [];
  for (let n = 0; n < 60; n++) {
    if (random.chance(0.3)) {
      waiting.sort((a, b) => a.time - b.time || a.n - b.n);
      expect(heap.time).toBe(waiting[0]?.time ?? Infinity);
      expect(heap.pop()).toEqual(waiting.shift());
    } else {
      const item = { time: random.below(10), n };
      waiting.push(item);
      heap.push(item.time, item);
    }
    expect(heap.size).toBe(waiting.length);
  }
});

describe("the virtual clock", () => {
  test("jumps from timer to timer, and each sees its own time", async () => {
    const clock = new VirtualClock(1000);
    const seen: [string, number][] = [];
    const note = (name: string) => (): void => void seen.push([name, clock.now()]);
    clock.after(50, note("b"));
    clock.after(10, note("a"));
    clock.at(1050, note("c"));
    clock.at(0, note("past"));
    clock.after(0.2, note("fraction"));
    await clock.advanceTo(1060);
    expect(seen).toEqual([
      ["past", 1000],
      ["fraction", 1001],
      ["a", 1010],
      ["b", 1050],
      ["c", 1050],
    ]);
    expect([clock.now(), clock.monotonic(), clock.cpu()]).toEqual([1060, 1060, 0.06]);
  });

  test("a cancelled timer neither fires nor moves the time", async () => {
    const clock = new VirtualClock(0);
    clock.after(10, () => expect.unreachable())();
    await clock.step();
    expect(clock.now()).toBe(0);
  });

  test("what follows from a timer at once happens before the next, through promises too", async () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    clock.after(5, async () => {
      for (let i = 0; i < 20; i++) await null;
      seen.push(`first at ${clock.now()}`);
      clock.after(0, () => seen.push(`again at ${clock.now()}`));
    });
    clock.after(6, () => seen.push(`second at ${clock.now()}`));
    await clock.advanceTo(10);
    expect(seen).toEqual(["first at 5", "again at 5", "second at 6"]);
  });

  test("does not stand still for ever", async () => {
    const clock = new VirtualClock(0);
    const again = (): void => void clock.after(0, again);
    again();
    // Not by expect().rejects, which runs the event loop itself, and does so slowly when there have been sockets.
    const failure = await clock.advanceTo(1).catch((error: Error) => error.message);
    expect(failure).toContain("waits for 0 s in a loop");
  });
});
