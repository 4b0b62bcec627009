/**
 * Queue and dead letters on disk, so that they outlive the daemon: an SQLite file in the state directory.
 *
 * An event is committed one by one, before it counts as accepted; everything that comes after is written a batch at a time:
 * what a killed daemon had not written yet is delivered twice, not lost. A file that cannot be used any more, as it is
 * corrupt or somebody has removed it, is replaced by a new one with all that is known; where that is not possible, it is
 * tried again each minute.
 *
 * On a full disk not even a deletion can be written, for SQLite writes a log first. What helps is to empty the log into the
 * file, and where the file finds no room either, a new file once nothing is left to be delivered of the old one.
 */
import { join } from "node:path";

import { LogFlood } from "../log/log-flood.ts";
import type { Log } from "../log/log.ts";
import { isCorrupt, moveAside, remove } from "../sqlite/file.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Entry } from "./entry.ts";
import { type Change, type SpooledEvent, SpoolFile } from "./spool-file.ts";

const FILE = "webhooks.sqlite";
/** Milliseconds over which changes are gathered. */
const BATCH = 50;
/** Milliseconds between two tries to open it, or to write what had no room. */
const RETRY = 60_000;
/** Bytes of a file that is replaced when it has no events: it would not shrink by itself. */
const LARGE = 64 * 1024 * 1024;
/** Bytes that a new file has to give back on a full disk to be worth it. */
const WORTH = 256 * 1024;

/** Whose events are in the spool. */
export interface SpoolOwner {
  /** All that it has, in order. */
  events(): Iterable<{ entry: Entry; dead: boolean }>;
  /** Takes over what a file had that was opened. */
  found(events: SpooledEvent[]): void;
  /** Takes the body of an event that the former file had and this one has no room for. @returns false for none here either */
  keep(entry: Entry, body: Buffer): boolean;
  /** Only a file that is gone had the body of this event. */
  lost(entry: Entry): void;
}

interface SpoolOptions {
  folder: string;
  /** See {@link SpoolFile.open}. */
  mostBytes: number;
  clock: Clock;
  log: Log;
  owner: SpoolOwner;
}

type State =
  | { kind: "open"; file: SpoolFile }
  /** The last write found no room. Each one may find some, and each minute what had none is written. */
  | { kind: "full"; file: SpoolFile; cancelRetry: CancelTimer }
  | Lost
  | { kind: "closed" };

/** There is no file that can be written, as it is at first; each minute one is opened. */
interface Lost {
  kind: "lost";
  /** May still have bodies, and comes back if it was only moved away. */
  former: SpoolFile | undefined;
  isCorrupt: boolean;
  /** Why none could be opened; empty before the first try. */
  problem: string;
  cancelRetry: CancelTimer | undefined;
}

const lost = (former?: SpoolFile, isCorrupt = false): Lost => ({
  kind: "lost",
  former,
  isCorrupt,
  problem: "",
  cancelRetry: undefined,
});

export class Spool {
  readonly path: string;
  private state: State = lost();
  /** What is to be written, by row. */
  private readonly changes = new Map<number, Change>();
  private cancelFlush: CancelTimer | undefined;
  private readonly flood: LogFlood;

  constructor(private readonly options: SpoolOptions) {
    this.path = join(options.folder, FILE);
    this.flood = new LogFlood(options);
  }

  /** Opens the file, and hands over what is in it. One that is corrupt is moved aside. What cannot be used is reported. */
  open(): void {
    const { log, owner } = this.options;
    const { state } = this;
    if (state.kind !== "lost") return;
    const { former, isCorrupt } = state;
    if (former && !isCorrupt && former.isInPlace()) return this.resume(former);
    let opened: ReturnType<typeof SpoolFile.open>;
    try {
      opened = this.openFile();
    } catch (error) {
      return this.stayLost(state, error as NodeJS.ErrnoException);
    }
    this.state = { kind: "open", file: opened.file };
    this.changes.clear();
    const known = new Map(Array.from(owner.events(), ({ entry }) => [entry.deliveryId, entry]));
    const { moved, missing, failure } = this.moveIn(opened.file, former, opened.events);
    former?.abandon();
    for (const entry of missing) owner.lost(entry);
    owner.found(opened.events.filter(({ deliveryId }) => !known.has(deliveryId)));
    if (known.size > 0) log.notice(`webhooks: ${moved} of ${known.size} events are in ${this.path} now`);
    if (missing.length > 0) log.error(`webhooks: ${missing.length} events are lost that only the former file had`);
    if (failure) this.failed(opened.file, failure);
  }

  /** Whether an event outlives the daemon. */
  has(entry: Entry): boolean {
    return this.writable !== undefined && entry.row !== undefined;
  }

  /** Puts an event in, on disk when this returns. @returns whether it is there; if not, that is reported */
  add(entry: Entry, dead: boolean): boolean {
    this.flushSoon();
    const file = this.writable;
    const insert = (): void => {
      if (!this.has(entry)) this.write((into) => (entry.row = into.insert(entry, entry.body!, dead)));
    };
    insert();
    // One that has proved corrupt, or that nothing was left in, is replaced by now.
    if (this.writable !== file) insert();
    return this.has(entry);
  }

  /** The body of an event; undefined when it cannot be read. */
  read({ row }: Entry): Buffer | undefined {
    const file = this.state.kind === "lost" ? this.state.former : this.writable;
    if (row === undefined || !file) return undefined;
    try {
      return file.read(row);
    } catch (error) {
      this.failed(file, error as Error);
      return undefined;
    }
  }

  /** Writes soon what became of an event. */
  save(entry: Entry, dead: boolean): void {
    if (entry.row === undefined) return;
    this.changes.set(entry.row, { entry, dead });
    this.flushSoon();
  }

  delete(entry: Entry): void {
    if (entry.row === undefined) return;
    this.changes.set(entry.row, undefined);
    this.flushSoon();
  }

  /** Leaves nothing of what was deleted on the disk. */
  scrub(): void {
    this.flush();
    if (this.writable) this.write((file) => file.emptyLog());
  }

  /** Writes what is still to be written, into a new file if this one is gone. */
  flush(): void {
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    const file = this.writable;
    if (!file) return;
    if (!file.isInPlace()) {
      this.options.log.error(`webhooks: ${this.path} was removed or replaced while it was in use`);
      this.lose(file);
      return this.open();
    }
    // What could not be written is tried again with the next batch.
    if (this.changes.size > 0) this.write((into) => (into.write(this.changes), this.changes.clear()));
    if (this.writable === file && file.isEmpty && file.size > LARGE) this.beginAnew(file);
  }

  /** Writes what is still to be written, and lets go of the file. */
  close(): void {
    this.flush();
    const { state } = this;
    if (state.kind === "full" || state.kind === "lost") state.cancelRetry?.();
    this.state = { kind: "closed" };
    if (state.kind === "lost") state.former?.abandon();
    else if (state.kind !== "closed") state.file.abandon();
    this.flood.close();
  }

  private get writable(): SpoolFile | undefined {
    return this.state.kind === "open" || this.state.kind === "full" ? this.state.file : undefined;
  }

  /** Goes on with the file that was used before: it had been moved away, and is back. */
  private resume(file: SpoolFile): void {
    this.state = { kind: "open", file };
    this.options.log.notice(`webhooks: ${this.path} is used again`);
    this.catchUp();
  }

  private lose(former?: SpoolFile, isCorrupt = false): void {
    if (this.state.kind === "full") this.state.cancelRetry();
    this.state = lost(former, isCorrupt);
  }

  private stayLost(state: Lost, { code, message }: NodeJS.ErrnoException): void {
    const { log, clock } = this.options;
    const problem = code?.startsWith("SQLITE_BUSY") ? "another process has it open" : message;
    if (problem !== state.problem) {
      log.error(`webhooks: ${this.path} cannot be used: ${problem}: events are kept in memory alone until it can`);
    }
    this.state = { ...state, problem, cancelRetry: clock.after(RETRY, () => this.open()) };
  }

  /** Writes what could not be written, as far as there is room now. */
  private catchUp(): void {
    this.flush();
    for (const { entry, dead } of [...this.options.owner.events()]) {
      if (entry.row === undefined && entry.body && !this.add(entry, dead)) return;
    }
  }

  /** Whether a new file would help one that cannot be written: nothing in it is to be delivered, and it cannot say so. */
  private isOver(file: SpoolFile): boolean {
    let reclaimable = file.sizeOnDisk;
    if (this.changes.size === 0 && reclaimable < WORTH) return false;
    for (const { entry, dead } of this.options.owner.events()) {
      if (entry.row === undefined) continue;
      if (!dead) return false;
      reclaimable -= entry.size;
    }
    return this.changes.size > 0 || reclaimable >= WORTH;
  }

  /**
   * Replaces a file in which nothing is to be delivered by a new one. In between its dead letters are in memory.
   * @returns false when there is no room for them, or the old one stays
   */
  private beginAnew(file: SpoolFile): boolean {
    const { owner, log } = this.options;
    const inside = [...owner.events()].filter(({ entry }) => entry.row !== undefined);
    for (const { entry } of inside) {
      const body = entry.body ?? file.salvage(entry.row!);
      if (!body || !owner.keep(entry, body)) return false;
    }
    if (!remove(this.path)) return false;
    for (const { entry } of inside) entry.row = undefined;
    this.lose();
    file.abandon();
    log.notice(`webhooks: ${this.path} is begun anew: nothing in it was to be delivered any more`);
    this.open();
    return true;
  }

  private openFile(): ReturnType<typeof SpoolFile.open> {
    const { mostBytes, clock, log } = this.options;
    try {
      return SpoolFile.open(this.path, mostBytes);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      log.error(`webhooks: ${this.path} is corrupt: ${moveAside(this.path, clock.now())}, and a new one is begun`);
      return SpoolFile.open(this.path, mostBytes);
    }
  }

  /** Puts the owner's events into a file that was opened, as far as there is room. @param before the one before it, which has bodies */
  private moveIn(
    into: SpoolFile,
    before: SpoolFile | undefined,
    there: SpooledEvent[],
  ): { moved: number; missing: Entry[]; failure: Error | undefined } {
    const rows = new Map(there.map(({ deliveryId, row }) => [deliveryId, row]));
    const missing: Entry[] = [];
    let moved = 0;
    let failure: Error | undefined;
    for (const { entry, dead } of [...this.options.owner.events()]) {
      const { row } = entry;
      const body = entry.body ?? (row === undefined ? undefined : before?.salvage(row));
      entry.row = rows.get(entry.deliveryId);
      if (entry.row !== undefined) this.save(entry, dead);
      else if (body && !failure) {
        try {
          into.withRoom(() => (entry.row = into.insert(entry, body, dead)));
        } catch (error) {
          failure = error as Error;
        }
      }
      if (entry.row !== undefined) moved++;
      else if (!entry.body && !(body && this.options.owner.keep(entry, body))) missing.push(entry);
    }
    return { moved, missing, failure };
  }

  private flushSoon(): void {
    if (this.writable) this.cancelFlush ??= this.options.clock.after(BATCH, () => this.flush());
  }

  /** Writes into the file, if there is one. What fails is reported. */
  private write(operation: (file: SpoolFile) => void): void {
    const { state } = this;
    const file = this.writable;
    if (!file) return;
    try {
      // While it is full, each minute's try makes room.
      if (state.kind === "open") file.withRoom(() => operation(file));
      else operation(file);
    } catch (error) {
      this.failed(file, error as Error);
    }
  }

  /** A full disk may have room later. A file that is corrupt, or has nothing that matters, is replaced. */
  private failed(file: SpoolFile, error: Error): void {
    const { clock, log } = this.options;
    const isUsed = this.writable === file;
    if (isUsed && isCorrupt(error)) {
      log.error(
        `webhooks: ${this.path}: ${error.message}: ${moveAside(this.path, clock.now())}, and a new one is begun`,
      );
      this.lose(file, true);
      return this.open();
    }
    if (isUsed && this.isOver(file) && this.beginAnew(file)) return;
    this.flood.error(`webhooks: ${this.path}: ${error.message}: events are kept in memory alone`);
    if (!isUsed || this.state.kind === "full") return;
    const cancelRetry = clock.after(RETRY, () => {
      this.state = { kind: "open", file };
      this.catchUp();
    });
    this.state = { kind: "full", file, cancelRetry };
  }
}
