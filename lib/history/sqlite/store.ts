/** The history in an SQLite file. Everything here blocks: it runs in a worker, or in a replay. */
import { Database, type Statement } from "bun:sqlite";
import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { createFile, moveAside } from "../../sqlite/file.ts";
import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { stopwatch } from "../../time/clock.ts";
import {
  isWriting,
  type Question,
  removes,
  type Reply,
  StoreError,
  type Tidied,
  type Tidying,
  type Turn,
  type TurnDone,
  type Write,
} from "../store.ts";
import { Alerts } from "./alerts.ts";
import { Answering } from "./answering.ts";
import { Dictionaries, toBlob } from "./dictionary.ts";
import { concernsFile, storeProblem } from "./problem.ts";
import { Profiles } from "./profiles.ts";
import { RowWriter } from "./row-writer.ts";
import { migrate, versionOf } from "./schema.ts";
import { Tidier } from "./tidier.ts";

/** Milliseconds that another process may hold the file before it counts as away. */
const BUSY = 2000;
/** Kibibytes of pages kept in memory. */
const CACHE = 65_536;
/** Pages in the write-ahead log that make SQLite move them into the file. */
const LOG_PAGES = 16_384;
const PAGE = 4096;
/** Bytes of a file that is read as a whole when it is opened, to see whether it is well. */
const CHECKED_WHOLE = 64 * 1024 ** 2;

/** Who only looks. */
const NOBODY = "" as ByteString;

/** A name for {@link SqliteOptions.writer} that no other process has. */
export const newWriter = (): ByteString => fromBytes(crypto.getRandomValues(new Uint8Array(16)));

export interface SqliteOptions {
  /** Absolute, or ":memory:". */
  path: string;
  /** Opened for questions alone. */
  readonly: boolean;
  /** Milliseconds for a question; null for no limit. */
  timeout: number | null;
  /** Who writes: the same each time that it is opened anew. */
  writer: ByteString;
}

interface Open {
  database: Database;
  begin: Statement;
  commit: Statement;
  setTurn: Statement;
  dictionaries: Dictionaries;
  rows: RowWriter;
  profiles: Profiles;
  alerts: Alerts;
  answering: Answering;
  tidier: Tidier;
}

export class SqliteStore {
  private file: Open | undefined;
  /** Why it cannot be used until it is opened anew. */
  private failure: StoreError | undefined;

  constructor(private readonly options: SqliteOptions) {}

  /** Makes folder and file, for the owner alone, if need be; brings the schema up to date. See {@link Store.open}. */
  open(): number {
    this.close();
    const { path, readonly } = this.options;
    let database: Database | undefined;
    try {
      if (path === ":memory:") database = new Database(path);
      else {
        if (!readonly) {
          mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
          createFile(path);
        }
        database = new Database(path, readonly ? { readonly: true } : { readwrite: true });
        database.run(`pragma busy_timeout = ${BUSY}`);
      }
      this.prepare(database);
      this.file = this.use(database);
      this.failure = undefined;
      return this.durableTurn(database);
    } catch (error) {
      database?.close();
      throw storeProblem(error, path, true);
    }
  }

  /** @throws {StoreError} */
  run({ number, writes, questions, commit }: Turn): TurnDone {
    return this.guard((file) => {
      const { database } = file;
      if (writes.length > 0 || questions.some(isWriting)) this.begin(file);
      for (const write of writes) apply(write, file);
      const replies = questions.map((question) => this.reply(question, file));
      if (commit && database.inTransaction) {
        file.setTurn.run(toBlob(this.options.writer), number);
        this.commit(file);
        // What was removed is to be gone from the write-ahead log, too.
        if (questions.some(removes)) database.run("pragma wal_checkpoint(truncate)");
      }
      return { replies, durable: !database.inTransaction };
    });
  }

  /** @throws {StoreError} */
  ask(question: Question): Reply {
    return this.guard((file) => this.reply(question, file));
  }

  /** @throws {StoreError} */
  tidy(tidying: Tidying): Tidied {
    return this.guard((file) => {
      const within = file.database.inTransaction;
      if (!within) file.begin.run();
      const tidied = file.tidier.tidy(tidying);
      if (!within) this.commit(file);
      return tidied;
    });
  }

  /** Looks at all of a file that is not too large. @throws {StoreError} for one that is corrupt */
  check(): void {
    this.guard(({ database }) => {
      if (statSync(this.options.path).size <= CHECKED_WHOLE) check(database);
    });
  }

  /** Writes a copy of what is committed. @throws {StoreError} */
  backup(target: string): void {
    this.guard(({ database }) => {
      try {
        createFile(target);
        if (statSync(target).size > 0) throw new StoreError("misuse", `${target} is there already`);
        database.prepare("vacuum into ?").run(target);
      } catch (error) {
        if (error instanceof StoreError) throw error;
        rmSync(target, { force: true });
        throw new StoreError("misuse", `${target}: ${(error as Error).message}`);
      }
    });
  }

  /** Closes it and gives the file another name. @returns what came of it, in words */
  moveAside(now: number): string {
    this.close();
    return moveAside(this.options.path, now);
  }

  /** What was not committed is lost. */
  close(): void {
    const { file } = this;
    this.file = undefined;
    if (!file) return;
    try {
      file.database.close(true);
    } catch {
      // A file that is corrupt or away cannot be closed in good order.
    }
  }

  private prepare(database: Database): void {
    const { readonly, path } = this.options;
    if (readonly) return void versionOf(database);
    // Before it is made to be written, so that another program's file is left as it is.
    versionOf(database);
    // What is deleted is overwritten: the history is about people.
    database.run("pragma secure_delete = on");
    if (path !== ":memory:") {
      database.run("pragma journal_mode = wal");
      // A killed daemon loses nothing, a power cut can take the last moments.
      database.run("pragma synchronous = normal");
      database.run(`pragma wal_autocheckpoint = ${LOG_PAGES}`);
      database.run(`pragma journal_size_limit = ${LOG_PAGES * PAGE}`);
    }
    migrate(database);
    if (path !== ":memory:" && statSync(path).size <= CHECKED_WHOLE) check(database);
  }

  private use(database: Database): Open {
    database.run(`pragma cache_size = -${CACHE}`);
    const dictionaries = new Dictionaries(database);
    const profiles = new Profiles(database, dictionaries);
    const alerts = new Alerts(database);
    return {
      database,
      dictionaries,
      begin: database.prepare("begin immediate"),
      commit: database.prepare("commit"),
      setTurn: database.prepare("insert or replace into turns (rowid, writer, turn) values (1, ?, ?)"),
      rows: new RowWriter(database, dictionaries),
      profiles,
      alerts,
      answering: new Answering(database, { dictionaries, profiles, alerts }, stopwatch, this.options.timeout),
      tidier: new Tidier(database, { dictionaries, profiles, alerts }),
    };
  }

  /** The last turn of this process that was committed, although its answer may have been lost; 0 when there is none. */
  private durableTurn(database: Database): number {
    const [known] = database.query("select writer, turn from turns").values() as [Uint8Array, number][];
    return known && fromBytes(known[0]) === this.options.writer ? known[1] : 0;
  }

  private commit({ profiles, commit }: Open): void {
    profiles.flush();
    commit.run();
  }

  private begin({ database, begin }: Open): void {
    if (!database.inTransaction) begin.run();
  }

  /** A question that took too long, or that the database has something against, is no reason to undo what was written. */
  private reply(question: Question, { answering }: Open): Reply {
    try {
      return answering.reply(question);
    } catch (error) {
      if (concernsFile(error)) throw error;
      return { failed: (error as Error).message };
    }
  }

  private guard<T>(action: (file: Open) => T): T {
    if (this.failure) throw this.failure;
    if (!this.file) throw new StoreError("away", `${this.options.path}: it is not open`);
    try {
      return action(this.file);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      throw (this.failure = this.fail(this.file, error));
    }
  }

  /** Undoes what is not committed. */
  private fail({ database, dictionaries }: Open, error: unknown): StoreError {
    dictionaries.forgetAll();
    try {
      if (database.inTransaction) database.run("rollback");
    } catch {
      // SQLite has rolled back by itself.
    }
    return storeProblem(error, this.options.path, false);
  }
}

function apply(write: Write, { rows, profiles, alerts, database }: Open): void {
  switch (write.write) {
    case "rows":
      return rows.add(write.rows);
    case "learn":
      return profiles.learn(write.learnt);
    case "hour": {
      const { reports, logins, addresses } = write.counted;
      const sql = "update hours set logins = ?, addresses = ?, stale = reports <> ? where hour = ?";
      return void database.query(sql).run(logins, addresses, reports, write.hour);
    }
    case "imported": {
      const { head, length, position, ahead } = write.imported;
      if (write.former !== head) database.query("delete from imports where head = ?").run(toBlob(write.former));
      const sql = "insert or replace into imports (head, length, position, ahead) values (?, ?, ?, ?)";
      return void database.query(sql).run(toBlob(head), length, position, JSON.stringify(ahead));
    }
    case "alerts":
      return alerts.keep(write.alerts, write.now);
    case "finished":
      return alerts.finishAll(write.alerts);
    case "folds":
      return alerts.fold(write.folds);
  }
}

/** @throws when the file is corrupt */
function check(database: Database): void {
  const found = database.prepare("pragma quick_check(1)").values() as [string][];
  if (found[0]?.[0] === "ok") return;
  throw Object.assign(new Error(found[0]?.[0] ?? "no answer"), { code: "SQLITE_CORRUPT" });
}

/** Why a daemon could not use a file, if so. It is only looked at. */
export function fileProblem(path: string): string | undefined {
  // It is made at the start.
  if (!existsSync(path)) return undefined;
  const store = new SqliteStore({ path, readonly: true, timeout: null, writer: NOBODY });
  try {
    accessSync(path, constants.W_OK);
    if (!statSync(path).isFile()) return `${path}: it cannot be written: it is no file`;
    store.open();
    store.check();
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreError)) return `${path}: it cannot be written: ${(error as Error).message}`;
    const { problem, message } = error as StoreError;
    return problem === "away" ? undefined : message;
  } finally {
    store.close();
  }
}
