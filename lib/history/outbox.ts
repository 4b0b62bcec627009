/**
 * What is to be written: waiting, or sent and not yet durable. Its memory is bounded: over it the oldest rows that wait go.
 *
 * ```
 *   add ──▶ waiting ── take ──▶ sent ── settle ──▶ durable, and forgotten
 *              ▲────── undo ──────┘     when the store has lost it
 * ```
 */
import type { Learnt } from "./profile.ts";
import { type Row, sizeOfRow } from "./row.ts";
import type { Write } from "./store.ts";

/** Bytes that all of it may take. */
const MOST_BYTES = 64 * 1024 ** 2;
/** Rows of one turn, and their bytes: so little that the thread that makes a message of it is not held up. */
export const ROWS_A_TURN = 256;
const BYTES_A_TURN = 1024 ** 2;
/** Bytes of a write that is no row. */
const SIZE_OF_WRITE = 500;

interface Entry {
  what: Row | Write;
  size: number;
}

const isRow = (what: Row | Write): what is Row => Array.isArray(what);

export class Outbox {
  /** Those before `head` are gone. */
  private waiting: Entry[] = [];
  private head = 0;
  private sent: { turn: number; entries: Entry[] }[] = [];
  private size = 0;
  private addedSoFar = 0;
  private goneSoFar = 0;

  /** @param dropped told how many rows there was no room for */
  constructor(private readonly dropped: (rows: number) => void) {}

  /** Of memory, about. */
  get bytes(): number {
    return this.size;
  }

  get waitingCount(): number {
    return this.waiting.length - this.head;
  }

  /** How many entries were ever added. */
  get added(): number {
    return this.addedSoFar;
  }

  /** How many of them, in their order, are sent or gone. */
  get taken(): number {
    return this.addedSoFar - this.waitingCount;
  }

  /** How many of them are durable, or given up. */
  get gone(): number {
    return this.goneSoFar;
  }

  get rowCount(): number {
    const rows = (entries: Entry[]): number => entries.filter(({ what }) => isRow(what)).length;
    return this.sent.reduce((sum, { entries }) => sum + rows(entries), rows(this.waiting.slice(this.head)));
  }

  addRow(row: Row): void {
    this.add({ what: row, size: sizeOfRow(row) });
  }

  addWrite(write: Write, size = SIZE_OF_WRITE): void {
    this.add({ what: write, size });
  }

  /** What is sent next, in order; nothing when nothing waits. @param whole all that waits, however much */
  take(turn: number, whole = false): Write[] {
    const entries: Entry[] = [];
    let bytes = 0;
    const isRoom = (): boolean => whole || (entries.length < ROWS_A_TURN && bytes < BYTES_A_TURN);
    while (this.head < this.waiting.length && isRoom()) {
      const entry = this.waiting[this.head++]!;
      entries.push(entry);
      bytes += entry.size;
    }
    if (this.head === this.waiting.length) {
      this.waiting = [];
      this.head = 0;
    }
    if (entries.length > 0) this.sent.push({ turn, entries });
    return toWrites(entries);
  }

  /** What was sent up to a turn is durable. @returns how many rows that are */
  settle(turn: number): number {
    let rows = 0;
    while (this.sent.length > 0 && this.sent[0]!.turn <= turn) rows += this.forget(this.sent.shift()!.entries);
    return rows;
  }

  /** Nothing that was sent is durable: it waits again. */
  undo(): void {
    if (this.sent.length === 0) return;
    this.waiting = [...this.sent.flatMap(({ entries }) => entries), ...this.waiting.slice(this.head)];
    this.head = 0;
    this.sent = [];
    this.bound();
  }

  /** Gives up what was sent in a turn. @returns how many rows that are */
  discard(turn: number): number {
    const of = this.sent.filter((sent) => sent.turn === turn);
    this.sent = this.sent.filter((sent) => sent.turn !== turn);
    return of.reduce((sum, { entries }) => sum + this.forget(entries), 0);
  }

  private add(entry: Entry): void {
    this.waiting.push(entry);
    this.addedSoFar++;
    this.size += entry.size;
    if (this.size > MOST_BYTES) this.bound();
  }

  private forget(entries: Entry[]): number {
    let rows = 0;
    this.goneSoFar += entries.length;
    for (const { what, size } of entries) {
      this.size -= size;
      if (isRow(what)) rows++;
    }
    return rows;
  }

  private bound(): void {
    let dropped = 0;
    while (this.size > MOST_BYTES && this.head < this.waiting.length) {
      dropped += this.forget([this.waiting[this.head++]!]);
    }
    // Those that are gone would keep their memory.
    if (this.head > 10_000 && this.head > this.waiting.length / 2) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
    if (dropped > 0) this.dropped(dropped);
  }
}

/** Rows are one write, and so is what is learnt; nothing but these two passes the other. */
function toWrites(entries: Entry[]): Write[] {
  const writes: Write[] = [];
  let rows: Row[] = [];
  let learnt: Learnt[] = [];
  const gather = (): void => {
    if (rows.length > 0) writes.push({ write: "rows", rows });
    if (learnt.length > 0) writes.push({ write: "learn", learnt });
    [rows, learnt] = [[], []];
  };
  for (const { what } of entries) {
    if (isRow(what)) rows.push(what);
    else if (what.write === "learn") learnt.push(...what.learnt);
    else {
      gather();
      writes.push(what);
    }
  }
  gather();
  return writes;
}
