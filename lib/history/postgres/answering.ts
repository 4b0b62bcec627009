/** Answers questions from PostgreSQL. */
import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { type Column, hashedLogin, type Row, type Value } from "../row.ts";
import { mergeBuckets, seriesParts } from "../series.ts";
import {
  bind,
  type Bound,
  countSql,
  type Dialect,
  distinctOfSomeSql,
  distinctSql,
  HOUR,
  rowsSql,
  seriesSql,
  topSql,
} from "../sql.ts";
import {
  type Answer,
  type Forgotten,
  type HourCount,
  type Imported,
  LoginState,
  type Question,
  type StoreState,
  type Total,
} from "../store.ts";
import { finish, forgetAlerts, listAlerts, openAlerts, raise } from "./alerts.ts";
import { runOn } from "./lists.ts";
import type { PostgresProfiles } from "./profiles.ts";
import { SCHEMA } from "./schema.ts";
import { all, change, number, type Raw, type Session, toBytea, transaction, valueOf } from "./session.ts";

/** How many times more rows are looked at when too few different values were among them. */
const WIDENED = 8;
/** Groups that are fetched at once. */
const FETCHED = 500;
const TABLES = ["reports", "logins", "hours", "entries", "everybody", "pairs", "alerts"];

type Asked<A extends Question["ask"]> = Extract<Question, { ask: A }>;

export class Answering {
  readonly dialect: Dialect;

  /** @param key of the hashes that stand for logins */
  constructor(
    readonly key: ByteString,
    private readonly profiles: PostgresProfiles,
  ) {
    this.dialect = {
      schema: `${SCHEMA}.`,
      limited: "",
      stored: (column, values) => this.stored(column, values),
      order: () => "value",
      withoutPasswords: "",
      loginsApart: true,
      bucket: (time, size) => `floor(${time} / ${size}) * ${size}`,
    };
  }

  async answer(session: Session, question: Question): Promise<Answer> {
    const { dialect } = this;
    switch (question.ask) {
      case "count":
        return number(session, countSql(question, dialect));
      case "distinct":
        return this.distinct(session, question);
      case "top":
        return question.column === "login" ? this.topLogins(session, question) : this.top(session, question);
      case "rows":
        return (await all(session, rowsSql(question, dialect))).map((raw): Row => raw.slice(0, -1).map(valueOf));
      case "series":
        return this.series(session, question);
      case "totals":
        return this.totals(session, question);
      case "staleHours": {
        const { since, before, n } = question;
        const text = `select hour from ${SCHEMA}.hours where stale = 1 and hour >= ? and hour < ? order by hour limit ?`;
        return (await all(session, { text, values: [since, before, n] })).map(([hour]) => Number(hour));
      }
      case "hour":
        return this.hour(session, question.hour);
      case "state":
        return this.state(session);
      case "imported":
        return this.imported(session);
      case "known":
        return this.profiles.known(runOn(session), question.login, question.feature, question.value);
      case "profile":
        return this.profiles.profile(runOn(session), question.login);
      case "usage":
        return this.profiles.usage(runOn(session), question.login, question.levels);
      case "forget":
        return this.forget(session, question);
      case "alerts":
        return listAlerts(session, question.filter, question.n);
      case "openAlerts":
        return openAlerts(session);
      case "raise":
        return raise(session, question.alert, question.now);
      case "finish":
        return finish(session, question.key, question.id);
      case "forgetAlerts":
        return forgetAlerts(session, question.login);
    }
  }

  /** A login also as the hash that may stand for it. */
  private stored(column: Column, values: Value[]): Bound[] {
    const different = [...new Set(values)];
    if (column !== "login") return different.map(bind);
    return different.flatMap((login) => this.formsOf(login as ByteString));
  }

  private formsOf(login: ByteString): Buffer[] {
    return [login, hashedLogin(login, this.key)].map(toBytea);
  }

  /** PostgreSQL looks at all rows before it stops at a limit: so it gets some of them, and more when those do not do. */
  private async distinct(session: Session, question: Asked<"distinct">): Promise<number> {
    const { limit } = question;
    if (limit === undefined) return number(session, distinctSql(question, this.dialect));
    for (let rows = limit * WIDENED; ; rows *= WIDENED) {
      const [found] = await all(session, distinctOfSomeSql(question, rows, this.dialect));
      const [n, seen] = found!.map(Number) as [number, number];
      if (n >= limit) return limit;
      if (seen < rows) return n;
    }
  }

  private async top(session: Session, question: Asked<"top">): Promise<[Value, number][]> {
    return (await all(session, topSql(question, this.dialect))).map(([value, n]) => [valueOf(value!), Number(n)]);
  }

  /** Those that never succeeded may be passwords, and are looked up apart: no query joins. */
  private topLogins(session: Session, question: Asked<"top">): Promise<[Value, number][]> {
    const { text, values } = topSql(question, this.dialect, true);
    return transaction(session, async (tx) => {
      const top: [Value, number][] = [];
      await change(tx, { text: `declare groups no scroll cursor for ${text}`, values });
      while (top.length < question.n) {
        const groups = await all(tx, { text: `fetch ${FETCHED} from groups`, values: [] });
        if (groups.length === 0) break;
        const succeeded = await this.succeeded(
          tx,
          groups.map(([login]) => login as Buffer),
        );
        for (const [login, n] of groups) {
          const value = valueOf(login!);
          if (succeeded.has(value)) top.push([value, Number(n)]);
        }
      }
      return top.slice(0, question.n);
    });
  }

  private async succeeded(session: Session, logins: Buffer[]): Promise<Set<Value>> {
    const text = `select login from ${SCHEMA}.logins where state = ${LoginState.succeeded} and login in (${logins.map(() => "?").join()})`;
    return new Set((await all(session, { text, values: logins })).map(([login]) => valueOf(login!)));
  }

  private async series(session: Session, { bucket, filter }: Asked<"series">): Promise<[number, number][]> {
    const { rows, hours } = seriesParts(bucket, filter);
    const found: Raw[][] = [];
    for (const some of rows)
      found.push(...(await all(session, seriesSql({ ask: "series", bucket, filter: some }, this.dialect))));
    if (hours) {
      const text = `select hour / ?::bigint * ?::bigint, sum(${hours.sum}) from ${SCHEMA}.hours where hour >= ? and hour < ? group by 1`;
      found.push(...(await all(session, { text, values: [bucket, bucket, hours.since, finite(hours.before)] })));
    }
    return mergeBuckets(found.map(([t, n]) => [Number(t), Number(n)]));
  }

  private async totals(session: Session, { since, before }: Asked<"totals">): Promise<Total[]> {
    const text = `select hour, reports, failures, case stale when 0 then logins end, case stale when 0 then addresses end
      from ${SCHEMA}.hours where hour >= ? and hour < ? order by hour`;
    const known = (raw: Raw): number | null => (raw === null ? null : Number(raw));
    return (await all(session, { text, values: [since, finite(before)] })).map(
      ([hour, reports, failures, logins, addresses]) => ({
        hour: Number(hour),
        reports: Number(reports),
        failures: Number(failures),
        logins: known(logins!),
        addresses: known(addresses!),
      }),
    );
  }

  private async hour(session: Session, hour: number): Promise<HourCount> {
    // Before the rows are counted: see the write "hour".
    const of = `select coalesce(max(reports), 0) from ${SCHEMA}.hours where hour = ?`;
    const reports = await number(session, { text: of, values: [hour] });
    const text = `select count(distinct login), count(distinct remote) from ${SCHEMA}.reports where t >= ? and t < ?`;
    const [found] = await all(session, { text, values: [hour, hour + HOUR] });
    const [logins, addresses] = found!.map(Number) as [number, number];
    return { reports, logins, addresses };
  }

  private async state(session: Session): Promise<StoreState> {
    const text = `select count(*), min(t), max(t) from ${SCHEMA}.reports`;
    const [found] = await all(session, { text, values: [] });
    const [rows, oldest, newest] = found!;
    const sizes = TABLES.map((table) => `pg_total_relation_size('${SCHEMA}.${table}')`).join(" + ");
    return {
      rows: Number(rows),
      oldest: oldest as number | null,
      newest: newest as number | null,
      size: await number(session, { text: `select ${sizes}`, values: [] }),
    };
  }

  private async imported(session: Session): Promise<Imported[]> {
    const text = `select head, length, position, ahead from ${SCHEMA}.imports`;
    return (await all(session, { text, values: [] })).map(([head, length, position, ahead]) => ({
      head: valueOf(head!) as ByteString,
      length: Number(length),
      position: Number(position),
      ahead: JSON.parse(valueOf(ahead!) as string) as number[],
    }));
  }

  private async forget(session: Session, { login, limit }: Asked<"forget">): Promise<Forgotten> {
    const forgotten = { rows: 0, profiles: 0, pairs: 0, everybody: 0 };
    for (const form of this.formsOf(login)) {
      const { removed, more } = await removeOldest(session, { text: "login = ?", values: [form] }, limit);
      forgotten.rows += removed;
      if (more) return { ...forgotten, more };
      const profile = await transaction(session, async (tx) => {
        const gone = await this.profiles.forget(runOn(tx), fromBytes(form));
        await change(tx, { text: `delete from ${SCHEMA}.logins where login = ?`, values: [form] });
        return gone;
      });
      forgotten.profiles += profile.profiles;
      forgotten.pairs += profile.pairs;
      forgotten.everybody += profile.everybody;
    }
    return { ...forgotten, more: false };
  }
}

/**
 * Removes about so many of the oldest rows that meet a condition; more when several are of one time.
 * @returns whether there may be more
 */
export async function removeOldest(
  session: Session,
  { text, values }: { text: string; values: Bound[] },
  limit: number,
): Promise<{ removed: number; more: boolean }> {
  const last = `select t from ${SCHEMA}.reports where ${text} order by t limit 1 offset ?`;
  const [found] = await all(session, { text: last, values: [...values, limit - 1] });
  const until = found ? " and t <= ?" : "";
  const removed = await change(session, {
    text: `delete from ${SCHEMA}.reports where ${text}${until}`,
    values: found ? [...values, found[0] as number] : values,
  });
  return { removed, more: found !== undefined };
}

/** A bigint is not compared with an infinite number. */
const finite = (time: number): number => Math.min(time, Number.MAX_SAFE_INTEGER);
