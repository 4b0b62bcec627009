/**
 * Queue and dead letters on disk, so that they outlive the daemon: an SQLite file in the state directory.
 *
 * An event is committed one by one, before it counts as accepted; everything that comes after is written a batch at a time:
 * what a killed daemon had not written yet is delivered twice, not lost. A file that cannot be used any more, as it is
 * corrupt or somebody has removed it, is replaced by a new one with all that is known; where that is not possible, it is
 * tried again each minute.
 */
import { join } from "node:path";

import type { Log } from "../log/log.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Entry } from "./entry.ts";
import { LogFlood } from "./log-flood.ts";
import { type Change, isCorrupt, moveAside, type SpooledEvent, SpoolFile } from "./spool-file.ts";

const FILE = "webhooks.sqlite";
/** Milliseconds over which changes are gathered. */
const BATCH = 50;
/** Milliseconds between two tries to open it. */
const RETRY = 60_000;

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

export class Spool {
  readonly path: string;
  private file: SpoolFile | undefined;
  /** Whether the file can be written; one that cannot may still have bodies. */
  private usable = false;
  private corrupt = false;
  /** What is to be written, by row. */
  private readonly changes = new Map<number, Change>();
  private cancelFlush: CancelTimer | undefined;
  private cancelRetry: CancelTimer | undefined;
  private cancelCatchUp: CancelTimer | undefined;
  /** Why the file could not be opened at the last try. */
  private reported = "";
  private readonly flood: LogFlood;

  constructor(private readonly options: SpoolOptions) {
    this.path = join(options.folder, FILE);
    this.flood = new LogFlood(options);
  }

  /** Opens the file, and hands over what is in it. One that is corrupt is moved aside. What cannot be used is reported. */
  open(): void {
    const { log, clock, owner } = this.options;
    if (!this.corrupt && this.file?.isInPlace()) return this.resume();
    const before = this.file;
    let opened: ReturnType<typeof SpoolFile.open>;
    try {
      opened = this.openFile();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code?.startsWith("SQLITE_BUSY") ? "another process has it open" : message;
      if (why !== this.reported) {
        log.error(`webhooks: ${this.path} cannot be used: ${why}: events are kept in memory alone until it can`);
      }
      this.reported = why;
      this.cancelRetry = clock.after(RETRY, () => this.open());
      return;
    }
    this.file = opened.file;
    this.usable = true;
    this.corrupt = false;
    this.reported = "";
    this.changes.clear();
    const known = new Map(Array.from(owner.events(), ({ entry }) => [entry.deliveryId, entry]));
    const { moved, lost } = this.moveIn(before, opened.events);
    if (before) ignoreErrors(() => before.close());
    for (const entry of lost) owner.lost(entry);
    owner.found(opened.events.filter(({ deliveryId }) => !known.has(deliveryId)));
    if (known.size > 0) log.notice(`webhooks: ${moved} of ${known.size} events are in ${this.path} now`);
    if (lost.length > 0) log.error(`webhooks: ${lost.length} events are lost that only the former file had`);
  }

  /** Whether an event outlives the daemon. */
  has(entry: Entry): boolean {
    return this.usable && entry.row !== undefined;
  }

  /** Puts an event in, on disk when this returns. @returns whether it is there; if not, that is reported */
  add(entry: Entry, dead: boolean): boolean {
    this.flushSoon();
    const { file } = this;
    const insert = (): void => {
      if (this.usable && !this.has(entry)) this.guard((into) => (entry.row = into.insert(entry, entry.body!, dead)));
    };
    insert();
    // One that has proved corrupt is replaced by now.
    if (this.file !== file) insert();
    return this.has(entry);
  }

  /** The body of an event; undefined when it cannot be read. */
  read(entry: Entry): Buffer | undefined {
    return entry.row === undefined ? undefined : this.guard((file) => file.read(entry.row!));
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

  /** Writes what is still to be written, into a new file if this one is gone. */
  flush(): void {
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    if (!this.usable) return;
    if (!this.file!.isInPlace()) {
      this.usable = false;
      this.options.log.error(`webhooks: ${this.path} was removed or replaced while it was in use`);
      return this.open();
    }
    // What could not be written is tried again with the next batch.
    if (this.changes.size > 0) this.guard((file) => (file.write(this.changes), this.changes.clear()));
  }

  /** Writes what is still to be written, and lets go of the file. */
  close(): void {
    this.flush();
    this.cancelRetry?.();
    this.cancelCatchUp?.();
    this.usable = false;
    this.guard((file) => file.close());
    this.flood.close();
  }

  /** Goes on with the file that was used before: it had been moved away, and is back. */
  private resume(): void {
    this.usable = true;
    this.reported = "";
    this.options.log.notice(`webhooks: ${this.path} is used again`);
    this.catchUp();
  }

  /** Writes what could not be written, as far as there is room now. */
  private catchUp(): void {
    this.cancelCatchUp = undefined;
    this.flush();
    for (const { entry, dead } of [...this.options.owner.events()]) {
      if (entry.row === undefined && entry.body && !this.add(entry, dead)) return;
    }
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

  /** Puts the owner's events into a file that was opened. @param before the one before it, which has bodies */
  private moveIn(before: SpoolFile | undefined, there: SpooledEvent[]): { moved: number; lost: Entry[] } {
    const rows = new Map(there.map(({ deliveryId, row }) => [deliveryId, row]));
    const lost: Entry[] = [];
    let moved = 0;
    for (const { entry, dead } of [...this.options.owner.events()]) {
      const { row } = entry;
      const body = entry.body ?? (row === undefined ? undefined : ignoreErrors(() => before?.read(row)));
      entry.row = rows.get(entry.deliveryId);
      if (entry.row !== undefined) this.save(entry, dead);
      else if (body) this.guard((file) => (entry.row = file.insert(entry, body, dead)));
      if (entry.row !== undefined) moved++;
      else if (!entry.body && !(body && this.options.owner.keep(entry, body))) lost.push(entry);
    }
    return { moved, lost };
  }

  private flushSoon(): void {
    if (this.usable) this.cancelFlush ??= this.options.clock.after(BATCH, () => this.flush());
  }

  /** A full disk may have room later. A corrupt file is replaced. @returns undefined when it fails, which is reported */
  private guard<T>(operation: (file: SpoolFile) => T): T | undefined {
    if (!this.file) return undefined;
    try {
      return operation(this.file);
    } catch (error) {
      const { message } = error as Error;
      if (!this.usable || !isCorrupt(error)) {
        this.flood.error(`webhooks: ${this.path}: ${message}: events are kept in memory alone`);
        if (this.usable) this.cancelCatchUp ??= this.options.clock.after(RETRY, () => this.catchUp());
        return undefined;
      }
      this.usable = false;
      this.corrupt = true;
      const aside = moveAside(this.path, this.options.clock.now());
      this.options.log.error(`webhooks: ${this.path}: ${message}: ${aside}, and a new one is begun`);
      this.open();
      return undefined;
    }
  }
}

/** For a file that is known to be broken. */
function ignoreErrors<T>(operation: () => T): T | undefined {
  try {
    return operation();
  } catch {
    return undefined;
  }
}
