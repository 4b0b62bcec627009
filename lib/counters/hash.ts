/** A 64-bit hash in two halves, seeded, so that nobody outside can choose values that collide. */
import type { ByteString } from "../text/byte-string.ts";

/** The halves of the last {@link hash}: two results without an object for them, for it runs several times a report. */
export const halves = { high: 0, low: 0 };

/** MurmurHash3's finalizer (Appleby): each bit of the result depends on each of the input. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Puts the hash of a byte string into {@link halves}, as unsigned 32-bit numbers. */
export function hash(text: ByteString, seed: number): void {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  a = mix(a ^ text.length);
  b = mix(b ^ a);
  halves.high = mix(a ^ Math.imul(b, 0x27d4eb2d));
  halves.low = b;
}
