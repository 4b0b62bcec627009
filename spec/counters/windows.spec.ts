/** Windows against a model that remembers each count with its time. */
import { describe, expect, test } from "bun:test";

import type { FieldShape } from "../../lib/counters/field.ts";
import { add, addDb, COUNT_MIN, countersOf, countsOf, HLL, INT, keysOf, totalOf } from "../support/counters.ts";
import { JumpingClock } from "../support/jumping-clock.ts";
import { property, Random } from "../support/random.ts";

const START = Date.UTC(2026, 2, 1);
const DAY = 86_400_000;

interface Count {
  window: number;
  key: string;
  field: string;
  value: string;
  n: number;
}

const FIELDS: Record<string, FieldShape> = { sum: INT, different: HLL, often: COUNT_MIN };

/** Sums or numbers of different values, window by window, newest first, and over all. */
function expected(counts: Count[], now: number, windows: number, of: Partial<Count>): number[] {
  const live = counts.filter(
    (count) =>
      now - count.window < windows && Object.entries(of).every(([name, value]) => count[name as keyof Count] === value),
  );
  const measure = (some: Count[]): number =>
    of.field === "different" ? new Set(some.map(({ value }) => value)).size : some.reduce((sum, { n }) => sum + n, 0);
  const single = Array.from({ length: windows }, (_, i) => measure(live.filter(({ window }) => now - window === i)));
  return [...single, measure(live)];
}

async function compare(random: Random, operations: number): Promise<void> {
  const clock = new JumpingClock(START);
  const counters = countersOf(clock);
  const window = random.pick([1, 7, 60, 3600]);
  const windows = random.pick([1, 2, 6, 40]);
  const db = addDb(counters, FIELDS, window, windows);
  const counts: Count[] = [];
  let time = START;
  for (let i = 0; i < operations; i++) {
    // Mostly a part of a window, sometimes all of them, sometimes a day.
    if (random.chance(0.3)) time += random.below(window * 1500);
    if (random.chance(0.05)) time += random.below(window * 1000 * (windows + 2));
    if (random.chance(0.02)) time += DAY;
    await clock.advanceTo(time);
    // Somebody sets the system's clock: to no count does that matter.
    if (random.chance(0.1)) clock.jump(random.pick([-DAY, DAY, -1000, 3_600_000]));
    const now = Math.floor(time / (window * 1000));
    const key = `key ${random.below(4)}`;
    const field = random.pick(Object.keys(FIELDS));
    const value = field === "sum" ? "" : `value ${random.below(12)}`;
    const n = field === "different" ? 1 : random.below(9) - 2;
    add(db, key, field, field === "sum" ? n : value, n);
    counts.push({ window: now, key, field, value, n });
    const asked = `key ${random.below(4)}`;
    const zeros = Array.from({ length: windows + 1 }, () => 0);
    for (const name of Object.keys(FIELDS)) {
      const of = { key: asked, field: name };
      expect(countsOf(db, asked, name) ?? zeros).toEqual(expected(counts, now, windows, of));
    }
    const of = { key: asked, field: "often", value: "value 3" };
    expect(countsOf(db, asked, "often", "value 3") ?? zeros).toEqual(expected(counts, now, windows, of));
  }
}

describe("counts by window", () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    test(`are those of a model, whatever the clocks do (${seed})`, async () => {
      await compare(new Random(seed), 250);
    });
  }

  test("a count is gone between windows - 1 and windows times their length after it was made", async () => {
    for (const offset of [0, 1, 30_000, 59_999]) {
      const clock = new JumpingClock(START + offset);
      const db = addDb(countersOf(clock), { sum: INT });
      add(db, "joe", "sum", 1);
      await clock.advanceTo(START + offset + 5 * 60_000 - offset - 1);
      expect(totalOf(db, "joe", "sum")).toBe(1);
      await clock.advanceTo(START + 6 * 60_000 - 1);
      expect(totalOf(db, "joe", "sum")).toBe(1);
      await clock.advanceTo(START + 6 * 60_000);
      expect(totalOf(db, "joe", "sum")).toBe(0);
    }
  });

  test("a db of the same windows and fields stays when it is made again, another begins empty", () => {
    const counters = countersOf(new JumpingClock(START));
    const db = addDb(counters, { sum: INT, different: HLL });
    add(db, "joe", "sum", 7);
    expect(totalOf(addDb(counters, { sum: INT, different: HLL }), "joe", "sum")).toBe(7);
    expect(totalOf(addDb(counters, { sum: INT, different: { kind: "hll", bits: 7 } }), "joe", "sum")).toBe(0);
    expect(addDb(counters, { sum: INT }, 30).size).toBe(0);
    expect(counters.dbs.size).toBe(1);
  });

  test("no timer is set for them", () => {
    const clock = new JumpingClock(START);
    const db = addDb(countersOf(clock), { sum: INT });
    for (let i = 0; i < 100; i++) add(db, `user${i}`, "sum", 1);
    expect(clock.pending).toBe(0);
  });
});

describe("keys", () => {
  property("over the bound go in the order of last use", 10, (random) => {
    const db = addDb(countersOf(new JumpingClock(START)), { sum: INT, different: HLL });
    const model = new Map<string, number>();
    let bound = 20;
    db.maxKeys = bound;
    for (let i = 0; i < 300; i++) {
      const key = `user${random.below(40)}`;
      const known = model.get(key);
      if (random.chance(0.02)) {
        bound = 1 + random.below(30);
        db.maxKeys = bound;
        while (model.size > bound) model.delete(model.keys().next().value!);
        expect(keysOf(db)).toEqual([...model.keys()]);
        continue;
      }
      if (random.chance(0.3)) {
        expect(totalOf(db, key, "sum")).toBe(known ?? 0);
        if (known === undefined) continue;
      } else {
        add(db, key, "sum", 1);
        add(db, key, "different", i);
        if (known === undefined && model.size === bound) model.delete(model.keys().next().value!);
      }
      const counted = totalOf(db, key, "sum");
      model.delete(key);
      model.set(key, counted);
      expect(keysOf(db)).toEqual([...model.keys()]);
    }
  });

  test("that nothing is left of make room without being asked for", async () => {
    const clock = new JumpingClock(START);
    const db = addDb(countersOf(clock), { sum: INT, different: HLL });
    for (let i = 0; i < 1000; i++) add(db, `old${i}`, "different", i);
    const { memory } = db;
    await clock.advanceTo(START + DAY);
    for (let i = 0; i < 1000; i++) add(db, `new${i}`, "different", i);
    expect(keysOf(db)).toEqual(Array.from({ length: 1000 }, (_, i) => `new${i}`));
    expect(db.memory).toBeLessThan(memory * 1.1);
  });
});

test("a key that is forgotten is gone from all dbs, which is told", () => {
  const counters = countersOf(new JumpingClock(START));
  for (const name of ["one", "two", "three"]) {
    counters.create({ name, window: 60, windows: 2, fields: new Map([["sum", INT]]) });
  }
  for (const name of ["one", "three"]) add(counters.dbs.get(name)!, "joe", "sum", 1);
  add(counters.dbs.get("one")!, "jane", "sum", 1);
  const forget = (key: string): number => counters.forget(key as never);
  expect([forget("joe"), forget("joe"), forget("nobody")]).toEqual([2, 0, 0]);
  expect(Array.from(counters.dbs.values(), keysOf)).toEqual([["jane"], [], []]);
});
