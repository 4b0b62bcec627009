/**
 * Count-min: how often each value came, never too low, and too high by at most ε × all with probability 1 - γ.
 * G. Cormode and S. Muthukrishnan, "An improved data stream summary: the count-min sketch and its applications", 2005.
 */
export interface CountMinShape {
  /** Counters of a row: ⌈e / ε⌉. */
  width: number;
  /** Rows: ⌈ln(1 / γ)⌉. */
  depth: number;
}

export const countMinShape = (eps: number, gamma: number): CountMinShape => ({
  width: Math.ceil(Math.E / eps),
  depth: Math.ceil(Math.log(1 / gamma)),
});

/** Where a row counts a value: two halves of one hash make as many independent ones as are needed (Kirsch, Mitzenmacher). */
const column = (row: number, { width }: CountMinShape, high: number, low: number): number =>
  ((high + row * (low | 1)) >>> 0) % width;

/** Adds to a value's counters, or subtracts; none falls below zero. @param counters rows one after the other from `start` on */
export function addTo(
  counters: Uint32Array,
  start: number,
  shape: CountMinShape,
  [high, low]: readonly [number, number],
  count: number,
): void {
  for (let row = 0; row < shape.depth; row++) {
    const at = start + row * shape.width + column(row, shape, high, low);
    counters[at] = Math.min(Math.max(counters[at]! + count, 0), 0xffff_ffff);
  }
}

export function frequency(
  counters: Uint32Array,
  start: number,
  shape: CountMinShape,
  [high, low]: readonly [number, number],
): number {
  let least = Infinity;
  for (let row = 0; row < shape.depth; row++) {
    least = Math.min(least, counters[start + row * shape.width + column(row, shape, high, low)]!);
  }
  return least;
}
