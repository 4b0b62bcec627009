/** Deletes what is too old, or too much, a piece at a time. */
import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { hashedLogin } from "../row.ts";
import { type Bound, ROW_COLUMNS } from "../sql.ts";
import { LoginState, type Tidied, type Tidying } from "../store.ts";
import { expireAlerts } from "./alerts.ts";
import { removeOldest } from "./answering.ts";
import { runOn } from "./lists.ts";
import type { PostgresProfiles } from "./profiles.ts";
import { SCHEMA } from "./schema.ts";
import { all, change, insert, number, type Session, toBytea, transaction } from "./session.ts";

/** Logins that are hashed at once: each is a transaction. */
const LOGINS_A_PIECE = 20;
/** Bytes of a row beside its values: headers, padding, three entries of indexes with addresses and times. */
const OVERHEAD = 240;
/** Seconds after which a daemon that has written nothing has ended. */
const LONGEST_SILENCE = 30 * 86_400;
/** Newest rows whose size tells that of all. */
const SAMPLE = 1000;

interface Keepers {
  /** Of the hashes that stand for logins. */
  key: ByteString;
  profiles: PostgresProfiles;
}

export async function tidy(session: Session, tidying: Tidying, { key, profiles }: Keepers): Promise<Tidied> {
  const { rowsBefore, hashBefore, maxSize, limit } = tidying;
  const expired = await removeOldest(session, { text: "t < ?", values: [rowsBefore] }, limit);
  if (expired.more) return { expired: expired.removed, oversize: 0, more: true };
  const tooLarge = (await liveSize(session, maxSize)) > maxSize;
  const oversize = tooLarge ? (await removeOldest(session, { text: "true", values: [] }, limit)).removed : 0;
  const hashed = await hashLogins(session, hashBefore, key);
  const unused = await deleteUnused(session, rowsBefore, limit);
  const swept = await transaction(session, (tx) => profiles.sweep(runOn(tx), tidying, limit));
  const alerts = await expireAlerts(session, tidying, limit);
  const ended = `delete from ${SCHEMA}.writers where t < ?`;
  await change(session, { text: ended, values: [tidying.now - LONGEST_SILENCE] });
  return { expired: expired.removed, oversize, more: oversize > 0 || hashed || unused || swept || alerts };
}

/**
 * Bytes that rows take, about. PostgreSQL keeps the room of deleted rows for new ones, so the size of its files does not
 * tell: once they are large, rows are counted and some are measured.
 */
async function liveSize(session: Session, maxSize: number): Promise<number> {
  const files = await number(session, { text: `select pg_total_relation_size('${SCHEMA}.reports')`, values: [] });
  if (files <= maxSize) return files;
  const live = `select n_live_tup from pg_stat_user_tables where relid = '${SCHEMA}.reports'::regclass`;
  const width = `select coalesce(avg(pg_column_size(newest.*)), 0)::float8
    from (select * from ${SCHEMA}.reports order by t desc limit ?) as newest`;
  const rows = await number(session, { text: live, values: [] });
  return rows * ((await number(session, { text: width, values: [SAMPLE] })) + OVERHEAD);
}

/** Logins that never succeeded may be passwords. @returns whether there may be more */
async function hashLogins(session: Session, before: number, key: ByteString): Promise<boolean> {
  const text = `select login from ${SCHEMA}.logins where state = ${LoginState.neverSucceeded} and first < ? and learnt = 0 limit ?`;
  const found = await all(session, { text, values: [before, LOGINS_A_PIECE] });
  for (const [login] of found) {
    const bytes = login as Buffer;
    await transaction(session, (tx) => hashLogin(tx, bytes, toBytea(hashedLogin(fromBytes(bytes), key))));
  }
  return found.length === LOGINS_A_PIECE;
}

/** Rows are inserted anew: with Citus the login says where a row is. */
async function hashLogin(tx: Session, login: Buffer, hash: Buffer): Promise<void> {
  const known = `delete from ${SCHEMA}.logins where login = ? returning first, last`;
  const [times] = await all(tx, { text: known, values: [login] });
  // Another daemon was faster.
  if (!times) return;
  const rows = await all(tx, {
    text: `delete from ${SCHEMA}.reports where login = ? returning ${ROW_COLUMNS}`,
    values: [login],
  });
  await insert(
    tx,
    `${SCHEMA}.reports (${ROW_COLUMNS})`,
    rows.map(([t, , ...rest]) => [t, hash, ...rest] as Bound[]),
  );
  await insert(
    tx,
    `${SCHEMA}.logins (login, first, last, state)`,
    [[hash, times[0] as number, times[1] as number, LoginState.hashed]],
    "on conflict (login) do update set last = greatest(logins.last, excluded.last)",
  );
}

/** Logins whose newest row has gone. @returns whether there may be more */
async function deleteUnused(session: Session, rowsBefore: number, limit: number): Promise<boolean> {
  const [oldest] = await all(session, { text: `select t from ${SCHEMA}.reports order by t limit 1`, values: [] });
  const before = (oldest?.[0] as number | undefined) ?? rowsBefore;
  const text = `select login from ${SCHEMA}.logins where last <= ? and learnt = 0 order by last limit ?`;
  const logins = (await all(session, { text, values: [before, limit] })).map(([login]) => login as Buffer);
  if (logins.length === 0) return false;
  const places = logins.map(() => "?").join();
  // One that has been seen in the meantime stays.
  const unused = `delete from ${SCHEMA}.logins where login in (${places}) and last <= ? and learnt = 0`;
  await change(session, { text: unused, values: [...logins, before] });
  return logins.length === limit;
}
