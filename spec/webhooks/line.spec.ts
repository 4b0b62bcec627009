import { expect, test } from "bun:test";

import { Line } from "../../lib/webhooks/line.ts";
import { Random } from "../support/random.ts";

test("a line is in order, whoever leaves it", () => {
  const random = new Random(1);
  const line = new Line<number>();
  let model: number[] = [];
  for (let i = 0; i < 2000; i++) {
    if (random.below(2) === 0) {
      line.push(i);
      model.push(i);
    } else {
      // The first, the last, one in the middle, or one that is not there.
      const leaving = [line.first, model.at(-1), model[random.below(model.length + 1)], -1][random.below(4)];
      expect(line.delete(leaving ?? -1)).toBe(model.includes(leaving ?? -1));
      model = model.filter((item) => item !== leaving);
    }
    expect(line.size).toBe(model.length);
    expect(line.first).toBe(model[0]!);
  }
  expect([...line]).toEqual(model);
  expect(model.length).toBeGreaterThan(0);
});
