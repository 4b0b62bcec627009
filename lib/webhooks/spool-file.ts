/** The SQLite file of the spool. What SQLite has against an operation is thrown. */
import { Database, type Statement } from "bun:sqlite";
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { createFile, identityOf, isCorrupt } from "../sqlite/file.ts";
import type { Entry } from "./entry.ts";

/** Bytes of a page, SQLite's default. */
const PAGE = 4096;
/** Pages in the write-ahead log that make SQLite move them into the file, which syncs and takes milliseconds. */
const LOG_PAGES = 4096;
/** Of the table below. A change of it needs a new number, and a step that brings older files there. */
const VERSION = 1;

const SCHEMA = `
  create table events (
    id integer primary key,       -- the order of acceptance
    delivery text not null,       -- X-Wforce-Delivery
    hook text not null,           -- its name
    body blob not null,
    created integer not null,     -- milliseconds since 1970, as is due
    attempts integer not null default 0,
    due integer not null default 0,
    problem text not null default '',
    dead integer not null default 0, -- 1: a dead letter
    pause integer not null default 0 -- milliseconds from the last attempt to due
  ) strict`;

const FORMER_COLUMNS = "id,delivery,hook,body,created,attempts,due,problem,dead"; // before there were versions
const COLUMNS = `${FORMER_COLUMNS},pause`;

/** An event as it is in the file, without its body. */
export interface SpooledEvent extends Omit<Entry, "body" | "queued" | "inFlight"> {
  row: number;
  dead: number;
}

/** What becomes of a row; undefined when it goes. */
export type Change = { entry: Entry; dead: boolean } | undefined;

/** The file is not to be touched. The message says what it is and what to do. */
class ForeignFileError extends Error {}

export class SpoolFile {
  private readonly statements: Record<"insert" | "read" | "update" | "delete" | "pages", Statement>;

  private constructor(
    private readonly path: string,
    private readonly database: Database,
    /** Which file it is, whatever its name. */
    private readonly identity: string,
    private rows: number,
  ) {
    this.statements = {
      insert: database.prepare(
        `insert into events (delivery, hook, body, created, attempts, due, pause, problem, dead)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
      read: database.prepare("select body from events where id = ?"),
      update: database.prepare(
        "update events set created = ?, attempts = ?, due = ?, pause = ?, problem = ?, dead = ? where id = ?",
      ),
      delete: database.prepare("delete from events where id = ?"),
      pages: database.prepare("pragma page_count"),
    };
  }

  /**
   * Opens it, and makes folder and file, for the owner alone, if they are not there.
   * @param mostBytes of the file; what does not fit is treated as on a full disk
   * @returns the file and what is in it, in order
   */
  static open(path: string, mostBytes: number): { file: SpoolFile; events: SpooledEvent[] } {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    createFile(path);
    const database = new Database(path, { readwrite: true });
    try {
      // Held from the first look until the process ends, however it ends: no other daemon delivers the same events.
      database.run("pragma locking_mode = exclusive");
      prepare(database);
      // What is delivered or forgotten is overwritten: events are about people.
      database.run("pragma secure_delete = on");
      database.run("pragma journal_mode = wal");
      // A killed daemon loses nothing, a power cut can take the last moments.
      database.run("pragma synchronous = normal");
      database.run(`pragma wal_autocheckpoint = ${LOG_PAGES}`);
      database.run(`pragma journal_size_limit = ${LOG_PAGES * PAGE}`);
      database.run(`pragma max_page_count = ${Math.floor(mostBytes / PAGE)}`);
      const select = database.prepare(
        `select id as row, hook as hookName, delivery as deliveryId, length(body) as size, created, attempts, due, pause,
         problem, dead from events order by id`,
      );
      const events = select.all() as SpooledEvent[];
      select.finalize();
      return { file: new SpoolFile(path, database, identityOf(path), events.length), events };
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Whether it has no events. */
  get isEmpty(): boolean {
    return this.rows === 0;
  }

  /** Bytes of the file, without its log. It does not shrink by itself. */
  get size(): number {
    return (this.statements.pages.get() as { page_count: number }).page_count * PAGE;
  }

  /** Bytes of the file and its log. */
  get sizeOnDisk(): number {
    const sizes = ["", "-wal"].map((suffix) => statSync(this.path + suffix, { throwIfNoEntry: false })?.size ?? 0);
    return sizes[0]! + sizes[1]!;
  }

  /** @returns its row */
  insert({ deliveryId, hookName, created, attempts, due, pause, problem }: Entry, body: Buffer, dead: boolean): number {
    const times = [created, attempts, Math.round(due), Math.round(pause)];
    const values = [deliveryId, hookName, body, ...times, problem, dead ? 1 : 0];
    const row = Number(this.statements.insert.run(...values).lastInsertRowid);
    this.rows++;
    return row;
  }

  /** The body in a row; undefined when there is no such row. */
  read(row: number): Buffer | undefined {
    const body = (this.statements.read.get(row) as { body: Uint8Array } | null)?.body;
    return body && Buffer.from(body.buffer, body.byteOffset, body.length);
  }

  /** Writes what became of rows, all or nothing. */
  write(changes: Iterable<[row: number, change: Change]>): void {
    let deleted = 0;
    this.database.transaction(() => {
      for (const [row, change] of changes) {
        if (!change) deleted += this.statements.delete.run(row).changes;
        else {
          const { created, attempts, due, pause, problem } = change.entry;
          const times = [created, attempts, Math.round(due), Math.round(pause)];
          this.statements.update.run(...times, problem, change.dead ? 1 : 0, row);
        }
      }
    })();
    this.rows -= deleted;
  }

  /**
   * Does something again when it has failed, and the log could be moved into the file, which gives the log's room back: it
   * may be the log that has filled the disk.
   */
  withRoom(operation: () => void): void {
    try {
      operation();
    } catch (error) {
      if (isCorrupt(error)) throw error;
      this.emptyLog();
      operation();
    }
  }

  /** Moves the log into the file: what was deleted is then in neither. */
  emptyLog(): void {
    this.database.run("pragma wal_checkpoint(truncate)");
  }

  /** The body in a row of a file that may be broken; undefined when it cannot be read. */
  salvage(row: number): Buffer | undefined {
    try {
      return this.read(row);
    } catch {
      return undefined;
    }
  }

  /** Whether it is still what its path leads to: somebody may have removed or replaced it. */
  isInPlace(): boolean {
    try {
      return identityOf(this.path) === this.identity;
    } catch (error) {
      // What cannot be seen now may still be there; only what is known to be gone is replaced.
      return !/^(ENOENT|ENOTDIR)$/.test((error as NodeJS.ErrnoException).code ?? "");
    }
  }

  /** Closes it. It may be broken: whatever it has against that, it is not used any more. */
  abandon(): void {
    try {
      for (const statement of Object.values(this.statements)) statement.finalize();
      this.database.close(true);
    } catch {
      // As above.
    }
  }
}

/**
 * Makes the table, in a file that has nothing or what an earlier version made.
 * @throws {ForeignFileError} without having changed anything
 */
function prepare(database: Database): void {
  const { user_version: version } = database.query("pragma user_version").get() as { user_version: number };
  const named = (query: string): string =>
    (database.query(query).all() as { name: string }[]).map(({ name }) => name).join();
  const tables = named("select name from sqlite_schema where name not like 'sqlite_%'");
  const columns = named("select name from pragma_table_info('events')");
  if (version > VERSION && tables === "events" && columns.startsWith("id,delivery,hook")) {
    throw new ForeignFileError(
      `a newer trackalert wrote it (version ${version}, this one knows ${VERSION}): start that one, or move the file away`,
    );
  }
  if (version === VERSION && columns === COLUMNS) return;
  const isFormer = tables === "events" && columns === FORMER_COLUMNS;
  if (version !== 0 || (tables !== "" && !isFormer)) {
    throw new ForeignFileError("it is another program's: move it away, or name another folder (setStateDir)");
  }
  database.transaction(() => {
    if (isFormer) {
      database.run("alter table events add column pause integer not null default 0");
      database.run("update events set pause = max(due - created, 0) where attempts > 0");
    } else database.run(SCHEMA);
    database.run(`pragma user_version = ${VERSION}`);
  })();
}
