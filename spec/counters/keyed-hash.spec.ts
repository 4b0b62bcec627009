import { expect, test } from "bun:test";

import { KeyedHash } from "../../lib/counters/keyed-hash.ts";

/** vectors_hsip64 of https://github.com/veorq/SipHash (CC0): of the bytes 0, 1, 2 …, none to 15 of them, key 0 to 7. */
const KNOWN = `
  218d1f59b9b83cc8 be552412f8387315 064f39ef7c50eb57 ce0f1a45f7060679 d5e78a175be52ea1 cb9d7c3f2f3db580
  ce3e91358aa2bc25 ff202728b07bc684 edfee820bce4858c 5b51cccc13888307 95b0469f06a6f2ee ae26333994ddcd48
  7bc71f9faef5c799 5a2352d75a0c3744 3bb1a870eae8e658 217d0bcb4e81c902`;

test("answers what the authors' own program does", () => {
  const hash = new KeyedHash(Uint8Array.from({ length: 8 }, (_, i) => i));
  const bytes = Uint8Array.from({ length: 20 }, (_, i) => i - 2);
  const answers = Array.from({ length: 16 }, (_, length) => {
    hash.hash(bytes, 2, length);
    const buffer = Buffer.alloc(8);
    buffer.writeUInt32LE(hash.low, 0);
    buffer.writeUInt32LE(hash.high, 4);
    return buffer.toString("hex");
  });
  expect(answers).toEqual(KNOWN.trim().split(/\s+/));
});
