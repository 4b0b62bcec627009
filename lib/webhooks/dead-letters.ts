/** Events that were given up, until somebody sends them again. Bounded: the oldest ones go. */
import type { Entry } from "./entry.ts";
import { Line } from "./line.ts";

const MOST = 10_000;
/** Bytes of all bodies: a quarter of what the spool may have, so that the queue has room there. */
const MOST_BYTES = 1024 ** 3;
/** Bytes of bodies that are not in the spool. */
const MOST_BYTES_IN_MEMORY = 64 * 1024 * 1024;

export class DeadLetters implements Iterable<Entry> {
  private readonly all = new Line<Entry>();
  private bytes = 0;
  private bytesInMemory = 0;

  get size(): number {
    return this.all.size;
  }

  /** The oldest first. */
  [Symbol.iterator](): Iterator<Entry> {
    return this.all[Symbol.iterator]();
  }

  /** @returns those that had to go */
  add(entry: Entry): Entry[] {
    this.all.push(entry);
    this.count(entry, 1);
    const gone: Entry[] = [];
    while (this.size > MOST || this.bytes > MOST_BYTES || this.bytesInMemory > MOST_BYTES_IN_MEMORY) {
      const oldest = this.all.first!;
      this.delete(oldest);
      gone.push(oldest);
    }
    return gone;
  }

  /** @returns whether it was there */
  delete(entry: Entry): boolean {
    const was = this.all.delete(entry);
    if (was) this.count(entry, -1);
    return was;
  }

  /** Has the body of one in memory. @returns false when there is no room */
  hold(entry: Entry, body: Buffer): boolean {
    if (!this.all.has(entry) || this.bytesInMemory + body.length > MOST_BYTES_IN_MEMORY) return false;
    this.bytesInMemory += body.length - (entry.body?.length ?? 0);
    entry.body = body;
    return true;
  }

  private count({ size, body }: Entry, sign: 1 | -1): void {
    this.bytes += sign * size;
    this.bytesInMemory += sign * (body?.length ?? 0);
  }
}
