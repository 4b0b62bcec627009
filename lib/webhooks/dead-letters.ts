/** Events that were given up, until somebody sends them again. Bounded: the oldest ones go. */
import type { Entry } from "./entry.ts";

const MOST = 10_000;
/** Bytes of bodies that are not in the spool. */
const MOST_BYTES = 64 * 1024 * 1024;

export class DeadLetters {
  private readonly all = new Map<string, Entry>();
  private bytes = 0;

  get size(): number {
    return this.all.size;
  }

  /** The oldest first. */
  [Symbol.iterator](): IterableIterator<Entry> {
    return this.all.values();
  }

  /** @returns those that had to go */
  add(entry: Entry): Entry[] {
    this.all.set(entry.deliveryId, entry);
    this.bytes += bytesInMemory(entry);
    const gone: Entry[] = [];
    for (const oldest of this.all.values()) {
      if (this.all.size <= MOST && this.bytes <= MOST_BYTES) break;
      this.delete(oldest);
      gone.push(oldest);
    }
    return gone;
  }

  delete(entry: Entry): void {
    if (this.all.delete(entry.deliveryId)) this.bytes -= bytesInMemory(entry);
  }
}

const bytesInMemory = ({ body }: Entry): number => body?.length ?? 0;
