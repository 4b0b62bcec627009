/**
 * Counts by key in windows of time: wforce's StringStatsDB.
 *
 * Of each key there is a row: whole numbers and blocks of {@link Values} for `windows` windows of each field, written round in
 * a circle. Windows are numbered by the monotonic clock, so that a clock which is set moves none; a row that is used forgets
 * the windows that have passed since. Ints have 32 bits, as wforce's; a sum that would not fit stays at the end.
 */
import { formatAddress, maskBytes } from "../address/address.ts";
import { type ByteString, copyOf, toByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import type { CountMinShape } from "./count-min.ts";
import { halves, hash } from "./hash.ts";
import { estimate } from "./hyperloglog.ts";
import { Keys } from "./keys.ts";
import { Pool } from "./pool.ts";
import { type Sketch, type Union, Values } from "./values.ts";

export type FieldKind = "int" | "hll" | "countmin";

export interface StatsDBOptions {
  name: string;
  /** Seconds. */
  window: number;
  windows: number;
  fields: ReadonlyMap<string, FieldKind>;
  /** log2 of the registers of an hll. */
  hllBits: number;
  countMin: CountMinShape;
  /** Of hashes: random in a daemon, fixed in a replay. */
  seed: number;
}

interface Field {
  name: string;
  kind: FieldKind;
  /** Where its windows begin in a row of ints or of blocks. */
  at: number;
  values: Values | undefined;
}

/** Rows of a page. */
const PAGE = 1024;
const MOST_KEYS = 500_000;
/** Bytes of a key; of a longer one the beginning and a hash stand for it. */
const LONGEST_KEY = 256;
const KEPT_OF_LONG = 192;
/** Bytes that a key takes in maps and lists beside its text, roughly. */
const KEY_OVERHEAD = 100;
/** Keys at the end that are looked at for each new one: so many more go than come. */
const EXPIRY_LOOKS = 2;

export class StringStatsDB {
  readonly name: string;
  readonly fields: readonly Field[];
  /** The bound on keys. */
  maxSize = MOST_KEYS;
  v4Prefix = 32;
  v6Prefix = 128;
  private readonly keys = new Keys();
  private readonly pool = new Pool();
  private readonly ints: Int32Array[] = [];
  private readonly blocks: Uint32Array[] = [];
  /** The newest window of each row. */
  private readonly newest: Int32Array[] = [];
  private readonly intWidth: number;
  private readonly blockWidth: number;
  private keyBytes = 0;

  constructor(
    private readonly clock: Clock,
    readonly options: StatsDBOptions,
  ) {
    const { fields, windows, hllBits, countMin } = options;
    this.name = options.name;
    let [intWidth, blockWidth] = [0, 0];
    this.fields = Array.from(fields, ([name, kind]) => {
      if (kind === "int") return { name, kind, at: (intWidth += windows) - windows, values: undefined };
      const sketch: Sketch = kind === "hll" ? { kind, bits: hllBits } : { kind, shape: countMin };
      return { name, kind, at: (blockWidth += windows) - windows, values: new Values(this.pool, sketch) };
    });
    this.intWidth = intWidth;
    this.blockWidth = blockWidth;
  }

  get size(): number {
    return this.keys.size;
  }

  /** Bytes, roughly. */
  get memory(): number {
    const pages = [...this.ints, ...this.blocks, ...this.newest].reduce((sum, page) => sum + page.byteLength, 0);
    return pages + this.pool.memory + this.keyBytes + this.keys.size * KEY_OVERHEAD;
  }

  /** An address as a key: masked by the db's prefix, and with it where that is not the whole. */
  keyOf(address: ByteString): ByteString {
    const bits = address.length === 4 ? this.v4Prefix : this.v6Prefix;
    const text = formatAddress(maskBytes(address, bits));
    return toByteString(bits === address.length * 8 ? text : `${text}/${bits}`);
  }

  /** Adds to an int. */
  addNumber(key: ByteString, field: Field, value: number): void {
    const row = this.rowToWrite(key);
    const page = this.intPage(row);
    const at = this.place(row, this.intWidth, field);
    page[at] = Math.min(Math.max(page[at]! + value, -0x8000_0000), 0x7fff_ffff);
  }

  /** Adds a value to an hll or a countmin. @param count -1 takes one away, from a countmin */
  addValue(key: ByteString, field: Field, value: ByteString, count = 1): void {
    const row = this.rowToWrite(key);
    const page = this.blockPage(row);
    const at = this.place(row, this.blockWidth, field);
    hash(value, this.options.seed);
    page[at] = field.values!.add(page[at]!, halves.high, halves.low, count);
  }

  /** Over all windows. @param value of a countmin: how often that came; without it, all of them */
  get(key: ByteString, field: Field, value?: ByteString): number {
    const row = this.rowToRead(key);
    if (row === undefined) return 0;
    if (field.kind === "hll") return this.different(row, field, 0, this.options.windows);
    return this.windowsOf(row, field, value).reduce((sum, count) => sum + count, 0);
  }

  /** Of the newest window. */
  getCurrent(key: ByteString, field: Field, value?: ByteString): number {
    const row = this.rowToRead(key);
    return row === undefined ? 0 : this.windowsOf(row, field, value)[0]!;
  }

  /** Of each window, newest first. */
  getWindows(key: ByteString, field: Field, value?: ByteString): number[] {
    const row = this.rowToRead(key);
    return row === undefined ? Array(this.options.windows).fill(0) : this.windowsOf(row, field, value);
  }

  /** @returns whether it was there */
  reset(key: ByteString): boolean {
    const row = this.keys.find(shorten(key));
    if (row === undefined) return false;
    this.drop(row);
    return true;
  }

  resetField(key: ByteString, field: Field): void {
    const row = this.keys.find(shorten(key));
    if (row === undefined) return;
    for (let age = 0; age < this.options.windows; age++) this.clear(row, field, age);
  }

  /** Whether a key has counts that have not passed; asking is no use of it. */
  has(key: ByteString): boolean {
    return this.keys.find(shorten(key)) !== undefined;
  }

  /** The rows that there are, for a snapshot: numbers up to {@link end}, some of them unused. */
  get end(): number {
    return this.keys.end;
  }

  /** What a snapshot holds of a row: how old its newest window is, and of each field its windows, newest first. */
  readRow(row: number): { key: ByteString; age: number; fields: (number[] | Uint32Array[])[] } | undefined {
    const key = this.keys.nameOf(row);
    if (key === undefined) return undefined;
    const age = this.window - this.newestOf(row);
    if (age >= this.options.windows) return undefined;
    const ages = Array.from({ length: this.options.windows }, (_, i) => i);
    const fields = this.fields.map((field) =>
      field.kind === "int"
        ? ages.map((each) => this.intPage(row)[this.place(row, this.intWidth, field, each)]!)
        : ages.map((each) => {
            const block = this.blockPage(row)[this.place(row, this.blockWidth, field, each)]!;
            return block === 0 ? EMPTY : field.values!.read(block).slice();
          }),
    );
    return { key, age, fields };
  }

  /** Puts a row of a snapshot in; it is the one used last. @param fields by this db's fields, undefined for those it lacks */
  writeRow(key: ByteString, age: number, fields: readonly (number[] | Uint32Array[] | undefined)[]): void {
    if (age >= this.options.windows || this.keys.find(key) !== undefined) return;
    const row = this.rowToWrite(key);
    this.newest[(row / PAGE) | 0]![row % PAGE] = this.window - age;
    for (const [i, field] of this.fields.entries()) {
      for (const [each, value] of (fields[i] ?? []).entries()) {
        if (typeof value === "number") this.intPage(row)[this.place(row, this.intWidth, field, each)] = value;
        else if (field.values) {
          this.blockPage(row)[this.place(row, this.blockWidth, field, each)] = field.values.write(value);
        }
      }
    }
  }

  private get window(): number {
    return Math.floor(this.clock.monotonic() / 1000 / this.options.window);
  }

  private rowToRead(key: ByteString): number | undefined {
    const row = this.keys.find(shorten(key));
    if (row === undefined) return undefined;
    this.roll(row);
    this.keys.use(row);
    return row;
  }

  private rowToWrite(key: ByteString): number {
    const known = this.rowToRead(key);
    if (known !== undefined) return known;
    this.makeRoom();
    // Lua's strings come as copies already.
    const kept = shorten(key);
    const row = this.keys.add(kept);
    this.keyBytes += kept.length;
    if (row % PAGE === 0 && row / PAGE === this.newest.length) {
      this.ints.push(new Int32Array(PAGE * this.intWidth));
      this.blocks.push(new Uint32Array(PAGE * this.blockWidth));
      this.newest.push(new Int32Array(PAGE));
    }
    this.newest[(row / PAGE) | 0]![row % PAGE] = this.window;
    return row;
  }

  /** Drops keys whose windows have all passed, a few at a time, and the one used longest ago when there are too many. */
  private makeRoom(): void {
    for (let i = 0; i < EXPIRY_LOOKS; i++) {
      const oldest = this.keys.leastUsed;
      if (oldest === undefined) return;
      const passed = this.window - this.newestOf(oldest) >= this.options.windows;
      if (passed || this.keys.size >= this.maxSize) this.drop(oldest);
    }
  }

  private drop(row: number): void {
    this.intPage(row).fill(0, (row % PAGE) * this.intWidth, ((row % PAGE) + 1) * this.intWidth);
    for (const field of this.fields) {
      if (field.values) for (let age = 0; age < this.options.windows; age++) this.clear(row, field, age);
    }
    this.keyBytes -= this.keys.nameOf(row)!.length;
    this.keys.remove(row);
  }

  /** Forgets the windows that have passed since the row was used. */
  private roll(row: number): void {
    const { windows } = this.options;
    const now = this.window;
    const passed = Math.min(now - this.newestOf(row), windows);
    if (passed <= 0) return;
    this.newest[(row / PAGE) | 0]![row % PAGE] = now;
    for (const field of this.fields) for (let age = 0; age < passed; age++) this.clear(row, field, age);
  }

  private clear(row: number, field: Field, age: number): void {
    if (!field.values) {
      this.intPage(row)[this.place(row, this.intWidth, field, age)] = 0;
      return;
    }
    const page = this.blockPage(row);
    const at = this.place(row, this.blockWidth, field, age);
    field.values.release(page[at]!);
    page[at] = 0;
  }

  private windowsOf(row: number, field: Field, value?: ByteString): number[] {
    const counts = [];
    const known = value === undefined ? undefined : hashOf(value, this.options.seed);
    for (let age = 0; age < this.options.windows; age++) {
      if (field.kind === "int") counts.push(this.intPage(row)[this.place(row, this.intWidth, field, age)]!);
      else if (field.kind === "hll") counts.push(this.different(row, field, age, age + 1));
      else {
        const block = this.blockPage(row)[this.place(row, this.blockWidth, field, age)]!;
        counts.push(field.values!.frequency(block, known));
      }
    }
    return counts;
  }

  /** How many different values some windows have together. */
  private different(row: number, field: Field, from: number, to: number): number {
    const { hllBits } = this.options;
    const blocks = [];
    for (let age = from; age < to; age++) {
      const block = this.blockPage(row)[this.place(row, this.blockWidth, field, age)]!;
      if (block !== 0) blocks.push(block);
    }
    if (blocks.length === 0) return 0;
    const alone = blocks.length === 1 ? field.values!.exactCount(blocks[0]!) : undefined;
    if (alone !== undefined) return alone;
    const union: Union = { bits: hllBits, registers: new Uint8Array(2 ** hllBits), exact: new Set() };
    for (const block of blocks) field.values!.unite(block, union);
    return union.exact?.size ?? estimate(union.registers);
  }

  private newestOf(row: number): number {
    return this.newest[(row / PAGE) | 0]![row % PAGE]!;
  }

  private intPage(row: number): Int32Array {
    return this.ints[(row / PAGE) | 0]!;
  }

  private blockPage(row: number): Uint32Array {
    return this.blocks[(row / PAGE) | 0]!;
  }

  /** Where the window of an age stands in the row's page; 0 is the newest. */
  private place(row: number, width: number, field: Field, age = 0): number {
    const { windows } = this.options;
    const at = (((this.newestOf(row) - age) % windows) + windows) % windows;
    return (row % PAGE) * width + field.at + at;
  }
}

const EMPTY = new Uint32Array(0);

function hashOf(value: ByteString, seed: number): readonly [high: number, low: number] {
  hash(value, seed);
  return [halves.high, halves.low];
}

function shorten(key: ByteString): ByteString {
  if (key.length <= LONGEST_KEY) return key;
  const digest = new Bun.CryptoHasher("sha256").update(Buffer.from(key, "latin1")).digest("hex");
  return copyOf(key.slice(0, KEPT_OF_LONG) + digest) as ByteString;
}
