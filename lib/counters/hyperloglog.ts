/**
 * HyperLogLog: how many different values there were, in a few bytes.
 * P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007, figure 3, with its
 * small-range correction; hashes have 64 bits, so that the large-range one is not needed.
 */

/** A register counts leading zeros in the lower half of the hash, plus one. */
const rankOf = (low: number): number => Math.clz32(low) + 1;

/** Notes a value. @param registers one a byte, 2^bits of them from `start` on */
export function note(registers: Uint8Array, start: number, bits: number, high: number, low: number): void {
  const at = start + (high >>> (32 - bits));
  const rank = rankOf(low);
  if (registers[at]! < rank) registers[at] = rank;
}

/** How many different values the registers have seen. */
export function estimate(registers: Uint8Array): number {
  const m = registers.length;
  let sum = 0;
  let zeros = 0;
  for (const rank of registers) {
    sum += 2 ** -rank;
    if (rank === 0) zeros++;
  }
  const raw = (alpha(m) * m * m) / sum;
  return Math.round(raw <= 2.5 * m && zeros > 0 ? m * Math.log(m / zeros) : raw);
}

function alpha(m: number): number {
  if (m === 16) return 0.673;
  if (m === 32) return 0.697;
  if (m === 64) return 0.709;
  return 0.7213 / (1 + 1.079 / m);
}
