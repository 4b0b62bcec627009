/** What is counted for each key, window by window. A slot is the place of a window: its number modulo the windows of the db. */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { CountMinShape } from "./count-min.ts";

/** What a field counts, and how exactly. Two of the same shape can read each other's contents. */
export type FieldShape =
  | { kind: "int" }
  /** @property bits the logarithm of the number of registers */
  | { kind: "hll"; bits: number }
  | ({ kind: "countmin" } & CountMinShape);

export interface Field {
  readonly name: string;
  readonly shape: FieldShape;
  /** Over all windows: the sum, or for hll the number of different values. */
  total(record: number): number;
  /** The same of one window. */
  inSlot(record: number, slot: number): number;
  /** Forgets a window. */
  expire(record: number, slot: number): void;
  /** Forgets all, and releases the memory that is not in the record. */
  clear(record: number): void;
  write(record: number, to: ByteWriter): void;
  /**
   * Takes in what {@link write} wrote, into a record whose field is clear.
   * @throws {RangeError} when it cannot have been written so
   */
  read(record: number, from: ByteReader): void;
}

/** A slot that was read. @throws {RangeError} when there is no such one */
export function slotWithin(slot: number, windows: number): number {
  if (slot >= windows) throw new RangeError(`window ${slot} of ${windows}`);
  return slot;
}
