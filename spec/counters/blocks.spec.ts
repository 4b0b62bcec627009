import { expect } from "bun:test";

import { Blocks, LARGEST_BLOCK } from "../../lib/counters/blocks.ts";
import { property } from "../support/random.ts";

property("blocks keep apart, begin at 0, waste no more than half, and are used again", 2, (random) => {
  const blocks = new Blocks();
  const taken: { address: number; size: number; mark: number }[] = [];
  const wordsOf = ({ address, size }: { address: number; size: number }): Uint32Array =>
    blocks.words[address >>> 16]!.subarray(address & 0xffff, (address & 0xffff) + size);
  blocks.allocate(1);
  for (let mark = 1; mark < 400; mark++) {
    if (taken.length > 0 && random.chance(0.4)) {
      const block = taken.splice(random.below(taken.length), 1)[0]!;
      expect(wordsOf(block).every((word) => word === block.mark)).toBeTrue();
      blocks.release(block.address);
      continue;
    }
    const size = random.chance(0.02) ? LARGEST_BLOCK - random.below(3) : 1 + random.below(random.pick([3, 70, 700]));
    const block = { address: blocks.allocate(size), size, mark };
    expect(block.address).toBeGreaterThan(0);
    expect(blocks.size(block.address)).toBeLessThanOrEqual(Math.max(2, size * 1.5));
    expect(wordsOf(block).every((word) => word === 0)).toBeTrue();
    wordsOf(block).fill(mark);
    taken.push(block);
  }
  for (const block of taken) expect(wordsOf(block).every((word) => word === block.mark)).toBeTrue();
  const chunks = blocks.words.length;
  for (const { address } of taken) blocks.release(address);
  expect(blocks.used).toBe(2);
  for (const { size } of taken) blocks.allocate(size);
  expect(blocks.words.length).toBe(chunks);
});
