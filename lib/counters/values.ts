/**
 * The values of one field in one window: exact while there are few, a sketch beyond.
 *
 * ```
 *   exact, with room for n:   [n, how many, (high, low, how often) × n]     hashes of 64 bits; an hll does not ask how often
 *   sketch:                   [SKETCH, all together, registers or counters]
 * ```
 */
import { addTo, type CountMinShape, frequency } from "./count-min.ts";
import { note } from "./hyperloglog.ts";
import type { Pool } from "./pool.ts";

/** Different values that are kept exactly. */
const MOST_EXACT = 64;
const SKETCH = 0xffff_ffff;
const HEADER = 2;

export type Sketch = { kind: "hll"; bits: number } | { kind: "countmin"; shape: CountMinShape };

const sketchWords = (sketch: Sketch): number =>
  HEADER + (sketch.kind === "hll" ? 2 ** sketch.bits / 4 : sketch.shape.width * sketch.shape.depth);

/** Values in blocks of a pool, all of one kind of sketch. */
export class Values {
  private readonly sketchWords: number;
  /** Words of a value. */
  private readonly entry: 2 | 3;

  constructor(
    private readonly pool: Pool,
    private readonly sketch: Sketch,
  ) {
    this.sketchWords = sketchWords(sketch);
    this.entry = sketch.kind === "hll" ? 2 : 3;
  }

  /** @param block 0 for none yet @returns the block from now on */
  add(block: number, high: number, low: number, count: number): number {
    if (block === 0) {
      if (count < 0) return 0;
      block = this.pool.allocate(HEADER + this.entry);
      this.pool.page(block)[this.pool.offset(block)] = 1;
    }
    const { words, start, room } = this.open(block);
    if (room === SKETCH) {
      this.addToSketch(words, start, high, low, count);
      return block;
    }
    const used = words[start + 1]!;
    const at = this.find(words, start, used, high, low);
    if (at > 0) {
      if (this.entry === 3) words[at + 2] = Math.min(Math.max(words[at + 2]! + count, 0), SKETCH);
      return block;
    }
    if (count < 0) return block;
    if (used === room) return this.add(this.grow(block, room), high, low, count);
    const end = start + HEADER + used * this.entry;
    words[end] = high;
    words[end + 1] = low;
    if (this.entry === 3) words[end + 2] = count;
    words[start + 1] = used + 1;
    return block;
  }

  release(block: number): void {
    if (block !== 0) this.pool.release(block, this.size(block));
  }

  /** How often a value came; all of them together without one. */
  frequency(block: number, value?: readonly [high: number, low: number]): number {
    if (block === 0) return 0;
    const { words, start, room } = this.open(block);
    if (room === SKETCH) {
      if (!value) return words[start + 1]!;
      return this.sketch.kind === "countmin" ? frequency(words, start + HEADER, this.sketch.shape, value) : 0;
    }
    if (value) {
      const at = this.find(words, start, words[start + 1]!, ...value);
      return at > 0 ? words[at + 2]! : 0;
    }
    let sum = 0;
    for (let i = 0; i < words[start + 1]!; i++) sum += words[start + HEADER + i * this.entry + 2]!;
    return sum;
  }

  /** How many different values a block has; undefined when it is a sketch. */
  exactCount(block: number): number | undefined {
    const { words, start, room } = this.open(block);
    return room === SKETCH ? undefined : words[start + 1]!;
  }

  /** Adds a block's values to a union. */
  unite(block: number, union: Union): void {
    const { words, start, room } = this.open(block);
    if (room === SKETCH) {
      const bytes = new Uint8Array(words.buffer, (start + HEADER) * 4, union.registers.length);
      for (const [i, rank] of bytes.entries()) if (union.registers[i]! < rank) union.registers[i] = rank;
      union.exact = undefined;
      return;
    }
    for (let i = 0; i < words[start + 1]!; i++) {
      const at = start + HEADER + i * this.entry;
      note(union.registers, 0, union.bits, words[at]!, words[at + 1]!);
      union.exact?.add(words[at]! * 2 ** 21 + (words[at + 1]! & 0x1f_ffff));
    }
  }

  /** The words of a block, for a snapshot. */
  read(block: number): Uint32Array {
    const start = this.pool.offset(block);
    return this.pool.page(block).subarray(start, start + this.size(block));
  }

  /** A block of such words; 0 when they are none. */
  write(words: Uint32Array): number {
    const [room, used] = words;
    if (room === undefined || used === undefined) return 0;
    const expected = room === SKETCH ? this.sketchWords : HEADER + room * this.entry;
    const isRoom = room === SKETCH || (room >= 1 && room <= MOST_EXACT && (room & (room - 1)) === 0 && used <= room);
    if (!isRoom || words.length !== expected) return 0;
    const block = this.pool.allocate(expected);
    this.pool.page(block).set(words, this.pool.offset(block));
    return block;
  }

  /** @returns where the value stands, 0 when it does not */
  private find(words: Uint32Array, start: number, used: number, high: number, low: number): number {
    const end = start + HEADER + used * this.entry;
    for (let at = start + HEADER; at < end; at += this.entry) {
      if (words[at] === high && words[at + 1] === low) return at;
    }
    return 0;
  }

  private open(block: number): { words: Uint32Array; start: number; room: number } {
    const words = this.pool.page(block);
    const start = this.pool.offset(block);
    return { words, start, room: words[start]! };
  }

  private size(block: number): number {
    const { room } = this.open(block);
    return room === SKETCH ? this.sketchWords : HEADER + room * this.entry;
  }

  /** Moves values to a block with room for more, or into a sketch. */
  private grow(block: number, room: number): number {
    const sketched = room === MOST_EXACT;
    const larger = this.pool.allocate(sketched ? this.sketchWords : HEADER + 2 * room * this.entry);
    const [from, to] = [this.open(block), this.open(larger)];
    to.words[to.start] = sketched ? SKETCH : 2 * room;
    if (sketched) {
      for (let i = 0; i < room; i++) {
        const at = from.start + HEADER + i * this.entry;
        this.addToSketch(
          to.words,
          to.start,
          from.words[at]!,
          from.words[at + 1]!,
          this.entry === 3 ? from.words[at + 2]! : 1,
        );
      }
    } else {
      to.words.set(from.words.subarray(from.start + 1, from.start + HEADER + room * this.entry), to.start + 1);
    }
    this.pool.release(block, HEADER + room * this.entry);
    return larger;
  }

  private addToSketch(words: Uint32Array, start: number, high: number, low: number, count: number): void {
    words[start + 1] = Math.min(Math.max(words[start + 1]! + count, 0), SKETCH);
    if (this.sketch.kind === "countmin") addTo(words, start + HEADER, this.sketch.shape, [high, low], count);
    else note(new Uint8Array(words.buffer), (start + HEADER) * 4, this.sketch.bits, high, low);
  }
}

/** The different values of several blocks. */
export interface Union {
  bits: number;
  registers: Uint8Array;
  /** 53 bits of each hash, while no block is a sketch. */
  exact: Set<number> | undefined;
}
