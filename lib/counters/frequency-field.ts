/** How often each value came in each window, and in all: exact while they are few, then count-min. */
import type { Blocks } from "./blocks.ts";
import { addSaturated, columnOf, type CountMinShape } from "./count-min.ts";
import type { KeyTable } from "./key-table.ts";
import { SketchedField, type SketchedSizes } from "./sketched-field.ts";

export class FrequencyField extends SketchedField {
  /** @param shape that of the sketches */
  constructor(
    name: string,
    readonly shape: { kind: "countmin" } & CountMinShape,
    table: KeyTable,
    blocks: Blocks,
    offset: number,
    windows: number,
  ) {
    super(name, table, blocks, offset, windows, FrequencyField.sizes(shape, windows));
  }

  /** Of each value it is kept how often it came in each window. */
  static sizes({ width, depth }: CountMinShape, windows: number): SketchedSizes {
    return { countWords: windows, sketchWords: width * depth };
  }

  /** How often all values together. */
  total(record: number): number {
    let sum = 0;
    for (let slot = 0; slot < this.windows; slot++) sum += this.inSlot(record, slot);
    return sum;
  }

  inSlot(record: number, slot: number): number {
    let sum = 0;
    if (!this.isSketched(record)) {
      this.eachEntry(record, (words, at) => (sum += this.exactInSlot(words, at, slot)));
      return sum;
    }
    const sketch = this.sketchIn(record, slot);
    if (sketch === 0) return 0;
    // Each value counts once in a row, so a row has them all.
    const words = this.blocks.words[sketch >>> 16]!;
    const start = sketch & 0xffff;
    for (let i = start; i < start + this.shape.width; i++) sum += words[i]! | 0;
    return sum;
  }

  /** How often one value. */
  totalOf(record: number, low: number, high: number): number {
    return this.sumOf(record, low, high, 0, this.windows);
  }

  inSlotOf(record: number, slot: number, low: number, high: number): number {
    return this.sumOf(record, low, high, slot, slot + 1);
  }

  /**
   * Over some windows: the least of the rows' sums. (The sum of each window's least would be nearer to the truth, but for
   * values that are taken away in a later window than they came in: it may be below the truth.)
   */
  private sumOf(record: number, low: number, high: number, from: number, end: number): number {
    if (!this.isSketched(record)) {
      const entry = this.findEntry(record, low, high);
      if (entry === 0) return 0;
      const words = this.blocks.words[entry >>> 16]!;
      let sum = 0;
      for (let slot = from; slot < end; slot++) sum += this.exactInSlot(words, (entry & 0xffff) + 2, slot);
      return sum;
    }
    const { width, depth } = this.shape;
    let least = Infinity;
    for (let row = 0; row < depth; row++) {
      const place = row * width + columnOf(low, high, row, width);
      let sum = 0;
      for (let slot = from; slot < end; slot++) {
        const sketch = this.sketchIn(record, slot);
        if (sketch !== 0) sum += this.blocks.words[sketch >>> 16]![(sketch & 0xffff) + place]! | 0;
      }
      least = Math.min(least, sum);
    }
    return least;
  }

  protected addExact(words: Uint32Array, at: number, slot: number, n: number): void {
    words[at + slot] = addSaturated(words[at + slot]!, n);
  }

  protected exactInSlot(words: Uint32Array, at: number, slot: number): number {
    return words[at + slot]! | 0;
  }

  protected expireExact(words: Uint32Array, at: number, slot: number): void {
    words[at + slot] = 0;
  }

  protected addToSketch(sketch: number, low: number, high: number, n: number): void {
    const { width, depth } = this.shape;
    const words = this.blocks.words[sketch >>> 16]!;
    const start = sketch & 0xffff;
    for (let row = 0; row < depth; row++) {
      const at = start + row * width + columnOf(low, high, row, width);
      words[at] = addSaturated(words[at]!, n);
    }
  }
}
