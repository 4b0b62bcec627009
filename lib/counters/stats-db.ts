/**
 * One db of counters: for each key some fields, each counted in windows that pass with time. A window is known by its number,
 * that of its length since the beginning of time; nothing is done when one passes, but a key is brought up to date when it is
 * used.
 */
import { Blocks } from "./blocks.ts";
import { DistinctField } from "./distinct-field.ts";
import type { FieldShape } from "./field.ts";
import { FrequencyField } from "./frequency-field.ts";
import { IntField } from "./int-field.ts";
import { HEADER_WORDS, KeyTable } from "./key-table.ts";
import type { KeyedHash } from "./keyed-hash.ts";
import { SketchedField } from "./sketched-field.ts";

export interface DbShape {
  name: string;
  /** Seconds. */
  window: number;
  /** How many. */
  windows: number;
  /** By name. */
  fields: ReadonlyMap<string, FieldShape>;
}

export type AnyField = IntField | DistinctField | FrequencyField;

/** Keys that nothing is left of, removed for each one that comes. */
const EXPIRED_PER_INSERT = 2;

const DEFAULT_MAX_KEYS = 500_000;

export class StatsDb {
  readonly fields: readonly AnyField[];
  /** Bits of IPv4 and IPv6 addresses that make a key. */
  v4Prefix = 32;
  v6Prefix = 128;
  /** How often something was counted or removed. */
  changes = 0;
  /** Told of each key before it is used or removed, and of each that has come: see walk.ts. */
  watcher: { before: (record: number) => void; added: (record: number) => void } | undefined;
  readonly table: KeyTable;
  private readonly blocks = new Blocks();
  private mostKeys = DEFAULT_MAX_KEYS;

  /** @param time milliseconds that never go back */
  constructor(
    readonly shape: DbShape,
    readonly hash: KeyedHash,
    private readonly time: () => number,
  ) {
    const { windows } = shape;
    const { blocks } = this;
    const wordsOf = ({ kind }: FieldShape): number => (kind === "int" ? IntField.words(windows) : SketchedField.WORDS);
    const shapes = [...shape.fields];
    this.table = new KeyTable(hash, blocks, HEADER_WORDS + shapes.reduce((sum, [, field]) => sum + wordsOf(field), 0));
    let end = HEADER_WORDS;
    this.fields = shapes.map(([name, field]): AnyField => {
      const offset = end;
      end += wordsOf(field);
      if (field.kind === "int") return new IntField(name, this.table, offset, windows);
      if (field.kind === "hll") return new DistinctField(name, field, this.table, blocks, offset, windows);
      return new FrequencyField(name, field, this.table, blocks, offset, windows);
    });
  }

  /** How many keys there are. */
  get size(): number {
    return this.table.size;
  }

  /** How many there may be. */
  get maxKeys(): number {
    return this.mostKeys;
  }

  /** Over the bound the keys used longest ago go. */
  set maxKeys(keys: number) {
    this.mostKeys = keys;
    while (this.size > keys) this.remove(this.table.oldest);
  }

  /** Bytes that are in use. */
  get memory(): number {
    return this.table.memory + this.blocks.used * 4;
  }

  /** The number of the window that is now. */
  get window(): number {
    return Math.floor(this.time() / (this.shape.window * 1000));
  }

  /** The record of a key, brought up to date and used last from now on; 0 when there is none or nothing is left of it. */
  find(bytes: Uint8Array, at: number, length: number): number {
    const record = this.table.find(bytes, at, length);
    if (record === 0) return 0;
    const now = this.window;
    if (this.isExpired(record, now)) {
      this.remove(record);
      return 0;
    }
    this.watcher?.before(record);
    this.bringUpToDate(record, now);
    this.table.touch(record);
    return record;
  }

  /** The same, made if need be. */
  findOrAdd(bytes: Uint8Array, at: number, length: number): number {
    this.changes++;
    const found = this.find(bytes, at, length);
    if (found !== 0) return found;
    const now = this.window;
    for (let i = 0; i < EXPIRED_PER_INSERT && this.removeExpired(now); i++);
    if (this.size >= this.mostKeys) this.remove(this.table.oldest);
    // Those that were removed have not changed what was looked for.
    const record = this.table.insert();
    this.table.setWindow(record, now);
    this.watcher?.added(record);
    return record;
  }

  /** The slot of the newest window of a record that is up to date. */
  newestSlot(record: number): number {
    return this.table.window(record) % this.shape.windows;
  }

  /** The slots of all windows of such a record, newest first. */
  slots(record: number): number[] {
    const { windows } = this.shape;
    const newest = this.newestSlot(record);
    return Array.from({ length: windows }, (_, i) => (newest - i + windows) % windows);
  }

  /** Removes a key. @returns whether it was there */
  reset(bytes: Uint8Array, at: number, length: number): boolean {
    const record = this.find(bytes, at, length);
    if (record === 0) return false;
    this.remove(record);
    return true;
  }

  /** Removes the oldest key when nothing is left of it. @returns whether it did */
  removeExpired(now: number): boolean {
    const { oldest } = this.table;
    if (oldest === 0 || !this.isExpired(oldest, now)) return false;
    this.remove(oldest);
    return true;
  }

  /** Removes all keys. */
  clear(): void {
    while (this.table.oldest !== 0) this.remove(this.table.oldest);
  }

  private remove(record: number): void {
    this.changes++;
    this.watcher?.before(record);
    for (const field of this.fields) field.clear(record);
    this.table.remove(record);
  }

  private isExpired(record: number, now: number): boolean {
    return now - this.table.window(record) >= this.shape.windows;
  }

  /** Forgets the windows that have passed since the record was used last. */
  private bringUpToDate(record: number, now: number): void {
    const last = this.table.window(record);
    if (now <= last) return;
    for (const field of this.fields) {
      for (let window = last + 1; window <= now; window++) field.expire(record, window % this.shape.windows);
    }
    this.table.setWindow(record, now);
  }
}
