import { expect, test } from "bun:test";

import { align } from "../../lib/replay/align.ts";
import { property } from "../support/random.ts";

const show = (left: string, right: string): string[] =>
  align([...left], [...right], (a, b) => a === b).map(
    ([i, j]) => `${i === undefined ? "-" : left[i]}${j === undefined ? "-" : right[j]}`,
  );

test.each([
  ["abc", "abc", "aa bb cc"],
  ["abcd", "acd", "aa b- cc dd"],
  ["acd", "abcd", "aa -b cc dd"],
  ["abc", "axc", "aa bx cc"],
  ["abcd", "bcde", "a- bb cc dd -e"],
  ["ab", "xyz", "ax by -z"],
  ["", "ab", "-a -b"],
  ["", "", ""],
])("%p beside %p", (left, right, pairs) => expect(show(left, right).join(" ")).toBe(pairs));

test("one item too few in long lists is one difference", () => {
  const right = Array.from({ length: 5000 }, (_, i) => i);
  const pairs = align(right.toSpliced(2500, 1), right, (a, b) => a === b);
  expect(pairs.filter(([i, j]) => i === undefined || j === undefined)).toEqual([[undefined, 2500]]);
});

property("each item of both lists comes once, in order", 200, (random) => {
  const [left, right] = [random.list(12, () => random.pick("abc")), random.list(12, () => random.pick("abc"))];
  const pairs = align(left, right, (a, b) => a === b);
  expect(pairs.flatMap(([i]) => i ?? [])).toEqual(left.map((_, i) => i));
  expect(pairs.flatMap(([, j]) => j ?? [])).toEqual(right.map((_, j) => j));
});
