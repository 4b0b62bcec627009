/** What is done with alerts as SQL, for SQLite and PostgreSQL alike; see sql.ts. */
import {
  ALERT_COLUMNS,
  type AlertFilter,
  type AlertRecord,
  CLOCK_SKEW,
  type Fold,
  SEVERITIES,
  toColumns,
} from "./alert-record.ts";
import type { Bound, Sql } from "./sql.ts";

/** Alerts whose cool-down has not ended that are taken over at a start; the newest. */
const MOST_OPEN = 10_000;

const bound = (value: string | number | null): Bound =>
  typeof value === "string" ? Buffer.from(value, "latin1") : value;

/**
 * Takes the cool-down of a key: answers a row unless another alert has it, or has had it at that time.
 * @param latest one that ends later is not trusted: unless given, it would last longer than it can, as the clock was set back
 */
export const takeCooldownSql = (
  { key, id, until }: AlertRecord,
  now: number,
  schema: string,
  latest = until + CLOCK_SKEW,
): Sql => ({
  text: `insert into ${schema}cooldowns (key, id, until) values (?, ?, ?)
    on conflict (key) do update set id = excluded.id, until = excluded.until
    where cooldowns.until <= ? or cooldowns.until > ? returning id`,
  values: [bound(key), bound(id), until, now, latest],
});

/** Of an alert that was raised without asking: one that another daemon has raised since keeps the key. */
export const takeFreeCooldownSql = (alert: AlertRecord, now: number, schema: string): Sql =>
  takeCooldownSql(alert, now, schema, Number.MAX_SAFE_INTEGER);

/** Answers the alert that has a key. */
export const cooldownSql = ({ key }: AlertRecord, schema: string): Sql => ({
  text: `select id, until from ${schema}cooldowns where key = ?`,
  values: [bound(key)],
});

/** Keeps an alert, unless it is kept already. @param rows a table, once for each of whose rows, if any */
export const keepAlertSql = (alert: AlertRecord, schema: string, rows = "where true"): Sql => ({
  text: `insert into ${schema}alerts (${ALERT_COLUMNS}, finished) select ${toColumns(alert)
    .map(() => "?")
    .join()}, 0 ${rows} on conflict (key, id) do nothing`,
  values: toColumns(alert).map(bound),
});

export const foldSql = ({ key, id, count, last }: Fold, schema: string): Sql => ({
  text: `update ${schema}alerts set count = count + ?, last = case when last < ? then ? else last end where key = ? and id = ?`,
  values: [count, last, last, bound(key), bound(id)],
});

/** Answers the alert to the one who is first to finish it. */
export const finishSql = (key: string, id: string, schema: string): Sql => ({
  text: `update ${schema}alerts set finished = 1 where key = ? and id = ? and finished = 0 returning ${ALERT_COLUMNS}`,
  values: [bound(key), bound(id)],
});

/** Of an alert that is finished: its key is free, whatever the clock says. */
export const freeCooldownSql = (key: string, id: string, schema: string): Sql => ({
  text: `delete from ${schema}cooldowns where key = ? and id = ?`,
  values: [bound(key), bound(id)],
});

export const openAlertsSql = (schema: string): Sql => ({
  text: `select ${ALERT_COLUMNS} from ${schema}alerts where finished = 0 order by until desc limit ${MOST_OPEN}`,
  values: [],
});

/** Answers alerts, the newest first. */
export function alertsSql(filter: AlertFilter, n: number, schema: string): Sql {
  const { type, login, remote, severity, since, before, after } = filter;
  const conditions: [text: string, ...values: Bound[]][] = [];
  const add = (text: string, ...values: (string | number | undefined)[]): void => {
    if (values[0] !== undefined) conditions.push([text, ...values.map((value) => bound(value ?? null))]);
  };
  add("type = ?", type);
  add("login = ?", login);
  add("remote = ?", remote);
  add("severity = ?", severity && SEVERITIES.indexOf(severity));
  add("first >= ?", since);
  add("first < ?", before);
  add("(first < ? or (first = ? and id < ?))", after?.first, after?.first, after?.id);
  const where = conditions.length === 0 ? "" : ` where ${conditions.map(([text]) => text).join(" and ")}`;
  return {
    text: `select ${ALERT_COLUMNS} from ${schema}alerts${where} order by first desc, id desc limit ?`,
    values: [...conditions.flatMap(([, ...values]) => values), n],
  };
}

/** Removes alerts that are too old, a piece at a time. */
export const expireAlertsSql = (before: number, limit: number, schema: string): Sql => ({
  text: `delete from ${schema}alerts where (key, id) in
    (select key, id from ${schema}alerts where first < ? and until < ? order by first limit ?)`,
  values: [before, before, limit],
});

export const expireCooldownsSql = (before: number, schema: string): Sql => ({
  text: `delete from ${schema}cooldowns where until < ?`,
  values: [before],
});

/** Their keys name the login. To be done before the alerts go. */
export const forgetCooldownsSql = (login: string, schema: string): Sql => ({
  text: `delete from ${schema}cooldowns where (key, id) in (select key, id from ${schema}alerts where login = ?)`,
  values: [bound(login)],
});

export const forgetAlertsSql = (login: string, schema: string): Sql => ({
  text: `delete from ${schema}alerts where login = ?`,
  values: [bound(login)],
});
