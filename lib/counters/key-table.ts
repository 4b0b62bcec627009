/**
 * Keys and what is kept for each: a record of fixed size, found by its key, in the order of last use.
 *
 * ```
 *   record, words of 32 bits                                            │ fields
 *   ┌──────┬──────┬───────┬───────┬─────┬────────────┬────────┬──────┐  ┌─────────
 *   │ hash │ next │ newer │ older │ key │ key length │ window │ walk │  │ …
 *   └──────┴──────┴───────┴───────┴─────┴────────────┴────────┴──────┘  └─────────
 * ```
 * Records live in chunks that are never moved, and are known by numbers from 1; 0 is none. The table of hashes grows by one
 * chain for each key (linear hashing, Litwin 1980), so that no key ever waits for all to be put in new places.
 */
import type { Blocks } from "./blocks.ts";
import { clear, copy } from "./copy.ts";
import type { KeyedHash } from "./keyed-hash.ts";

const [HASH, NEXT, NEWER, OLDER, KEY, KEY_LENGTH, WINDOW, WALK] = [0, 1, 2, 3, 4, 5, 6, 7];
/** Words of a record before its fields. Even, since some fields are of 64 bits. */
export const HEADER_WORDS = 8;

/** Bytes of a key that is kept as it is. A longer one stands with its first bytes and the hash of all. */
const LONGEST_KEY = 256;
const KEPT_OF_LONG_KEY = LONGEST_KEY - 8;

/** Words of a chunk of records, unless one record needs more. */
const CHUNK_WORDS = 65_536;
/** Chains in a chunk of the table. */
const CHAINS_SHIFT = 12;
const CHAINS_MASK = (1 << CHAINS_SHIFT) - 1;

export class KeyTable {
  /** Keys in the table. */
  size = 0;
  /** The record that was used longest ago, and the one that was used last. */
  oldest = 0;
  newest = 0;
  private readonly shift: number;
  private readonly mask: number;
  private readonly chunks: Uint32Array[] = [];
  private readonly doubles: Float64Array[] = [];
  private records = 0;
  private firstFree = 0;
  /** The first record of each chain. */
  private readonly chains: Uint32Array[] = [new Uint32Array(CHAINS_MASK + 1)];
  private chainCount = 1;
  /** Chains of this round's beginning, a power of two; those before `split` have been split. */
  private round = 1;
  private split = 0;
  /** What {@link find} looked for, so that {@link insert} need not be told. */
  private readonly longKey = new Uint8Array(LONGEST_KEY);
  private soughtBytes: Uint8Array = this.longKey;
  private soughtAt = 0;
  private soughtLength = 0;
  private soughtHash = 0;

  /** @param recordWords words of a record with its fields, even */
  constructor(
    private readonly hash: KeyedHash,
    private readonly blocks: Blocks,
    readonly recordWords: number,
  ) {
    this.shift = Math.max(0, Math.floor(Math.log2(CHUNK_WORDS / recordWords)));
    this.mask = (1 << this.shift) - 1;
  }

  /** Bytes that records and chains take. */
  get memory(): number {
    return this.chunks.length * (this.mask + 1) * this.recordWords * 4 + this.chains.length * (CHAINS_MASK + 1) * 4;
  }

  /** The words among which a record is. */
  words(record: number): Uint32Array {
    return this.chunks[record >>> this.shift]!;
  }

  /** The same as numbers of 64 bits. */
  numbers(record: number): Float64Array {
    return this.doubles[record >>> this.shift]!;
  }

  /** Where it begins there, in words. */
  at(record: number): number {
    return (record & this.mask) * this.recordWords;
  }

  /** The number of the window that was the newest when the record was last brought up to date. */
  window(record: number): number {
    return this.words(record)[this.at(record) + WINDOW]!;
  }

  setWindow(record: number, window: number): void {
    this.words(record)[this.at(record) + WINDOW] = window;
  }

  /** The last walk over all records that has met this one. */
  walk(record: number): number {
    return this.words(record)[this.at(record) + WALK]!;
  }

  setWalk(record: number, walk: number): void {
    this.words(record)[this.at(record) + WALK] = walk;
  }

  /** The next one in the order of last use. */
  newer(record: number): number {
    return this.words(record)[this.at(record) + NEWER]!;
  }

  /** A record's key, as it is kept. A view, not a copy. */
  key(record: number): Buffer {
    const words = this.words(record);
    const at = this.at(record);
    const address = words[at + KEY]!;
    const start = (address & 0xffff) * 4;
    return Buffer.from(this.blocks.bytes[address >>> 16]!.buffer, start, words[at + KEY_LENGTH]!);
  }

  /** The record of a key, 0 when there is none. The key is `length` bytes that begin at `at`. */
  find(bytes: Uint8Array, at: number, length: number): number {
    const { hash, blocks } = this;
    hash.hash(bytes, at, length);
    if (length > LONGEST_KEY) {
      this.longKey.set(bytes.subarray(at, at + KEPT_OF_LONG_KEY));
      new DataView(this.longKey.buffer).setUint32(KEPT_OF_LONG_KEY, hash.low);
      new DataView(this.longKey.buffer).setUint32(KEPT_OF_LONG_KEY + 4, hash.high);
      return this.find(this.longKey, 0, LONGEST_KEY);
    }
    this.soughtBytes = bytes;
    this.soughtAt = at;
    this.soughtLength = length;
    this.soughtHash = hash.low;
    const chain = this.chainOf(hash.low);
    let record = this.chains[chain >>> CHAINS_SHIFT]![chain & CHAINS_MASK]!;
    while (record !== 0) {
      const words = this.words(record);
      const start = this.at(record);
      if (words[start + HASH] === hash.low && words[start + KEY_LENGTH] === length) {
        const address = words[start + KEY]!;
        if (isEqual(blocks.bytes[address >>> 16]!, (address & 0xffff) * 4, bytes, at, length)) return record;
      }
      record = words[start + NEXT]!;
    }
    return 0;
  }

  /** Adds the key that {@link find} did not find just now, as the one used last. Its fields are 0. */
  insert(): number {
    const { blocks, soughtLength, soughtHash } = this;
    const key = blocks.allocate((soughtLength + 3) >>> 2);
    copy(this.soughtBytes, this.soughtAt, blocks.bytes[key >>> 16]!, (key & 0xffff) * 4, soughtLength);
    const record = this.firstFree || this.addRecord();
    const words = this.words(record);
    const at = this.at(record);
    this.firstFree = words[at + NEXT]!;
    clear(words, at, this.recordWords);
    words[at + HASH] = soughtHash;
    words[at + KEY] = key;
    words[at + KEY_LENGTH] = soughtLength;
    if (this.size++ >= this.chainCount) this.addChain();
    this.link(record);
    this.append(record);
    return record;
  }

  /** Removes a record. What its fields hold must have been released. */
  remove(record: number): void {
    const words = this.words(record);
    const at = this.at(record);
    this.unlink(record);
    this.takeOut(record);
    this.blocks.release(words[at + KEY]!);
    words[at + NEXT] = this.firstFree;
    this.firstFree = record;
    this.size--;
  }

  /** Makes a record the one used last. */
  touch(record: number): void {
    if (record === this.newest) return;
    this.takeOut(record);
    this.append(record);
  }

  private addRecord(): number {
    const record = ++this.records;
    while (record >>> this.shift >= this.chunks.length) {
      const words = new Uint32Array((this.mask + 1) * this.recordWords);
      this.chunks.push(words);
      this.doubles.push(new Float64Array(words.buffer));
    }
    return record;
  }

  private append(record: number): void {
    const words = this.words(record);
    const at = this.at(record);
    words[at + NEWER] = 0;
    words[at + OLDER] = this.newest;
    if (this.newest) this.words(this.newest)[this.at(this.newest) + NEWER] = record;
    else this.oldest = record;
    this.newest = record;
  }

  private takeOut(record: number): void {
    const words = this.words(record);
    const at = this.at(record);
    const [newer, older] = [words[at + NEWER]!, words[at + OLDER]!];
    if (newer) this.words(newer)[this.at(newer) + OLDER] = older;
    else this.newest = older;
    if (older) this.words(older)[this.at(older) + NEWER] = newer;
    else this.oldest = newer;
  }

  private chainOf(hash: number): number {
    const chain = hash & (this.round - 1);
    return chain < this.split ? hash & (this.round * 2 - 1) : chain;
  }

  private link(record: number): void {
    const words = this.words(record);
    const at = this.at(record);
    const chain = this.chainOf(words[at + HASH]!);
    const chains = this.chains[chain >>> CHAINS_SHIFT]!;
    words[at + NEXT] = chains[chain & CHAINS_MASK]!;
    chains[chain & CHAINS_MASK] = record;
  }

  private unlink(record: number): void {
    const words = this.words(record);
    const at = this.at(record);
    const chain = this.chainOf(words[at + HASH]!);
    const chains = this.chains[chain >>> CHAINS_SHIFT]!;
    let before = chains[chain & CHAINS_MASK]!;
    if (before === record) {
      chains[chain & CHAINS_MASK] = words[at + NEXT]!;
      return;
    }
    for (;;) {
      const next = this.words(before)[this.at(before) + NEXT]!;
      if (next === record) break;
      before = next;
    }
    this.words(before)[this.at(before) + NEXT] = words[at + NEXT]!;
  }

  /** Splits the next chain of this round in two, the second of which is new. */
  private addChain(): void {
    if (this.chainCount >>> CHAINS_SHIFT >= this.chains.length) this.chains.push(new Uint32Array(CHAINS_MASK + 1));
    const chains = this.chains[this.split >>> CHAINS_SHIFT]!;
    let record = chains[this.split & CHAINS_MASK]!;
    chains[this.split & CHAINS_MASK] = 0;
    this.chainCount++;
    this.split++;
    while (record !== 0) {
      const next = this.words(record)[this.at(record) + NEXT]!;
      this.link(record);
      record = next;
    }
    if (this.split < this.round) return;
    this.round *= 2;
    this.split = 0;
  }
}

function isEqual(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}
