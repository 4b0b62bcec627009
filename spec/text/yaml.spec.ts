import { describe, expect, test } from "bun:test";

import { isScalar } from "yaml";

import { readYaml } from "../../lib/text/yaml.ts";

describe("readYaml", () => {
  test.each([
    ["a: 1\nb: 2\na: 3\n", 3, "Map keys must be unique"],
    ["l:\n  - x: 1\n  - y: 1\n    'y': 2\n", 4, "Map keys must be unique"],
    ["a: [1\n", 2, "Flow sequence"],
  ])("finds what is wrong in %j", (text, line, message) => {
    const { fault } = readYaml(text);
    expect(fault?.line).toBe(line);
    expect(fault?.message).toStartWith(message);
  });

  test("takes an alias for the node that had its anchor last", () => {
    const { targets, fault } = readYaml("a: &x 1\nb: *x\nc: &x 2\nd: *x\n");
    expect(fault).toBeUndefined();
    expect(Array.from(targets.values(), (node) => isScalar(node) && node.value)).toEqual([1, 2]);
  });

  test("costs in proportion to the text, whatever it consists of", () => {
    const ways: ((count: number) => string)[] = [
      (count) => `a: &x 1\nl:\n${"  - *x\n".repeat(count)}`,
      (count) => Array.from({ length: count }, (_, i) => `k${i}: &a${i} 1\nr${i}: *a${i}\n`).join(""),
      (count) => `{${Array.from({ length: count }, (_, i) => `k${i}: {}`).join(", ")}}`,
    ];
    for (const way of ways) {
      const once = (count: number): number => {
        const before = process.cpuUsage();
        readYaml(way(count));
        const { user, system } = process.cpuUsage(before);
        return user + system;
      };
      // The least of some: a busy machine makes single ones dearer, never cheaper.
      const cost = (count: number): number => Math.min(...Array.from({ length: 3 }, () => once(count)));
      cost(500);
      // Ten times the text: what grows with its square would take a hundred times as long.
      expect(cost(5000) / cost(500)).toBeLessThan(50);
    }
  });
});

test.each(["[", "- ", "{a: ", "? ", ": ", "- [\n"])(
  "a document that nests %j without end is refused at its line",
  (part) => {
    const { fault } = readYaml(`a: 1\nb:\n  ${part.repeat(100_000)}`);
    expect(fault?.line).toBeGreaterThanOrEqual(3);
    expect(fault?.message.length).toBeLessThanOrEqual(200);
  },
);
