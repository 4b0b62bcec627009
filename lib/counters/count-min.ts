/**
 * Count-min: how often each of many values came, never less than the truth as long as nothing is taken away.
 * Cormode, Muthukrishnan: An improved data stream summary: the count-min sketch and its applications (2005).
 *
 * A sketch is `depth` rows of `width` counters, signed and of 32 bits. A value counts once in each row, and is at most what
 * its smallest counter says; that is too much by more than eps times all counts with a probability of gamma at most.
 */
export interface CountMinShape {
  width: number;
  depth: number;
}

/** The paper's: e/eps counters a row, ln(1/gamma) rows. */
export const countMinShape = (eps: number, gamma: number): CountMinShape => ({
  width: Math.ceil(Math.E / eps),
  depth: Math.max(1, Math.ceil(Math.log(1 / gamma))),
});

/** The column of a value in a row: the rows' hash functions come from one, mixed by the finalizer of MurmurHash3. */
export function columnOf(low: number, high: number, row: number, width: number): number {
  let mixed = low ^ Math.imul(high, row * 2 + 1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) % width;
}

const MOST = 0x7fffffff;

/** Counts stay within 32 bits: one that is full stays so. */
export const addSaturated = (count: number, n: number): number => Math.min(Math.max((count | 0) + n, -MOST), MOST);
