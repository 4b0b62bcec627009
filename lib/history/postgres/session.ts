/** SQL with `?` places, run on a connection of PostgreSQL, and what comes back as this program's values. */
import type { SQL } from "bun";

import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import type { Value } from "../row.ts";
import type { Sql } from "../sql.ts";

/** A pool, a connection that is reserved, or a transaction. */
export type Session = SQL;

export const isTransaction = (session: Session): session is Bun.TransactionSQL => "savepoint" in session;

/** All that is done in it, or nothing; within a transaction, too. */
export async function transaction<T>(session: Session, action: (tx: Session) => Promise<T>): Promise<T> {
  return (await (isTransaction(session) ? session.savepoint(action) : session.begin(action))) as T;
}

/** The server's own code of an error. */
export const stateOf = (error: unknown): string => String((error as { errno?: unknown }).errno ?? "");

export type Raw = Buffer | string | number | boolean | null;

/** @returns a list of values for each row */
export async function all(session: Session, { text, values }: Sql): Promise<Raw[][]> {
  return (await session.unsafe(numbered(text), values).values()) as Raw[][];
}

/** @returns how many rows it changed */
export async function change(session: Session, { text, values }: Sql): Promise<number> {
  const { count } = (await session.unsafe(numbered(text), values)) as { count: number };
  return count;
}

/** The one number that a query answers. */
export async function number(session: Session, sql: Sql): Promise<number> {
  return Number((await all(session, sql))[0]![0]);
}

/** None of our texts has a question mark that stands for itself. */
function numbered(text: string): string {
  let n = 0;
  return text.replaceAll("?", () => `$${++n}`);
}

/** A bigint comes as a text, bytes as a buffer. */
export const valueOf = (raw: Raw): Value => {
  if (typeof raw === "string") return Number(raw);
  return Buffer.isBuffer(raw) ? fromBytes(raw) : raw;
};

export const toBytea = (text: ByteString): Buffer => Buffer.from(text, "latin1");

/** Rows of one statement, so that only a few different ones are prepared. */
const CHUNKS = [512, 128, 32, 8, 2, 1];

/**
 * Inserts rows, which are lists of values.
 * @param end what comes after the values
 */
export async function insert(session: Session, into: string, rows: Sql["values"][], end = ""): Promise<void> {
  for (let at = 0; at < rows.length;) {
    const size = CHUNKS.find((chunk) => chunk <= rows.length - at)!;
    const some = rows.slice(at, at + size);
    const places = `(${some[0]!.map(() => "?").join()})`;
    await change(session, {
      text: `insert into ${into} values ${some.map(() => places).join()} ${end}`,
      values: some.flat(),
    });
    at += size;
  }
}
