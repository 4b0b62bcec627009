/**
 * The keys of a db in the order of their use: each has a number, and the one used longest ago makes room for a new one.
 *
 * Maps of strings are the only objects here, many small ones: a large one would stop everything each time it grows.
 */
import type { ByteString } from "../text/byte-string.ts";
import { halves, hash } from "./hash.ts";

const SHARDS = 256;
/** Numbers of a page of the lists. */
const PAGE = 4096;
const NONE = -1;

/** A list of whole numbers that grows by pages. */
class Numbers {
  private readonly pages: Int32Array[] = [];

  get(i: number): number {
    return this.pages[i >>> 12]![i & (PAGE - 1)]!;
  }

  set(i: number, value: number): void {
    while (this.pages.length <= i >>> 12) this.pages.push(new Int32Array(PAGE));
    this.pages[i >>> 12]![i & (PAGE - 1)] = value;
  }
}

export class Keys {
  private readonly shards = Array.from({ length: SHARDS }, () => new Map<ByteString, number>());
  private readonly names: (ByteString | undefined)[] = [];
  private readonly free: number[] = [];
  private readonly newer = new Numbers();
  private readonly older = new Numbers();
  private newest = NONE;
  private oldest = NONE;
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** The number used longest ago; undefined when there is none. */
  get leastUsed(): number | undefined {
    return this.oldest === NONE ? undefined : this.oldest;
  }

  /** The end of all numbers that were ever given. */
  get end(): number {
    return this.names.length;
  }

  nameOf(number: number): ByteString | undefined {
    return this.names[number];
  }

  find(key: ByteString): number | undefined {
    return this.shard(key).get(key);
  }

  /** @param key not there yet @returns its number */
  add(key: ByteString): number {
    const number = this.free.pop() ?? this.names.length;
    this.names[number] = key;
    this.shard(key).set(key, number);
    this.count++;
    this.append(number);
    return number;
  }

  /** Makes it the one used last. */
  use(number: number): void {
    if (number === this.newest) return;
    this.unlink(number);
    this.append(number);
  }

  remove(number: number): void {
    const key = this.names[number]!;
    this.shard(key).delete(key);
    this.names[number] = undefined;
    this.unlink(number);
    this.free.push(number);
    this.count--;
  }

  private shard(key: ByteString): Map<ByteString, number> {
    hash(key, 0);
    return this.shards[halves.low & (SHARDS - 1)]!;
  }

  private append(number: number): void {
    this.older.set(number, this.newest);
    this.newer.set(number, NONE);
    if (this.newest === NONE) this.oldest = number;
    else this.newer.set(this.newest, number);
    this.newest = number;
  }

  private unlink(number: number): void {
    const [newer, older] = [this.newer.get(number), this.older.get(number)];
    if (newer === NONE) this.newest = older;
    else this.older.set(newer, older);
    if (older === NONE) this.oldest = newer;
    else this.newer.set(older, newer);
  }
}
