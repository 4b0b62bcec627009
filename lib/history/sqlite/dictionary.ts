/**
 * Texts that rows refer to by number. Each is kept once, with a time that is not before its newest row, so that it can go
 * when all rows of that time have gone, and nobody has to count who refers to it.
 */
import type { Database, Statement } from "bun:sqlite";

import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { endOfDay, LoginState } from "../store.ts";

/** Texts of a kind that are remembered; over it those that have been longest go. */
const REMEMBERED = 100_000;

export const toBlob = (text: ByteString): Buffer => Buffer.from(text, "latin1");

interface Known {
  id: number;
  last: number;
}

interface KnownLogin extends Known {
  state: number;
}

abstract class Dictionary<K extends Known> {
  private readonly known = new Map<ByteString, K>();
  private readonly find: Statement;
  private readonly read: Statement;

  constructor(
    protected readonly database: Database,
    { table, column, columns }: { table: string; column: string; columns: string },
  ) {
    this.find = database.prepare(`select ${columns} from ${table} where ${column} = ?`);
    this.read = database.prepare(`select ${column} as text from ${table} where id = ?`);
  }

  /** Its number, if it is there. */
  idOf(text: ByteString): number | undefined {
    return this.lookUp(text)?.id;
  }

  textOf(id: number): ByteString {
    const found = this.read.get(id) as { text: Uint8Array } | null;
    return found ? fromBytes(found.text) : ("" as ByteString);
  }

  /** To be called when what was added may have been undone, or texts have been removed. */
  forgetAll(): void {
    this.known.clear();
  }

  protected lookUp(text: ByteString): K | undefined {
    const known = this.known.get(text);
    if (known) return known;
    const found = this.find.get(toBlob(text)) as K | null;
    if (found) this.remember(text, found);
    return found ?? undefined;
  }

  protected remember(text: ByteString, known: K): void {
    if (this.known.size >= REMEMBERED) this.known.delete(this.known.keys().next().value!);
    this.known.set(text, known);
  }
}

export class Texts extends Dictionary<Known> {
  private readonly insert: Statement;
  private readonly use: Statement;

  constructor(database: Database) {
    super(database, { table: "texts", column: "text", columns: "id, last" });
    this.insert = database.prepare("insert into texts (text, last) values (?, ?)");
    this.use = database.prepare("update texts set last = ? where id = ?");
  }

  /** Its number; it is added if need be. @param t of the row that refers to it */
  add(text: ByteString, t: number): number {
    const last = endOfDay(t);
    const known = this.lookUp(text);
    if (!known) {
      const id = Number(this.insert.run(toBlob(text), last).lastInsertRowid);
      this.remember(text, { id, last });
      return id;
    }
    if (known.last < last) {
      this.use.run(last, known.id);
      known.last = last;
    }
    return known.id;
  }
}

export class Logins extends Dictionary<KnownLogin> {
  private readonly insert: Statement;
  private readonly use: Statement;

  constructor(database: Database) {
    super(database, { table: "logins", column: "login", columns: "id, last, state" });
    this.insert = database.prepare("insert into logins (login, first, last, state) values (?, ?, ?, ?)");
    this.use = database.prepare("update logins set last = ?, state = ? where id = ?");
  }

  /** Its number; it is added if need be. @param t of the row that refers to it */
  add(login: ByteString, t: number, success: boolean): number {
    const last = endOfDay(t);
    const known = this.lookUp(login);
    if (!known) {
      const state = success ? LoginState.succeeded : LoginState.neverSucceeded;
      const id = Number(this.insert.run(toBlob(login), t, last, state).lastInsertRowid);
      this.remember(login, { id, last, state });
      return id;
    }
    const succeeds = success && known.state === LoginState.neverSucceeded;
    if (known.last < last || succeeds) {
      known.last = Math.max(known.last, last);
      if (succeeds) known.state = LoginState.succeeded;
      this.use.run(known.last, known.state, known.id);
    }
    return known.id;
  }
}

export class Dictionaries {
  readonly logins: Logins;
  readonly texts: Texts;
  /** Of the hashes that stand for logins which never succeeded. */
  readonly key: ByteString;

  constructor(database: Database) {
    this.logins = new Logins(database);
    this.texts = new Texts(database);
    const found = database.query("select value from meta where name = 'hash key'").get() as { value: Uint8Array };
    this.key = fromBytes(found.value);
  }

  forgetAll(): void {
    this.logins.forgetAll();
    this.texts.forgetAll();
  }
}
