import { expect, test } from "bun:test";

import { startEngine } from "../support/engine.ts";

test("a finalizer that is filled in later is not called", async () => {
  using lua = await startEngine();
  const answers = await lua.values(`
    called = false
    for _, first in ipairs { false, 1, "x" } do
      local mt = { __gc = first }
      setmetatable({}, mt)
      mt.__gc = function() called = true end
    end
    collectgarbage() collectgarbage()
    answer(called)`);
  expect(answers).toEqual(["false"]);
});
