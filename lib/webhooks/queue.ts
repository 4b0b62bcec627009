/** The events that are to be delivered, in order of acceptance, and each hook's share of them. */
import type { Entry } from "./entry.ts";
import { Line } from "./line.ts";

interface Share {
  entries: Line<Entry>;
  /** Of bodies in memory. */
  bytes: number;
}

export class Queue implements Iterable<Entry> {
  private readonly all = new Set<Entry>();
  private readonly shares = new Map<string, Share>();

  get size(): number {
    return this.all.size;
  }

  /** Of bodies in memory. */
  get bytes(): number {
    let bytes = 0;
    for (const share of this.shares.values()) bytes += share.bytes;
    return bytes;
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.all.values();
  }

  /** Of one hook. */
  oldestOf(hookName: string): Entry | undefined {
    return this.shares.get(hookName)?.entries.first;
  }

  has(entry: Entry): boolean {
    return this.all.has(entry);
  }

  add(entry: Entry): void {
    let share = this.shares.get(entry.hookName);
    if (!share) this.shares.set(entry.hookName, (share = { entries: new Line(), bytes: 0 }));
    this.all.add(entry);
    share.entries.push(entry);
    share.bytes += entry.body?.length ?? 0;
  }

  /** @returns whether it was there */
  delete(entry: Entry): boolean {
    if (!this.all.delete(entry)) return false;
    const share = this.shares.get(entry.hookName)!;
    share.entries.delete(entry);
    share.bytes -= entry.body?.length ?? 0;
    return true;
  }

  /** Has the body of an event in memory. */
  hold(entry: Entry, body: Buffer): void {
    this.release(entry);
    entry.body = body;
    this.shares.get(entry.hookName)!.bytes += body.length;
  }

  /** Frees the memory of an event's body. */
  release(entry: Entry): void {
    this.shares.get(entry.hookName)!.bytes -= entry.body?.length ?? 0;
    entry.body = undefined;
  }

  /**
   * The event that leaves, so that one dead receiver does not take the room of all: the oldest of the hook that has the
   * most events, or bytes in memory. One in flight may arrive at this moment, and stays.
   * @returns undefined when that is the hook which asks for room
   */
  leavesFor(hookName: string, measure: "events" | "bytes"): Entry | undefined {
    const sizeOf = (share: Share | undefined): number =>
      (measure === "bytes" ? share?.bytes : share?.entries.size) ?? 0;
    let largest = this.shares.get(hookName);
    for (const share of this.shares.values()) if (sizeOf(share) > sizeOf(largest)) largest = share;
    if (!largest || largest === this.shares.get(hookName)) return undefined;
    for (const entry of largest.entries) {
      if (!entry.inFlight && (measure === "events" || entry.body)) return entry;
    }
    return undefined;
  }
}
