/** Fields of values: exact while they are few, sketches when they are many, and back when all have passed. */
import { describe, expect, test } from "bun:test";

import { countMinShape } from "../../lib/counters/count-min.ts";
import type { FieldShape } from "../../lib/counters/field.ts";
import { add, addDb, COUNT_MIN, countersOf, countsOf, HLL, totalOf } from "../support/counters.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

const START = Date.UTC(2026, 2, 1);
const MINUTE = 60_000;

describe("different values", () => {
  test("are counted exactly up to 64, over all windows together", async () => {
    const clock = new JumpingClock(START);
    const db = addDb(countersOf(clock), { different: HLL }, 60, 40);
    for (let i = 0; i < 64; i++) {
      await clock.advanceTo(START + Math.floor(i / 2) * MINUTE);
      add(db, "joe", "different", `value ${i}`);
      add(db, "joe", "different", `value ${Math.floor(i / 2)}`);
      expect(totalOf(db, "joe", "different")).toBe(i + 1);
    }
    // The newest window has the last two, and the halves of their numbers.
    expect(countsOf(db, "joe", "different")!.slice(0, 2)).toEqual([3, 3]);
  });

  test.each([6, 10, 14])("beyond are estimated, with %d bits", (bits) => {
    const db = addDb(countersOf(new JumpingClock(START)), { different: { kind: "hll", bits } });
    for (let i = 0; i < 2000; i++) add(db, "joe", "different", `value ${i}`);
    const bound = (3 * 1.04) / Math.sqrt(1 << bits);
    expect(Math.abs(totalOf(db, "joe", "different") / 2000 - 1)).toBeLessThan(bound);
  });

  test("of many windows are counted as their union, and a window alone as it is", async () => {
    const clock = new JumpingClock(START);
    const db = addDb(countersOf(clock), { different: { kind: "hll", bits: 14 } });
    for (let minute = 0; minute < 6; minute++) {
      await clock.advanceTo(START + minute * MINUTE);
      for (let i = 0; i < 100; i++) add(db, "joe", "different", `value ${minute * 50 + i}`);
    }
    const counts = countsOf(db, "joe", "different")!;
    for (const count of counts.slice(0, 6)) expect(Math.abs(count - 100)).toBeLessThan(5);
    expect(Math.abs(counts[6]! - 350)).toBeLessThan(10);
    await clock.advanceTo(START + 9 * MINUTE);
    const [newest, ...later] = countsOf(db, "joe", "different")!;
    expect([newest, ...later.slice(0, 3)]).toEqual([0, 0, 0, 0]);
    expect(Math.abs(later.at(-1)! - 150)).toBeLessThan(6);
  });

  test("are exact again, and take no memory, when all windows have passed", async () => {
    const clock = new JumpingClock(START);
    const db = addDb(countersOf(clock), { different: HLL, sum: { kind: "int" } });
    add(db, "joe", "sum", 1);
    const { memory } = db;
    for (let i = 0; i < 500; i++) add(db, "joe", "different", `value ${i}`);
    expect(db.memory).toBeGreaterThan(memory);
    for (let minute = 1; minute <= 6; minute++) {
      await clock.advanceTo(START + minute * MINUTE);
      add(db, "joe", "sum", 1);
    }
    expect(db.memory).toBe(memory);
    for (let i = 0; i < 64; i++) add(db, "joe", "different", `other ${i}`);
    expect(totalOf(db, "joe", "different")).toBe(64);
  });
});

describe("how often values came", () => {
  test("is exact for up to 64 of them", async () => {
    const clock = new JumpingClock(START);
    const db = addDb(countersOf(clock), { often: COUNT_MIN });
    for (let i = 0; i < 64; i++) add(db, "joe", "often", `value ${i}`, i);
    await clock.advanceTo(START + MINUTE);
    add(db, "joe", "often", "value 7", -2);
    expect(countsOf(db, "joe", "often", "value 7")).toEqual([-2, 7, 0, 0, 0, 0, 5]);
    expect(totalOf(db, "joe", "often")).toBe((63 * 64) / 2 - 2);
    expect(totalOf(db, "joe", "often", "another")).toBe(0);
  });

  test("of more is never too little, seldom too much by more than eps, and their sum is exact", async () => {
    const clock = new JumpingClock(START);
    const shape: FieldShape = { kind: "countmin", ...countMinShape(0.01, 0.01) };
    const db = addDb(countersOf(clock), { often: shape });
    for (let i = 0; i < 3000; i++) {
      await clock.advanceTo(START + Math.floor(i / 1000) * MINUTE);
      add(db, "joe", "often", `value ${i % 300}`);
    }
    expect(countsOf(db, "joe", "often")).toEqual([1000, 1000, 1000, 0, 0, 0, 3000]);
    let wrong = 0;
    for (let i = 0; i < 300; i++) {
      const total = totalOf(db, "joe", "often", `value ${i}`);
      expect(total).toBeGreaterThanOrEqual(10);
      if (total > 10 + 0.01 * 3000) wrong++;
    }
    expect(wrong).toBeLessThanOrEqual(3);
  });

  test("that is taken away again is nothing, also among many", () => {
    const db = addDb(countersOf(new JumpingClock(START)), { often: COUNT_MIN });
    for (let i = 0; i < 200; i++) add(db, "joe", "often", `value ${i}`, 5);
    for (let i = 0; i < 200; i++) add(db, "joe", "often", `value ${i}`, -5);
    expect(totalOf(db, "joe", "often")).toBe(0);
    expect(totalOf(db, "joe", "often", "value 3")).toBe(0);
  });
});
