import { expect, test } from "bun:test";

import { Recent } from "../../lib/device/recent.ts";

test("a full cache forgets what was unused for longest", () => {
  const recent = new Recent<string, number>(2, () => 1);
  recent.add("a", 1);
  recent.add("b", 2);
  expect(recent.get("a")).toBe(1);
  recent.add("c", 3);
  expect([recent.get("a"), recent.get("b"), recent.get("c")]).toEqual([1, undefined, 3]);
});

test("the bound is on sizes, not on entries", () => {
  const recent = new Recent<string, string>(10, (key, value) => key.length + value.length);
  recent.add("a", "1234");
  recent.add("b", "1234");
  recent.add("c", "12345678");
  expect([recent.get("a"), recent.get("b"), recent.get("c")]).toEqual([undefined, undefined, "12345678"]);
  recent.add("d", "longer than all that may be kept");
  expect([recent.get("c"), recent.get("d")]).toEqual([undefined, undefined]);
});
