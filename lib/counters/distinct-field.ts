/** How many different values there are in each window, and in all: exact while they are few, then HyperLogLog. */
import type { Blocks } from "./blocks.ts";
import { addToHyperLogLog, estimateHyperLogLog, mergeHyperLogLog } from "./hyperloglog.ts";
import type { KeyTable } from "./key-table.ts";
import { SketchedField, type SketchedSizes } from "./sketched-field.ts";

export class DistinctField extends SketchedField {
  private readonly union: Uint8Array;

  /** @param shape its bits are those of the sketches */
  constructor(
    name: string,
    readonly shape: { kind: "hll"; bits: number },
    table: KeyTable,
    blocks: Blocks,
    offset: number,
    windows: number,
  ) {
    super(name, table, blocks, offset, windows, DistinctField.sizes(shape, windows));
    this.union = new Uint8Array(1 << shape.bits);
  }

  /** Of each value it is kept in which windows it came: a bit each. */
  static sizes({ bits }: { bits: number }, windows: number): SketchedSizes {
    return { countWords: Math.ceil(windows / 32), sketchWords: (1 << bits) / 4 };
  }

  total(record: number): number {
    if (!this.isSketched(record)) return this.count(record);
    this.union.fill(0);
    for (let slot = 0; slot < this.windows; slot++) {
      const sketch = this.sketchIn(record, slot);
      if (sketch !== 0) mergeHyperLogLog(this.union, this.blocks.bytes[sketch >>> 16]!, (sketch & 0xffff) * 4);
    }
    return estimateHyperLogLog(this.union, 0, this.union.length);
  }

  inSlot(record: number, slot: number): number {
    if (this.isSketched(record)) {
      const sketch = this.sketchIn(record, slot);
      const bytes = this.blocks.bytes[sketch >>> 16]!;
      return sketch === 0 ? 0 : estimateHyperLogLog(bytes, (sketch & 0xffff) * 4, this.union.length);
    }
    let count = 0;
    this.eachEntry(record, (words, at) => (count += this.exactInSlot(words, at, slot)));
    return count;
  }

  protected addExact(words: Uint32Array, at: number, slot: number): void {
    words[at + (slot >>> 5)]! |= 1 << (slot & 31);
  }

  protected exactInSlot(words: Uint32Array, at: number, slot: number): number {
    return (words[at + (slot >>> 5)]! >>> (slot & 31)) & 1;
  }

  protected expireExact(words: Uint32Array, at: number, slot: number): void {
    words[at + (slot >>> 5)]! &= ~(1 << (slot & 31));
  }

  protected addToSketch(sketch: number, low: number, high: number): void {
    addToHyperLogLog(this.blocks.bytes[sketch >>> 16]!, (sketch & 0xffff) * 4, this.shape.bits, low, high);
  }
}
