import { describe, expect, test } from "bun:test";

import { countMinShape } from "../../lib/counters/count-min.ts";
import { type FieldKind, StringStatsDB } from "../../lib/counters/string-stats-db.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { property } from "../support/random.ts";

const START = Date.UTC(2026, 2, 1);
const bytes = (text: string): ByteString => text as ByteString;

function setUp(
  fields: Record<string, FieldKind>,
  { window = 60, windows = 5, hllBits = 6, eps = 0.05, gamma = 0.2 } = {},
) {
  const clock = new VirtualClock(START);
  const options = { name: "db", window, windows, fields: new Map(Object.entries(fields)), hllBits, seed: 7 };
  const db = new StringStatsDB(clock, { ...options, countMin: countMinShape(eps, gamma) });
  const field = (name: string) => db.fields.find((each) => each.name === name)!;
  return { clock, db, field };
}

property("counts in windows are those of a model that keeps every event", 15, (random) => {
  const [window, windows] = [1 + random.below(50), 1 + random.below(6)];
  const { clock, db, field } = setUp({ n: "int", v: "hll", c: "countmin" }, { window, windows });
  const events: { key: string; index: number; value: number }[] = [];
  const index = (): number => Math.floor(clock.monotonic() / 1000 / window);
  const keys = ["a", "b", "c"];
  let now = START;
  for (let step = 0; step < 150; step++) {
    now += random.below(window * 1500);
    // The virtual clock runs nothing here, so that it is there at once.
    void clock.advanceTo(now);
    const [key, value] = [random.pick(keys), random.below(8)];
    db.addNumber(bytes(key), field("n"), value);
    db.addValue(bytes(key), field("v"), bytes(`${value}`));
    db.addValue(bytes(key), field("c"), bytes(`${value}`));
    events.push({ key, index: index(), value });
    const asked = random.pick(keys);
    const live = events.filter((event) => event.key === asked && index() - event.index < windows);
    const inWindow = (age: number) => live.filter((event) => index() - event.index === age);
    const sum = (of: typeof live): number => of.reduce((total, event) => total + event.value, 0);
    expect(db.get(bytes(asked), field("n"))).toBe(sum(live));
    expect(db.get(bytes(asked), field("v"))).toBe(new Set(live.map((event) => event.value)).size);
    expect(db.get(bytes(asked), field("c"), bytes("3"))).toBe(live.filter((event) => event.value === 3).length);
    expect(db.get(bytes(asked), field("c"))).toBe(live.length);
    expect(db.getCurrent(bytes(asked), field("n"))).toBe(sum(inWindow(0)));
    const ages = Array.from({ length: windows }, (_, age) => age);
    expect(db.getWindows(bytes(asked), field("n"))).toEqual(ages.map((age) => sum(inWindow(age))));
    expect(db.getWindows(bytes(asked), field("v"))).toEqual(
      ages.map((age) => new Set(inWindow(age).map((event) => event.value)).size),
    );
  }
});

test("a count is gone between window × (windows - 1) and window × windows seconds after it was made", async () => {
  for (const offset of [0, 1, 29, 59]) {
    const { clock, db, field } = setUp({ n: "int" }, { window: 60, windows: 3 });
    await clock.advanceTo(START + offset * 1000);
    db.addNumber(bytes("k"), field("n"), 1);
    await clock.advanceTo(START + (offset + 120) * 1000 - 1);
    expect(db.get(bytes("k"), field("n"))).toBe(1);
    await clock.advanceTo(START + (offset + 180) * 1000);
    expect(db.get(bytes("k"), field("n"))).toBe(0);
  }
});

describe("different values", () => {
  test("are exact up to 64 a window, over all windows", async () => {
    const { clock, db, field } = setUp({ v: "hll" });
    for (let window = 0; window < 5; window++) {
      await clock.advanceTo(START + window * 60_000);
      for (let i = 0; i < 64; i++)
        for (let again = 0; again < 3; again++) {
          db.addValue(bytes("k"), field("v"), bytes(`value ${window * 32 + i}`));
        }
      expect(db.getCurrent(bytes("k"), field("v"))).toBe(64);
    }
    expect(db.get(bytes("k"), field("v"))).toBe(64 + 4 * 32);
  });

  // Flajolet: the standard error is 1.04 / √m; four of them hold for all but one case in 15,000.
  test.each([
    [6, 1000],
    [10, 5000],
    [14, 30_000],
  ])("with 2^%d registers, %d of them are within four standard errors", (hllBits, count) => {
    const { db, field } = setUp({ v: "hll" }, { hllBits });
    for (let i = 0; i < count; i++) db.addValue(bytes("k"), field("v"), bytes(`login${i}@example.org`));
    const error = Math.abs(db.get(bytes("k"), field("v")) - count) / count;
    expect(error).toBeLessThan((4 * 1.04) / Math.sqrt(2 ** hllBits));
  });
});

describe("how often a value came", () => {
  test("is exact for up to 64 of them, and can be taken back", () => {
    const { db, field } = setUp({ c: "countmin" });
    for (let i = 0; i < 64; i++)
      for (let times = 0; times <= i; times++) db.addValue(bytes("k"), field("c"), bytes(`v${i}`));
    for (let i = 0; i < 64; i++) expect(db.get(bytes("k"), field("c"), bytes(`v${i}`))).toBe(i + 1);
    db.addValue(bytes("k"), field("c"), bytes("v9"), -1);
    db.addValue(bytes("k"), field("c"), bytes("never seen"), -1);
    expect(db.get(bytes("k"), field("c"), bytes("v9"))).toBe(9);
    expect(db.get(bytes("k"), field("c"), bytes("never seen"))).toBe(0);
  });

  test("is never too low beyond, and within ε of all for most", () => {
    const { db, field } = setUp({ c: "countmin" }, { eps: 0.01, gamma: 0.05 });
    for (let i = 0; i < 2000; i++)
      for (let times = 0; times < 1 + (i % 7); times++) {
        db.addValue(bytes("k"), field("c"), bytes(`v${i}`));
      }
    const all = db.get(bytes("k"), field("c"));
    const errors = Array.from(
      { length: 2000 },
      (_, i) => db.get(bytes("k"), field("c"), bytes(`v${i}`)) - (1 + (i % 7)),
    );
    expect(Math.min(...errors)).toBeGreaterThanOrEqual(0);
    expect(errors.filter((error) => error > 0.01 * all).length / 2000).toBeLessThan(0.05);
  });
});

property("over the bound the key used longest ago goes", 10, (random) => {
  const { db, field } = setUp({ n: "int" });
  db.maxSize = 1 + random.below(20);
  let used: string[] = [];
  for (let step = 0; step < 400; step++) {
    const key = `k${random.below(40)}`;
    const known = used.includes(key);
    if (random.chance(0.3)) {
      expect(db.get(bytes(key), field("n")) > 0).toBe(known);
      if (known) used = [...used.filter((each) => each !== key), key];
    } else if (random.chance(0.1)) {
      expect(db.reset(bytes(key))).toBe(known);
      used = used.filter((each) => each !== key);
    } else {
      db.addNumber(bytes(key), field("n"), 1);
      used = [...used.filter((each) => each !== key), key].slice(-db.maxSize);
    }
    expect(db.size).toBe(used.length);
  }
});

test("keys whose windows have passed make room for others without a bound", async () => {
  const { clock, db, field } = setUp({ v: "hll" });
  for (let i = 0; i < 1000; i++) db.addValue(bytes(`old${i}`), field("v"), bytes("x"));
  await clock.advanceTo(START + 600_000);
  for (let i = 0; i < 600; i++) db.addValue(bytes(`new${i}`), field("v"), bytes("x"));
  expect(db.size).toBe(600);
});

test("a field can be reset alone", () => {
  const { db, field } = setUp({ n: "int", v: "hll" });
  db.addNumber(bytes("k"), field("n"), 3);
  db.addValue(bytes("k"), field("v"), bytes("x"));
  db.resetField(bytes("k"), field("v"));
  expect([db.get(bytes("k"), field("n")), db.get(bytes("k"), field("v"))]).toEqual([3, 0]);
});

test("a long key costs a short one, and is another than what begins like it", () => {
  const { db, field } = setUp({ n: "int" });
  const long = "x".repeat(1_000_000);
  db.addNumber(bytes(`${long}a`), field("n"), 1);
  db.addNumber(bytes(`${long}b`), field("n"), 2);
  expect([db.get(bytes(`${long}a`), field("n")), db.get(bytes(`${long}b`), field("n"))]).toEqual([1, 2]);
  expect(db.readRow(0)!.key.length).toBeLessThanOrEqual(256);
});

test("addresses are masked by the db's prefixes", () => {
  const { db } = setUp({ n: "int" });
  expect(db.keyOf(bytes("\xc0\0\x02\x01"))).toBe(bytes("192.0.2.1"));
  db.v4Prefix = 24;
  db.v6Prefix = 64;
  expect(db.keyOf(bytes("\xc0\0\x02\x01"))).toBe(bytes("192.0.2.0/24"));
  expect(db.keyOf(bytes(`\x20\x01\x0d\xb8${"\0".repeat(11)}\x01`))).toBe(bytes("2001:db8::/64"));
});
