import { expect, test } from "bun:test";

import { SlidingCount } from "../../lib/stats/window.ts";
import { property } from "../support/random.ts";

test("a count is there for 285 s and gone 300 s later", () => {
  for (const added of [0, 1, 14_999, 15_000, 1e9 + 7]) {
    const count = new SlidingCount();
    count.add(added);
    expect([added, count.at(added), count.at(added + 285_000)]).toEqual([added, 1, 1]);
    expect([added, count.at(added + 300_000)]).toEqual([added, 0]);
  }
});

property("a count is what a list of all times says", 300, (random) => {
  const count = new SlidingCount();
  const times: number[] = [];
  let now = random.below(1e9);
  for (let step = random.below(300); step > 0; step--) {
    now += random.chance(0.05) ? random.below(4_000_000) : random.below(20_000);
    if (random.chance(0.8)) {
      count.add(now);
      times.push(now);
    }
    const oldest = (Math.floor(now / 15_000) - 19) * 15_000;
    expect(count.at(now)).toBe(times.filter((time) => time >= oldest).length);
  }
});

property("times that go backwards lose nothing and forge nothing", 300, (random) => {
  const count = new SlidingCount();
  let now = 10_000_000;
  let latest = now;
  for (let step = 0; step < 100; step++) {
    now += random.below(8_000_000) - 4_000_000;
    const before = count.at(now);
    latest = Math.max(latest, now);
    count.add(now);
    expect(count.at(now)).toBe(before + 1);
  }
  expect(count.at(latest + 300_000)).toBe(0);
});
