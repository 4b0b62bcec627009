/** Answers questions from the file. */
import type { Database } from "bun:sqlite";

import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { type Column, COLUMN_NAMES, COLUMNS, hashedLogin, MORE, type Row, type Value } from "../row.ts";
import { mergeBuckets, seriesParts } from "../series.ts";
import {
  bind,
  type Bound,
  countSql,
  type Dialect,
  distinctSql,
  HOUR,
  rowsSql,
  seriesSql,
  type Sql,
  topSql,
} from "../sql.ts";
import {
  type Answer,
  type Forgotten,
  type HourCount,
  type Imported,
  LoginState,
  type Question,
  type Reply,
  type StoreState,
  type Total,
} from "../store.ts";
import type { Alerts } from "./alerts.ts";
import type { Dictionaries } from "./dictionary.ts";
import type { Profiles } from "./profiles.ts";

type Raw = Uint8Array | number | null;

/** A question took longer than it may. */
class TimeoutError extends Error {}

/** How SQLite asks now and then whether a query may go on: the rest of the condition costs next to nothing. */
const ASKED_SOMETIMES = (id: string): string => `(${id} & 4095 <> 0 or within_time())`;

export class Answering {
  private deadline = Infinity;
  readonly dialect: Dialect;

  /**
   * @param now milliseconds of real time
   * @param timeout milliseconds for a question; null for no limit
   */
  constructor(
    private readonly database: Database,
    private readonly of: { dictionaries: Dictionaries; profiles: Profiles; alerts: Alerts },
    private readonly now: () => number,
    private readonly timeout: number | null,
  ) {
    database.function("within_time", { directOnly: true }, () => {
      if (this.now() > this.deadline) throw new TimeoutError("timeout");
      return 1;
    });
    this.dialect = {
      schema: "",
      limited: ASKED_SOMETIMES("id"),
      stored: (column, values) => this.stored(column, values),
      order: (column) => {
        if (COLUMNS[column] !== "text") return "value";
        const [table, text] = column === "login" ? ["logins", "login"] : ["texts", "text"];
        return `(select ${text} from ${table} where id = value and ${ASKED_SOMETIMES("id")})`;
      },
      withoutPasswords: `value in (select id from logins where state = ${LoginState.succeeded})`,
      loginsApart: false,
      bucket: (time, size) => `cast(${time} / ${size} as integer) * ${size}`,
    };
  }

  reply(question: Question): Reply {
    this.deadline = this.timeout === null ? Infinity : this.now() + this.timeout;
    try {
      return { answer: this.answer(question) };
    } catch (error) {
      if (error instanceof TimeoutError) return { timeout: true };
      throw error;
    }
  }

  private answer(question: Question): Answer {
    switch (question.ask) {
      case "count":
        return this.number(countSql(question, this.dialect));
      case "distinct":
        return this.number(distinctSql(question, this.dialect));
      case "top": {
        const found = this.all<[Raw, number]>(topSql(question, this.dialect));
        return found.map(([value, count]): [Value, number] => [this.value(question.column, value), count]);
      }
      case "rows":
        return this.all<Raw[]>(rowsSql(question, this.dialect)).map((raw) => this.row(raw));
      case "series":
        return this.series(question);
      case "totals":
        return this.totals(question.since, question.before);
      case "staleHours": {
        const sql = "select hour from hours where stale = 1 and hour >= ? and hour < ? order by hour limit ?";
        return this.all<[number]>({ text: sql, values: [question.since, question.before, question.n] }).map(
          ([hour]) => hour,
        );
      }
      case "hour":
        return this.hour(question.hour);
      case "state":
        return this.state();
      case "imported":
        return this.imported();
      case "known":
        return this.of.profiles.known(question.login, question.feature, question.value);
      case "profile":
        return this.of.profiles.profile(question.login);
      case "usage":
        return this.of.profiles.usage(question.login, question.levels);
      case "forget":
        return this.forget(question.login, question.limit);
      case "alerts":
        return this.of.alerts.list(question.filter, question.n);
      case "openAlerts":
        return this.of.alerts.open();
      case "raise":
        return this.of.alerts.raise(question.alert, question.now);
      case "finish":
        return this.of.alerts.finish(question.key, question.id);
      case "forgetAlerts":
        return this.of.alerts.forget(question.login);
    }
  }

  private all<T>({ text, values }: Sql): T[] {
    return this.database.query(text).values(...(values as (Buffer | number)[])) as T[];
  }

  private number(sql: Sql): number {
    return this.all<[number]>(sql)[0]![0];
  }

  /** Texts as their numbers; a login also as the hash that may stand for it. */
  private stored(column: Column, values: Value[]): Bound[] {
    if (COLUMNS[column] !== "text") return values.map(bind);
    const { texts } = this.of.dictionaries;
    const idsOf = (text: ByteString): number[] =>
      column === "login" ? this.idsOf(text) : [texts.idOf(text)].filter((id) => id !== undefined);
    return values.flatMap((value) => idsOf(value as ByteString));
  }

  private idsOf(login: ByteString): number[] {
    const { logins, key } = this.of.dictionaries;
    return [logins.idOf(login), logins.idOf(hashedLogin(login, key))].filter((id) => id !== undefined);
  }

  private value(column: Column, raw: Raw): Value {
    if (raw === null) return null;
    if (typeof raw !== "number") return fromBytes(raw);
    const { logins, texts } = this.of.dictionaries;
    if (column === "login") return logins.textOf(raw);
    if (COLUMNS[column] === "text") return texts.textOf(raw);
    return COLUMNS[column] === "boolean" ? raw !== 0 : raw;
  }

  private row(raw: Raw[]): Row {
    const row: Row = COLUMN_NAMES.map((column, i) => this.value(column, raw[i]!));
    const more = raw[MORE]!;
    row.push(more === null ? null : fromBytes(more as Uint8Array));
    return row;
  }

  private series({ bucket, filter }: Extract<Question, { ask: "series" }>): [number, number][] {
    const { rows, hours } = seriesParts(bucket, filter);
    const parts = rows.map((some) =>
      this.all<[number, number]>(seriesSql({ ask: "series", bucket, filter: some }, this.dialect)),
    );
    if (hours) {
      const text = `select hour / ? * ?, sum(${hours.sum}) from hours where hour >= ? and hour < ? group by 1`;
      parts.push(this.all({ text, values: [bucket, bucket, hours.since, finite(hours.before)] }));
    }
    return mergeBuckets(parts.flat());
  }

  private totals(since: number, before: number): Total[] {
    const text = `select hour, reports, failures, case stale when 0 then logins end, case stale when 0 then addresses end
      from hours where hour >= ? and hour < ? order by hour`;
    return this.all<[number, number, number, number | null, number | null]>({
      text,
      values: [since, finite(before)],
    }).map(([hour, reports, failures, logins, addresses]) => ({ hour, reports, failures, logins, addresses }));
  }

  private hour(hour: number): HourCount {
    // Before the rows are counted: see the write "hour".
    const reports = this.number({ text: "select coalesce(max(reports), 0) from hours where hour = ?", values: [hour] });
    const text = `select count(distinct login), count(distinct remote) from reports
      where ${this.dialect.limited} and t >= ? and t < ?`;
    const [logins, addresses] = this.all<[number, number]>({ text, values: [hour, hour + HOUR] })[0]!;
    return { reports, logins, addresses };
  }

  private state(): StoreState {
    const one = (text: string): number | null => this.all<[number | null]>({ text, values: [] })[0]![0];
    return {
      rows: one("select count(*) from reports")!,
      oldest: one("select min(t) from reports"),
      newest: one("select max(t) from reports"),
      size: one("pragma page_count")! * one("pragma page_size")!,
    };
  }

  private imported(): Imported[] {
    const found = this.all<[Uint8Array, number, number, string]>({
      text: "select head, length, position, ahead from imports",
      values: [],
    });
    return found.map(([head, length, position, ahead]) => ({
      head: fromBytes(head),
      length,
      position,
      ahead: JSON.parse(ahead) as number[],
    }));
  }

  private forget(login: ByteString, limit: number): Forgotten {
    const { database } = this;
    const forgotten = { rows: 0, profiles: 0, pairs: 0, everybody: 0 };
    for (const id of this.idsOf(login)) {
      const sql = "delete from reports where id in (select id from reports where login = ? limit ?)";
      forgotten.rows += database.query(sql).run(id, limit - forgotten.rows).changes;
      if (forgotten.rows === limit) return { ...forgotten, more: true };
      const profile = this.of.profiles.forget(id);
      forgotten.profiles += profile.profiles;
      forgotten.pairs += profile.pairs;
      forgotten.everybody += profile.everybody;
      database.query("delete from logins where id = ?").run(id);
    }
    this.of.dictionaries.forgetAll();
    return { ...forgotten, more: false };
  }
}

/** An infinite number is none that SQLite compares with. */
const finite = (time: number): number => Math.min(time, Number.MAX_SAFE_INTEGER);
