import { describe, expect, test } from "bun:test";

import { addToHyperLogLog, estimateHyperLogLog, mergeHyperLogLog } from "../../lib/counters/hyperloglog.ts";
import { KeyedHash } from "../../lib/counters/keyed-hash.ts";
import { Random } from "../support/random.ts";

/** A sketch of the numbers from `first`, so many. */
function sketchOf(random: Random, bits: number, first: number, count: number): Uint8Array {
  const hash = new KeyedHash(random.bytes(8));
  return sketchBy(hash, bits, first, count);
}

function sketchBy(hash: KeyedHash, bits: number, first: number, count: number): Uint8Array {
  const sketch = new Uint8Array(1 << bits);
  for (let i = first; i < first + count; i++) {
    const value = Buffer.from(String(i));
    hash.hash(value, 0, value.length);
    addToHyperLogLog(sketch, 0, bits, hash.low, hash.high);
  }
  return sketch;
}

describe("the estimate", () => {
  test.each([
    ["nothing", 0, 0, 0],
    // m ln(m / V), the paper's small-range correction.
    ["one register in use", 1, 1, 1],
    ["half of the registers in use", 32, 1, Math.round(64 * Math.log(64 / 32))],
    // alpha m^2 / sum of 2^-register.
    ["all registers in use", 64, 5, Math.round((0.709 * 64 * 64) / (64 * 2 ** -5))],
    ["all registers high", 64, 40, Math.round((0.709 * 64 * 64) / (64 * 2 ** -40))],
  ])("of %s", (_, used, rank, answer) => {
    const sketch = new Uint8Array(64).fill(rank, 0, used);
    expect(estimateHyperLogLog(sketch, 0, 64)).toBe(answer);
  });

  // The paper's standard error is 1.04 / sqrt(m). Of 40 trials the root mean square lies within a third of that.
  test.each([
    [4, 50],
    [4, 2000],
    [6, 100],
    [6, 1000],
    [6, 6000],
    [10, 500],
    [10, 5000],
    [12, 12_000],
  ])("with %d bits, of %d values, has the standard error that is published", (bits, count) => {
    const random = new Random(bits * count);
    const trials = 40;
    let squares = 0;
    for (let trial = 0; trial < trials; trial++) {
      const sketch = sketchOf(random, bits, 0, count);
      squares += (estimateHyperLogLog(sketch, 0, sketch.length) / count - 1) ** 2;
    }
    expect(Math.sqrt(squares / trials) * Math.sqrt(1 << bits)).toBeLessThan(1.04 * 1.33);
  });
});

test("values that come again change nothing, and the union of two is the sketch of both", () => {
  const hash = new KeyedHash(new Random(1).bytes(8));
  const union = sketchBy(hash, 8, 0, 300);
  mergeHyperLogLog(union, sketchBy(hash, 8, 200, 400), 0);
  expect(union).toEqual(sketchBy(hash, 8, 0, 600));
});

test("the rank of a hash that is nearly all zeros goes on into its other half", () => {
  const ranks = [
    [0x8000_0000, 0, 32 - 6 + 1],
    [1, 0, 32 - 6 + 32],
    [0, 0, 32 - 6 + 33],
    [0, 1, 32 - 6],
    [0, 0x0200_0000, 1],
  ].map(([low, high, rank]) => {
    const sketch = new Uint8Array(64);
    addToHyperLogLog(sketch, 0, 6, low!, high!);
    return [sketch[0], rank];
  });
  for (const [found, rank] of ranks) expect(found).toBe(rank);
});
