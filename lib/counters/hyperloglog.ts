/**
 * HyperLogLog: how many different values there are, from the rarest hash among them.
 * Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, the analysis of a near-optimal cardinality estimation algorithm (2007).
 *
 * A sketch is 2^bits registers of a byte. With hashes of 64 bits the paper's correction for large ranges has no use.
 */

/** 1 / 2^rank for each rank that a register can hold. */
const POWERS = Float64Array.from({ length: 256 }, (_, rank) => 2 ** -rank);

/** The paper's alpha, which makes up for a bias. @param count of registers */
const alphaOf = (count: number): number => {
  if (count === 16) return 0.673;
  if (count === 32) return 0.697;
  return count === 64 ? 0.709 : 0.7213 / (1 + 1.079 / count);
};

/** Adds a value to the sketch that begins at `at`, by the two halves of its hash. */
export function addToHyperLogLog(bytes: Uint8Array, at: number, bits: number, low: number, high: number): void {
  const register = at + (high >>> (32 - bits));
  const rest = high << bits;
  const rank = rest === 0 ? 32 - bits + Math.clz32(low) + 1 : Math.clz32(rest) + 1;
  if (rank > bytes[register]!) bytes[register] = rank;
}

/** Makes `union` the sketch of what is in it or in the one that begins at `at`. */
export function mergeHyperLogLog(union: Uint8Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < union.length; i++) if (bytes[at + i]! > union[i]!) union[i] = bytes[at + i]!;
}

/** How many different values a sketch of `count` registers has seen, a whole number. */
export function estimateHyperLogLog(bytes: Uint8Array, at: number, count: number): number {
  let sum = 0;
  let empty = 0;
  for (let i = at; i < at + count; i++) {
    const rank = bytes[i]!;
    sum += POWERS[rank]!;
    if (rank === 0) empty++;
  }
  const estimate = (alphaOf(count) * count * count) / sum;
  const small = estimate <= 2.5 * count && empty > 0;
  return Math.round(small ? count * Math.log(count / empty) : estimate);
}
