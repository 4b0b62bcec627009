import { expect, test } from "bun:test";

import { Recent } from "../../lib/device/recent.ts";

test("a full cache forgets what was unused for longest", () => {
  const recent = new Recent<string, number>(2);
  recent.add("a", 1);
  recent.add("b", 2);
  expect(recent.get("a")).toBe(1);
  recent.add("c", 3);
  expect([recent.get("a"), recent.get("b"), recent.get("c")]).toEqual([1, undefined, 3]);
});
