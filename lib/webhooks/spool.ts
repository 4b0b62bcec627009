/**
 * Queue and dead letters on disk, so that they outlive the daemon: an SQLite file in the state directory.
 *
 * An event is committed one by one, before it counts as accepted; everything that comes after is written a batch at a time:
 * what a killed daemon had not written yet is delivered twice, not lost. Commits are not synced to the disk one by one
 * (`synchronous = NORMAL`): a killed daemon loses nothing, a power cut can take the last moments.
 */
import { Database, type Statement } from "bun:sqlite";
import { closeSync, existsSync, mkdirSync, openSync, renameSync } from "node:fs";
import { join } from "node:path";

import type { CancelTimer, Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Entry } from "./entry.ts";
import { LogFlood } from "./log-flood.ts";

const FILE = "webhooks.sqlite";
/** Milliseconds over which changes are gathered. */
const BATCH = 50;
/** Pages of 4 KiB: 4 GiB in all. What does not fit is treated as on a full disk. */
const MOST_PAGES = 1024 * 1024;
/** Pages in the write-ahead log that make SQLite move them into the file, which syncs and takes milliseconds. */
const LOG_PAGES = 4096;
/** Bytes of the log that stay when it is empty. */
const LOG_BYTES = LOG_PAGES * 4096;

const SCHEMA = `
  create table if not exists events (
    id integer primary key,       -- the order of acceptance
    delivery text not null,       -- X-Wforce-Delivery
    hook text not null,           -- its name
    body blob not null,
    created integer not null,     -- milliseconds since 1970, as is due
    attempts integer not null default 0,
    due integer not null default 0,
    problem text not null default '',
    dead integer not null default 0 -- 1: a dead letter
  ) strict`;

interface Row extends Omit<Entry, "body" | "spooled"> {
  dead: number;
}

interface Ports {
  clock: Clock;
  log: Log;
}

export class Spool {
  private readonly statements: Record<"insert" | "read" | "update" | "delete", Statement>;
  /** What is to be written: an entry as it is then, undefined to delete it. */
  private changes = new Map<number, { entry: Entry; dead: boolean } | undefined>();
  private cancelFlush: CancelTimer | undefined;
  private readonly flood: LogFlood;
  private broken = false;

  private constructor(
    private readonly database: Database,
    private readonly ports: Ports,
    readonly file: string,
  ) {
    this.flood = new LogFlood(ports);
    this.statements = {
      insert: database.prepare(
        "insert into events (id, delivery, hook, body, created, attempts, due, problem, dead) values (?, ?, ?, ?, ?, ?, ?, ?, 0)",
      ),
      read: database.prepare("select body from events where id = ?"),
      update: database.prepare("update events set attempts = ?, due = ?, problem = ?, dead = ? where id = ?"),
      delete: database.prepare("delete from events where id = ?"),
    };
  }

  /**
   * Opens the spool, and makes folder and file, for the owner alone, if they are not there. A file that is corrupt is moved
   * aside. What cannot be used is reported.
   * @returns the spool and what is in it, in order
   */
  static open(folder: string, ports: Ports, mostPages = MOST_PAGES): { spool: Spool; rows: Row[] } | undefined {
    const { log, clock } = ports;
    const file = join(folder, FILE);
    const connect = (): { spool: Spool; rows: Row[] } => {
      closeSync(openSync(file, "a", 0o600));
      const { database, rows } = openDatabase(file, mostPages);
      return { spool: new Spool(database, ports, file), rows };
    };
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      try {
        return connect();
      } catch (error) {
        if (!isCorrupt(error)) throw error;
        const aside = moveAside(file, clock.now());
        log.error(`webhooks: ${file} is corrupt: it is now ${aside}, and a new one is begun`);
        return connect();
      }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code?.startsWith("SQLITE_BUSY") ? "another process has it open" : message;
      log.error(`webhooks: ${file} cannot be used: ${why}: events are kept in memory alone`);
      return undefined;
    }
  }

  /** Puts an event in, on disk when this returns. @returns whether that worked; if not, it is reported */
  add({ id, deliveryId, hookName, body, created, attempts, due, problem }: Entry): boolean {
    if (this.broken) return false;
    return this.guard(() => {
      this.statements.insert.run(id, deliveryId, hookName, body!, created, attempts, Math.round(due), problem);
    });
  }

  /** The body of an event; undefined when it cannot be read. */
  read(id: number): Buffer | undefined {
    let body: Uint8Array | undefined;
    this.guard(() => {
      body = (this.statements.read.get(id) as { body: Uint8Array } | null)?.body;
    });
    return body && Buffer.from(body.buffer, body.byteOffset, body.length);
  }

  /** Writes soon what became of an event. */
  save(entry: Entry, dead: boolean): void {
    this.change(entry, { entry, dead });
  }

  delete(entry: Entry): void {
    this.change(entry, undefined);
  }

  /** Writes what is still to be written. */
  flush(): void {
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    if (this.changes.size === 0 || this.broken) return;
    const write = this.database.transaction(() => {
      for (const [id, change] of this.changes) {
        if (!change) this.statements.delete.run(id);
        else {
          const { entry, dead } = change;
          this.statements.update.run(entry.attempts, Math.round(entry.due), entry.problem, dead ? 1 : 0, id);
        }
      }
    });
    // What could not be written is tried again with the next batch.
    if (this.guard(write)) this.changes.clear();
  }

  /** Writes what is still to be written, and lets go of the file. */
  close(): void {
    this.flush();
    this.flood.close();
    for (const statement of Object.values(this.statements)) statement.finalize();
    this.guard(() => this.database.close(true));
  }

  private change(entry: Entry, change: { entry: Entry; dead: boolean } | undefined): void {
    if (!entry.spooled || this.broken) return;
    this.changes.set(entry.id, change);
    this.cancelFlush ??= this.ports.clock.after(BATCH, () => this.flush());
  }

  private guard(operation: () => void): boolean {
    try {
      operation();
      return true;
    } catch (error) {
      this.failed(error as Error);
      return false;
    }
  }

  /** A full disk may have room later. A corrupt file is read as far as that goes, but not written any more. */
  private failed(error: Error): void {
    let problem = `webhooks: ${this.file}: ${error.message}`;
    if (isCorrupt(error) && !this.broken) {
      this.broken = true;
      this.changes.clear();
      problem += `: it is now ${moveAside(this.file, this.ports.clock.now())}, the next start begins a new one`;
    }
    this.flood.error(`${problem}: events are kept in memory alone`);
  }
}

/** @throws what SQLite has against the file */
function openDatabase(file: string, mostPages: number): { database: Database; rows: Row[] } {
  const database = new Database(file, { readwrite: true });
  try {
    // Held from the first write until the process ends, however it ends: no other daemon delivers the same events.
    database.run("pragma locking_mode = exclusive");
    database.run("pragma journal_mode = wal");
    database.run("pragma synchronous = normal");
    database.run(`pragma wal_autocheckpoint = ${LOG_PAGES}`);
    database.run(`pragma journal_size_limit = ${LOG_BYTES}`);
    database.run(`pragma max_page_count = ${mostPages}`);
    database.run(SCHEMA);
    const select = database.prepare(
      `select id, hook as hookName, delivery as deliveryId, length(body) as size, created, attempts, due, problem, dead
       from events order by id`,
    );
    const rows = select.all() as Row[];
    select.finalize();
    return { database, rows };
  } catch (error) {
    database.close();
    throw error;
  }
}

const isCorrupt = (error: unknown): boolean =>
  /^SQLITE_(CORRUPT|NOTADB)/.test((error as NodeJS.ErrnoException).code ?? "");

/** Renames the file and its write-ahead log, so that both still belong together. */
function moveAside(file: string, now: number): string {
  const aside = `${file}.corrupt-${new Date(now).toISOString().replaceAll(":", "")}`;
  for (const suffix of ["-wal", ""]) if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  return aside;
}
