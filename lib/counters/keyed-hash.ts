/** Bytes of the key. */
export const HASH_KEY_BYTES = 8;

/**
 * HalfSipHash-2-4 with 64 bits of result, by Aumasson and Bernstein: https://github.com/veorq/SipHash (halfsiphash.c).
 *
 * Logins and addresses are chosen by whoever tries them. Without the key nobody can choose those that fall together.
 */
export class KeyedHash {
  /** The result of the last {@link hash}: bits 0 to 31. */
  low = 0;
  /** Bits 32 to 63. */
  high = 0;
  private firstKey = 0;
  private secondKey = 0;
  private bytes = new Uint8Array(HASH_KEY_BYTES);

  /** @param key {@link HASH_KEY_BYTES} bytes */
  constructor(key: Uint8Array) {
    this.key = key;
  }

  get key(): Uint8Array {
    return this.bytes;
  }

  set key(key: Uint8Array) {
    this.bytes = Uint8Array.from(key);
    const view = new DataView(this.bytes.buffer);
    this.firstKey = view.getInt32(0, true);
    this.secondKey = view.getInt32(4, true);
  }

  /** Hashes `length` bytes that begin at `at`. */
  hash(bytes: Uint8Array, at: number, length: number): void {
    const { firstKey, secondKey } = this;
    let v0 = firstKey;
    let v1 = secondKey ^ 0xee;
    let v2 = firstKey ^ 0x6c796765;
    let v3 = secondKey ^ 0x74656462;
    const words = length >>> 2;
    // The words of the message, then what is left of it, then two rounds without a message that finish one half each.
    for (let i = 0; i <= words + 2; i++) {
      let message = 0;
      if (i < words) {
        const p = at + i * 4;
        message = bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24);
      } else if (i === words) {
        message = length << 24;
        for (let left = (length & 3) - 1, p = at + words * 4; left >= 0; left--)
          message |= bytes[p + left]! << (left * 8);
      } else if (i === words + 1) v2 ^= 0xee;
      else {
        this.low = (v1 ^ v3) >>> 0;
        v1 ^= 0xdd;
      }
      v3 ^= message;
      for (let rounds = i <= words ? 2 : 4; rounds > 0; rounds--) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
      }
      v0 ^= message;
    }
    this.high = (v1 ^ v3) >>> 0;
  }
}
