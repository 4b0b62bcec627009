/**
 * Memory for what has no fixed size: blocks of words of 32 bits, in chunks that are never moved. A million small blocks are
 * a few hundred buffers to the garbage collector, and no allocation copies what is there.
 *
 * A block is known by its address: the number of its chunk in the upper 16 bits, and where it begins in the lower. All blocks
 * of a chunk have one size, a power of two or one and a half times that, so a free one fits whoever needs that size next.
 */
import { clear } from "./copy.ts";

/** Words of a chunk, and of the largest block. */
export const LARGEST_BLOCK = 65_536;
const MOST_CHUNKS = 65_536;

export class Blocks {
  /** By chunk. */
  readonly words: Uint32Array[] = [];
  /** The same as bytes. */
  readonly bytes: Uint8Array[] = [];
  /** Words of each block of a chunk. */
  private readonly sizes: number[] = [];
  /** By class of size: the first free block, which has the address of the next in its first word. */
  private readonly free: number[] = [];
  /** By class of size: the first block of its newest chunk that was never used, and where that chunk ends. */
  private readonly fresh: { next: number; end: number }[] = [];
  /** Words of all blocks in use. */
  used = 0;

  /**
   * @param size words, at most {@link LARGEST_BLOCK}
   * @returns the address of a block of at least so many words, all 0; never 0 itself
   */
  allocate(size: number): number {
    const sizeClass = classOf(size);
    const address = this.free[sizeClass] || this.allocateFresh(sizeClass);
    const words = this.words[address >>> 16]!;
    const at = address & 0xffff;
    const blockSize = this.sizes[address >>> 16]!;
    this.free[sizeClass] = words[at]!;
    clear(words, at, blockSize);
    this.used += blockSize;
    return address;
  }

  release(address: number): void {
    const blockSize = this.size(address);
    const sizeClass = classOf(blockSize);
    this.words[address >>> 16]![address & 0xffff] = this.free[sizeClass] ?? 0;
    this.free[sizeClass] = address;
    this.used -= blockSize;
  }

  /** Words that a block has. */
  size(address: number): number {
    return this.sizes[address >>> 16]!;
  }

  private allocateFresh(sizeClass: number): number {
    let fresh = this.fresh[sizeClass];
    const size = sizeOf(sizeClass);
    if (!fresh || fresh.next + size > fresh.end) fresh = this.fresh[sizeClass] = this.addChunk(size);
    const { next } = fresh;
    fresh.next += size;
    return next;
  }

  private addChunk(size: number): { next: number; end: number } {
    const chunk = this.words.length;
    if (chunk === MOST_CHUNKS) throw new RangeError("the 16 GiB of a db are used up");
    const words = new Uint32Array(LARGEST_BLOCK);
    this.words.push(words);
    this.bytes.push(new Uint8Array(words.buffer));
    this.sizes.push(size);
    const start = chunk * LARGEST_BLOCK;
    // 0 is no address. (A chunk of one block is never the first: keys come before what they hold, and are short.)
    return { next: start === 0 ? size : start, end: start + LARGEST_BLOCK };
  }
}

/** The smallest class of 2, 3, 4, 6, 8, 12 … words that holds so many. */
function classOf(size: number): number {
  if (size <= 2) return 0;
  const bit = 31 - Math.clz32(size - 1);
  return size <= 3 << (bit - 1) ? bit * 2 - 1 : bit * 2;
}

const sizeOf = (sizeClass: number): number => (sizeClass & 1 ? 3 : 2) << (sizeClass >> 1);
