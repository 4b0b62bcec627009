import { expect, test } from "bun:test";

import { formatAmounts } from "../../lib/text/amounts.ts";

test.each([
  [{}, ""],
  [{ request: 0 }, ""],
  [{ request: 1 }, "1 request"],
  [{ request: 2, webhook: 0 }, "2 requests"],
  [{ request: 0, "console chunk": 1, webhook: 3 }, "1 console chunk and 3 webhooks"],
  [{ request: 1, "console chunk": 2, webhook: 1 }, "1 request, 2 console chunks and 1 webhook"],
] as [Record<string, number>, string][])("%j is %p", (amounts, text) => {
  expect(formatAmounts(amounts)).toBe(text);
});
