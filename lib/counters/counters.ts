/**
 * All dbs of counters, by name. They live here and not in Lua's memory, so that they outlive the Lua state.
 *
 * Their time is that of the monotonic clock: a system clock that is set makes no count older or younger. It begins as the
 * system's time, so that windows of an hour are hours, and goes on from where a snapshot was taken.
 */
import type { ByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { HASH_KEY_BYTES, KeyedHash } from "./keyed-hash.ts";
import { type DbShape, StatsDb } from "./stats-db.ts";

export class Counters {
  readonly dbs = new Map<string, StatsDb>();
  /** What the time is ahead of the monotonic clock. */
  private ahead: number;
  private readonly hash: KeyedHash;

  /** @param key of the hashes: random, but the same when the same must come out */
  constructor(
    private readonly clock: Clock,
    key: Uint8Array = crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES)),
  ) {
    this.ahead = clock.now() - clock.monotonic();
    this.hash = new KeyedHash(key);
  }

  /** Milliseconds since 1970, unless the clock was set meanwhile. */
  readonly time = (): number => this.clock.monotonic() + this.ahead;

  get hashKey(): Uint8Array {
    return this.hash.key;
  }

  /** How often something was counted or removed. */
  get changes(): number {
    let sum = 0;
    for (const db of this.dbs.values()) sum += db.changes;
    return sum;
  }

  /** Makes a db in the place of that of the same name, which stays, with its counts, if it has the same windows and fields. */
  create(shape: DbShape): StatsDb {
    const former = this.dbs.get(shape.name);
    if (former && Bun.deepEquals(former.shape, shape)) return former;
    const db = new StatsDb(shape, this.hash, this.time);
    this.dbs.set(shape.name, db);
    return db;
  }

  /** Empties all dbs, and goes on with another time and key: those of a snapshot. */
  restart(time: number, hashKey: Uint8Array): void {
    for (const db of this.dbs.values()) db.clear();
    this.ahead = time - this.clock.monotonic();
    this.hash.key = hashKey;
  }

  /** Removes a key from all dbs. @returns from how many */
  forget(key: ByteString): number {
    const bytes = Buffer.from(key, "latin1");
    let count = 0;
    for (const db of this.dbs.values()) if (db.reset(bytes, 0, bytes.length)) count++;
    return count;
  }
}
