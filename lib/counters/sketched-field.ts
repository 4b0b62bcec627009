/**
 * A field of values, known by their hashes of 64 bits. As long as there are few it keeps each of them, with what it counts of
 * it in each window; with more, each window that has any gets a sketch. When all windows have passed it begins anew.
 *
 * ```
 *   in the record       few values: a block of entries            many: a block with a sketch for each window
 *   ┌─────────┬───────┐  ┌─────┬──────┬────────────────────┬───  ┌──────────┬──────────┬───
 *   │ address │ count │  │ low │ high │ of it in each window │ …   │ address  │ address  │ …
 *   └─────────┴───────┘  └─────┴──────┴────────────────────┴───  └──────────┴──────────┴───
 * ```
 */
import type { Blocks } from "./blocks.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { clear, copy } from "./copy.ts";
import { type Field, type FieldShape, slotWithin } from "./field.ts";
import type { KeyTable } from "./key-table.ts";

/** Different values that are kept as they are. */
const MOST_EXACT = 64;
/** In the place of a count: there are sketches. */
const SKETCHED = 0xffff;
/** Words of an entry before what is counted. */
const HASH_WORDS = 2;

/** Words of what such a field keeps. */
export interface SketchedSizes {
  /** Of an entry, for what is counted of a value. */
  countWords: number;
  sketchWords: number;
}

export abstract class SketchedField implements Field {
  /** Words that such a field takes in a record. */
  static readonly WORDS = 2;
  abstract readonly shape: FieldShape;
  private readonly countWords: number;
  private readonly sketchWords: number;

  /** @param offset words from the record's begin */
  protected constructor(
    readonly name: string,
    protected readonly table: KeyTable,
    protected readonly blocks: Blocks,
    private readonly offset: number,
    protected readonly windows: number,
    { countWords, sketchWords }: SketchedSizes,
  ) {
    this.countWords = countWords;
    this.sketchWords = sketchWords;
  }

  /** Reads on over what {@link write} of a field of these sizes wrote. */
  static skip(from: ByteReader, { countWords, sketchWords }: SketchedSizes): void {
    const count = from.u16();
    if (count !== SKETCHED) from.bytes(count * (HASH_WORDS + countWords) * 4);
    else for (let sketches = from.u16(); sketches > 0; sketches--) from.bytes(2 + sketchWords * 4);
  }

  /** Counts a value in an entry, whose counts begin at `at`. */
  protected abstract addExact(words: Uint32Array, at: number, slot: number, n: number): void;
  /** What an entry has of a window; 0 for nothing. */
  protected abstract exactInSlot(words: Uint32Array, at: number, slot: number): number;
  /** Forgets what an entry has of a window. */
  protected abstract expireExact(words: Uint32Array, at: number, slot: number): void;
  /** Counts a value, `n` times where that makes a difference, in the sketch of this address. */
  protected abstract addToSketch(sketch: number, low: number, high: number, n: number): void;
  abstract total(record: number): number;
  abstract inSlot(record: number, slot: number): number;

  /** Counts a value by the halves of its hash. */
  addValue(record: number, slot: number, low: number, high: number, n: number): void {
    if (this.isSketched(record)) return this.addToSketch(this.sketchOf(record, slot), low, high, n);
    const entry = this.findEntry(record, low, high) || this.appendEntry(record, low, high);
    if (entry !== 0) return this.addExact(this.blocks.words[entry >>> 16]!, (entry & 0xffff) + HASH_WORDS, slot, n);
    this.makeSketches(record);
    this.addToSketch(this.sketchOf(record, slot), low, high, n);
  }

  expire(record: number, slot: number): void {
    const { blocks } = this;
    const address = this.address(record);
    if (address === 0) return;
    const words = blocks.words[address >>> 16]!;
    const start = address & 0xffff;
    if (this.isSketched(record)) {
      if (words[start + slot]) blocks.release(words[start + slot]!);
      words[start + slot] = 0;
      for (let i = start; i < start + this.windows; i++) if (words[i] !== 0) return;
      return this.clear(record);
    }
    const size = HASH_WORDS + this.countWords;
    let kept = start;
    const end = start + this.count(record) * size;
    for (let at = start; at < end; at += size) {
      this.expireExact(words, at + HASH_WORDS, slot);
      if (isZero(words, at + HASH_WORDS, this.countWords)) continue;
      if (kept !== at) copy(words, at, words, kept, size);
      kept += size;
    }
    if (kept === start) return this.clear(record);
    this.setCount(record, (kept - start) / size);
  }

  clear(record: number): void {
    const address = this.address(record);
    if (address === 0) return;
    if (this.isSketched(record)) this.eachSketch(record, (sketch) => this.blocks.release(sketch));
    this.blocks.release(address);
    this.set(record, 0, 0);
  }

  write(record: number, to: ByteWriter): void {
    const count = this.count(record);
    to.u16(count);
    const write = (address: number, size: number): void => {
      to.bytes(this.blocks.bytes[address >>> 16]!, (address & 0xffff) * 4, size * 4);
    };
    if (count !== SKETCHED) {
      if (count > 0) write(this.address(record), count * (HASH_WORDS + this.countWords));
      return;
    }
    let sketches = 0;
    this.eachSketch(record, () => sketches++);
    to.u16(sketches);
    this.eachSketch(record, (sketch, slot) => {
      to.u16(slot);
      write(sketch, this.sketchWords);
    });
  }

  read(record: number, from: ByteReader): void {
    const count = from.u16();
    const read = (address: number, size: number): void =>
      from.bytesTo(this.blocks.bytes[address >>> 16]!, (address & 0xffff) * 4, size * 4);
    if (count === SKETCHED) {
      this.set(record, this.blocks.allocate(this.windows), SKETCHED);
      for (let sketches = from.u16(); sketches > 0; sketches--) {
        read(this.sketchOf(record, slotWithin(from.u16(), this.windows)), this.sketchWords);
      }
      return;
    }
    if (count > MOST_EXACT) throw new RangeError(`${count} values`);
    if (count === 0) return;
    const size = count * (HASH_WORDS + this.countWords);
    this.set(record, this.blocks.allocate(size), count);
    read(this.address(record), size);
  }

  protected isSketched(record: number): boolean {
    return this.count(record) === SKETCHED;
  }

  /** How many values there are when there are few. */
  protected count(record: number): number {
    return this.table.words(record)[this.table.at(record) + this.offset + 1]!;
  }

  /** The address of an entry, 0 when there is none. */
  protected findEntry(record: number, low: number, high: number): number {
    const address = this.address(record);
    if (address === 0) return 0;
    const words = this.blocks.words[address >>> 16]!;
    const size = HASH_WORDS + this.countWords;
    const start = address & 0xffff;
    const end = start + this.count(record) * size;
    for (let at = start; at < end; at += size) {
      if (words[at] === low && words[at + 1] === high) return address + at - start;
    }
    return 0;
  }

  /** Calls back with where the counts of each entry are. */
  protected eachEntry(record: number, callback: (words: Uint32Array, at: number) => void): void {
    const address = this.address(record);
    const words = this.blocks.words[address >>> 16]!;
    const size = HASH_WORDS + this.countWords;
    const first = (address & 0xffff) + HASH_WORDS;
    for (let i = 0; i < this.count(record); i++) callback(words, first + i * size);
  }

  protected eachSketch(record: number, callback: (sketch: number, slot: number) => void): void {
    for (let slot = 0; slot < this.windows; slot++) {
      const sketch = this.sketchIn(record, slot);
      if (sketch !== 0) callback(sketch, slot);
    }
  }

  /** The address of a window's sketch, 0 when it has none. */
  protected sketchIn(record: number, slot: number): number {
    const address = this.address(record);
    return this.blocks.words[address >>> 16]![(address & 0xffff) + slot]!;
  }

  /** The same, made if need be. */
  private sketchOf(record: number, slot: number): number {
    const sketch = this.sketchIn(record, slot) || this.blocks.allocate(this.sketchWords);
    const address = this.address(record);
    this.blocks.words[address >>> 16]![(address & 0xffff) + slot] = sketch;
    return sketch;
  }

  /** @returns the address of a new entry, 0 when there are too many */
  private appendEntry(record: number, low: number, high: number): number {
    const { blocks } = this;
    const count = this.count(record);
    if (count === MOST_EXACT) return 0;
    const size = HASH_WORDS + this.countWords;
    let address = this.address(record);
    if (address === 0 || blocks.size(address) < (count + 1) * size) {
      const larger = blocks.allocate((count + 1) * size);
      if (address !== 0) {
        const [from, to] = [blocks.words[address >>> 16]!, blocks.words[larger >>> 16]!];
        copy(from, address & 0xffff, to, larger & 0xffff, count * size);
        blocks.release(address);
      }
      address = larger;
    }
    this.set(record, address, count + 1);
    const words = blocks.words[address >>> 16]!;
    const at = (address & 0xffff) + count * size;
    words[at] = low;
    words[at + 1] = high;
    clear(words, at + HASH_WORDS, this.countWords);
    return address + count * size;
  }

  private makeSketches(record: number): void {
    const { blocks, windows } = this;
    const [address, count] = [this.address(record), this.count(record)];
    this.set(record, blocks.allocate(windows), SKETCHED);
    const size = HASH_WORDS + this.countWords;
    for (let i = 0; i < count; i++) {
      const words = blocks.words[address >>> 16]!;
      const at = (address & 0xffff) + i * size;
      for (let slot = 0; slot < windows; slot++) {
        const n = this.exactInSlot(words, at + HASH_WORDS, slot);
        if (n !== 0) this.addToSketch(this.sketchOf(record, slot), words[at]!, words[at + 1]!, n);
      }
    }
    blocks.release(address);
  }

  private address(record: number): number {
    return this.table.words(record)[this.table.at(record) + this.offset]!;
  }

  private set(record: number, address: number, count: number): void {
    const words = this.table.words(record);
    const at = this.table.at(record) + this.offset;
    words[at] = address;
    words[at + 1] = count;
  }

  private setCount(record: number, count: number): void {
    this.table.words(record)[this.table.at(record) + this.offset + 1] = count;
  }
}

function isZero(words: Uint32Array, at: number, count: number): boolean {
  for (let i = at; i < at + count; i++) if (words[i] !== 0) return false;
  return true;
}
