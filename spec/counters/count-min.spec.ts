import { describe, expect, test } from "bun:test";

import { addSaturated, columnOf, countMinShape } from "../../lib/counters/count-min.ts";
import { KeyedHash } from "../../lib/counters/keyed-hash.ts";
import { Random } from "../support/random.ts";

describe("the shape", () => {
  test.each([
    [0.05, 0.2, 55, 2],
    [0.01, 0.01, 272, 5],
    [1, 1, 3, 1],
  ])("for an error of %d with a probability of %d", (eps, gamma, width, depth) => {
    expect(countMinShape(eps, gamma)).toEqual({ width, depth });
  });
});

test("a count never leaves 32 bits", () => {
  expect(addSaturated(0x7fffffff, 5)).toBe(0x7fffffff);
  expect(addSaturated(-5 >>> 0, 2)).toBe(-3);
  expect(addSaturated(-0x7ffffff0 >>> 0, -100)).toBe(-0x7fffffff);
});

// For each value: never less than the truth, and more than eps times all counts for gamma of the values at most.
test.each([
  [0.05, 0.2],
  [0.02, 0.05],
  [0.01, 0.01],
])("with eps %d and gamma %d the error is what is published", (eps, gamma) => {
  const random = new Random(eps * 1e6);
  const { width, depth } = countMinShape(eps, gamma);
  let [wrong, all] = [0, 0];
  for (let trial = 0; trial < 10; trial++) {
    const hash = new KeyedHash(random.bytes(8));
    const truth = new Map<string, number>();
    const sketch = new Int32Array(width * depth);
    const placesOf = (value: string): number[] => {
      const bytes = Buffer.from(value);
      hash.hash(bytes, 0, bytes.length);
      const { low, high } = hash;
      return Array.from({ length: depth }, (_, row) => row * width + columnOf(low, high, row, width));
    };
    for (let i = 0; i < 3000; i++) {
      // Some values are far more frequent than others.
      const value = `value ${Math.floor(600 * (random.below(1000) / 1000) ** 2)}`;
      truth.set(value, (truth.get(value) ?? 0) + 1);
      for (const place of placesOf(value)) sketch[place]!++;
    }
    for (const [value, count] of truth) {
      const estimate = Math.min(...placesOf(value).map((place) => sketch[place]!));
      expect(estimate).toBeGreaterThanOrEqual(count);
      if (estimate - count > eps * 3000) wrong++;
      all++;
    }
  }
  expect(wrong / all).toBeLessThanOrEqual(gamma);
});
