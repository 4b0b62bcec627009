/** Copying and clearing what is usually short: up to some size a loop is faster than a native call. */
const SHORT = 64;

/** Copies `length` items of an array into another. */
export function copy<T extends Uint8Array | Uint32Array>(
  from: T,
  fromAt: number,
  to: T,
  toAt: number,
  length: number,
): void {
  if (length > SHORT) to.set(from.subarray(fromAt, fromAt + length), toAt);
  else for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}

/** Makes `length` items 0. */
export function clear(items: Uint32Array | Float64Array, at: number, length: number): void {
  if (length > SHORT) items.fill(0, at, at + length);
  else for (let i = at; i < at + length; i++) items[i] = 0;
}
