/** A sum for each window: a number of 64 bits in the record. */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { clear } from "./copy.ts";
import { type Field, slotWithin } from "./field.ts";
import type { KeyTable } from "./key-table.ts";

export class IntField implements Field {
  readonly shape = { kind: "int" } as const;

  /** @param offset words from the record's begin, even */
  constructor(
    readonly name: string,
    private readonly table: KeyTable,
    private readonly offset: number,
    private readonly windows: number,
  ) {}

  /** Words that such a field takes in a record. */
  static words(windows: number): number {
    return windows * 2;
  }

  add(record: number, slot: number, n: number): void {
    this.table.numbers(record)[this.at(record) + slot]! += n;
  }

  total(record: number): number {
    const numbers = this.table.numbers(record);
    const at = this.at(record);
    let sum = 0;
    for (let i = at; i < at + this.windows; i++) sum += numbers[i]!;
    return sum;
  }

  inSlot(record: number, slot: number): number {
    return this.table.numbers(record)[this.at(record) + slot]!;
  }

  expire(record: number, slot: number): void {
    this.table.numbers(record)[this.at(record) + slot] = 0;
  }

  clear(record: number): void {
    clear(this.table.numbers(record), this.at(record), this.windows);
  }

  write(record: number, to: ByteWriter): void {
    const numbers = this.table.numbers(record);
    const at = this.at(record);
    let count = 0;
    for (let slot = 0; slot < this.windows; slot++) if (numbers[at + slot] !== 0) count++;
    to.u16(count);
    for (let slot = 0; slot < this.windows; slot++) {
      if (numbers[at + slot] === 0) continue;
      to.u16(slot);
      to.f64(numbers[at + slot]!);
    }
  }

  read(record: number, from: ByteReader): void {
    for (let count = from.u16(); count > 0; count--) this.add(record, slotWithin(from.u16(), this.windows), from.f64());
  }

  /** Reads on over what {@link write} wrote. */
  static skip(from: ByteReader): void {
    for (let count = from.u16(); count > 0; count--) from.bytes(10);
  }

  private at(record: number): number {
    return (this.table.at(record) + this.offset) / 2;
  }
}
