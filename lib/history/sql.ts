/**
 * Questions as SQL, for SQLite and PostgreSQL alike. Values are bound, never pasted; what is pasted are the names of columns
 * and tables, which are this program's.
 */
import type { ByteString } from "../text/byte-string.ts";
import type { Condition, Filter, Range } from "./filter.ts";
import { type Column, COLUMN_NAMES, type Value } from "./row.ts";
import type { Question } from "./store.ts";

/** A value as a database takes it. */
export type Bound = Buffer | number | boolean | null;

/** A piece of SQL in which each `?` stands for one value. */
export interface Sql {
  text: string;
  values: Bound[];
}

/** Where the two databases differ. */
export interface Dialect {
  /** Put before the names of tables. */
  schema: string;
  /** What a row has for these values of a column; those that no row can have are left out. */
  stored(column: Column, values: Value[]): Bound[];
  /** A condition that ends a query which takes too long; empty when the database does that. */
  limited: string;
  /** What values of a column are ordered by, in a query that calls them `value`. */
  order(column: Column): string;
  /** Leaves out logins that may be passwords, in a query that calls them `value`; empty where that is done elsewhere. */
  withoutPasswords: string;
  /** Whether an index gives rows in the order of their times for one login at a time only. */
  loginsApart: boolean;
  /** The beginning of a time's bucket. @param size a placeholder */
  bucket(time: string, size: string): string;
}

export const HOUR = 3600;

const sql = (text: string, ...values: Bound[]): Sql => ({ text, values });

/** Puts pieces together. */
const join = (pieces: Sql[], between: string): Sql => ({
  text: pieces.map(({ text }) => text).join(between),
  values: pieces.flatMap(({ values }) => values),
});

const toBuffer = (bytes: ByteString): Buffer => Buffer.from(bytes, "latin1");

/** A value that is stored as it is. */
export const bind = (value: Value): Bound => (typeof value === "string" ? toBuffer(value) : value);

function condition(one: Condition, dialect: Dialect): Sql {
  if ("since" in one) return sql("t >= ?", one.since);
  if ("before" in one) return sql("t < ?", one.before);
  if ("ranges" in one) return inRanges(one.ranges);
  return anyOf(one.column, dialect.stored(one.column, one.values));
}

/** Addresses of the other family would be between the two as bytes. */
function inRanges(ranges: Range[]): Sql {
  const each = ranges.map(({ first, last }) =>
    sql("(remote >= ? and remote <= ? and length(remote) = ?)", toBuffer(first), toBuffer(last), first.length),
  );
  const { text, values } = join(each, " or ");
  return ranges.length === 0 ? sql("false") : sql(ranges.length === 1 ? text.slice(1, -1) : `(${text})`, ...values);
}

function anyOf(column: Column, values: Bound[]): Sql {
  if (values.length === 0) return sql("false");
  if (values.length === 1) return sql(`${column} = ?`, values[0]!);
  return sql(`${column} in (${values.map(() => "?").join()})`, ...values);
}

/** ` where …`, or nothing. */
function where(filter: Filter, dialect: Dialect, ...more: Sql[]): Sql {
  const conditions = filter.map((one) => condition(one, dialect));
  const all = [...(dialect.limited ? [sql(dialect.limited)] : []), ...conditions, ...more];
  if (all.length === 0) return sql("");
  const { text, values } = join(all, " and ");
  return { text: ` where ${text}`, values };
}

type Asked<A extends Question["ask"]> = Extract<Question, { ask: A }>;

/** Answers `n`. */
export function countSql({ filter, limit }: Asked<"count">, dialect: Dialect): Sql {
  const { text, values } = where(filter, dialect);
  const from = `from ${dialect.schema}reports${text}`;
  if (limit === undefined) return sql(`select count(*) as n ${from}`, ...values);
  return sql(`select count(*) as n from (select 1 ${from} limit ?) as matched`, ...values, limit);
}

/** Answers `n`. */
export function distinctSql({ column, filter, limit }: Asked<"distinct">, dialect: Dialect): Sql {
  const { text, values } = where(filter, dialect, sql(`${column} is not null`));
  const all = `select distinct ${column} from ${dialect.schema}reports${text}`;
  if (limit === undefined) return sql(`select count(*) as n from (${all}) as matched`, ...values);
  return sql(`select count(*) as n from (${all} limit ?) as matched`, ...values, limit);
}

/** For a database whose `distinct` looks at all rows before it stops: looks at so many rows. Answers `n` and `seen`. */
export function distinctOfSomeSql({ column, filter }: Asked<"distinct">, rows: number, dialect: Dialect): Sql {
  const { text, values } = where(filter, dialect, sql(`${column} is not null`));
  const some = `select ${column} as value from ${dialect.schema}reports${text} limit ?`;
  return sql(`select count(distinct value) as n, count(*) as seen from (${some}) as matched`, ...values, rows);
}

/** Answers `value` and `n`, most first. @param all without a limit, and without looking for passwords */
export function topSql({ column, filter, n }: Asked<"top">, dialect: Dialect, all = false): Sql {
  const { text, values } = where(filter, dialect, sql(`${column} is not null`));
  const groups = `select ${column} as value, count(*) as n from ${dialect.schema}reports${text} group by ${column}`;
  const passwords = column === "login" && dialect.withoutPasswords ? ` where ${dialect.withoutPasswords}` : "";
  const ordered = `select value, n from (${groups}) as matched${passwords} order by n desc, ${dialect.order(column)}`;
  return all ? sql(ordered, ...values) : sql(`${ordered} limit ?`, ...values, n);
}

/** Logins that are looked for one by one. */
const MOST_APART = 16;

const isOfLogins = (one: Condition): one is Extract<Condition, { values: Value[] }> =>
  "values" in one && one.column === "login";

export const ROW_COLUMNS = [...COLUMN_NAMES, "more"].join();

/** Answers rows, newest first unless asked otherwise; of one time the one that came last is the newest. */
export function rowsSql({ filter, n, oldestFirst = false, skip = 0 }: Asked<"rows">, dialect: Dialect): Sql {
  const direction = oldestFirst ? "" : " desc";
  const order = `order by t${direction}, id${direction} limit ? offset ?`;
  const of = (some: Filter, most: number, from: number, ...more: Sql[]): Sql => {
    const { text, values } = where(some, dialect, ...more);
    return sql(`select ${ROW_COLUMNS}, id from ${dialect.schema}reports${text} ${order}`, ...values, most, from);
  };
  const logins = dialect.loginsApart ? filter.find(isOfLogins) : undefined;
  const apart = logins ? dialect.stored("login", logins.values) : [];
  if (apart.length < 2 || apart.length > MOST_APART) return of(filter, n, skip);
  const others = filter.filter((one) => one !== logins);
  const { text, values } = join(
    apart.map((login) => of(others, skip + n, 0, sql("login = ?", login))),
    ") union all (",
  );
  return sql(`select * from ((${text})) as matched ${order}`, ...values, n, skip);
}

/** Answers `t` and `n` for each bucket that has rows. */
export function seriesSql({ bucket, filter }: Asked<"series">, dialect: Dialect): Sql {
  const { text, values } = where(filter, dialect);
  const begin = dialect.bucket("t", "?");
  return sql(
    `select ${begin} as t, count(*) as n from ${dialect.schema}reports${text} group by 1 order by 1`,
    ...[bucket, bucket],
    ...values,
  );
}
