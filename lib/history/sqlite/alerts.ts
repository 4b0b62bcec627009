/** Alerts and their cool-downs in the file. */
import type { Database } from "bun:sqlite";

import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { type AlertFilter, type AlertRecord, type Fold, fromColumns, type Raised } from "../alert-record.ts";
import {
  alertsSql,
  cooldownSql,
  expireAlertsSql,
  expireCooldownsSql,
  finishSql,
  foldSql,
  forgetAlertsSql,
  forgetCooldownsSql,
  freeCooldownSql,
  keepAlertSql,
  openAlertsSql,
  takeCooldownSql,
  takeFreeCooldownSql,
} from "../alert-sql.ts";
import type { Sql } from "../sql.ts";
import type { Tidying } from "../store.ts";

type Raw = (Uint8Array | number | null)[];

export class Alerts {
  constructor(private readonly database: Database) {}

  /** Within a transaction. */
  raise(alert: AlertRecord, now: number): Raised {
    const { key, id, until } = alert;
    if (this.all(takeCooldownSql(alert, now, "")).length > 0) {
      this.change(keepAlertSql(alert, ""));
      return { id, isNew: true, until };
    }
    const [[former, end]] = this.all(cooldownSql(alert, "")) as [[Uint8Array, number]];
    const fold = { key, id: fromBytes(former), count: 1, last: alert.last };
    this.fold([fold]);
    return { id: fold.id, isNew: false, until: end };
  }

  keep(alerts: readonly AlertRecord[], now: number): void {
    for (const alert of alerts) {
      this.all(takeFreeCooldownSql(alert, now, ""));
      this.change(keepAlertSql(alert, ""));
    }
  }

  finishAll(alerts: readonly Pick<AlertRecord, "key" | "id">[]): void {
    for (const { key, id } of alerts) this.finish(key, id);
  }

  fold(folds: readonly Fold[]): void {
    for (const fold of folds) this.change(foldSql(fold, ""));
  }

  finish(key: ByteString, id: string): AlertRecord | null {
    const [found] = this.records(finishSql(key, id, ""));
    if (found) this.change(freeCooldownSql(key, id, ""));
    return found ?? null;
  }

  open(): AlertRecord[] {
    return this.records(openAlertsSql(""));
  }

  list(filter: AlertFilter, n: number): AlertRecord[] {
    return this.records(alertsSql(filter, n, ""));
  }

  forget(login: ByteString): number {
    this.change(forgetCooldownsSql(login, ""));
    return this.change(forgetAlertsSql(login, ""));
  }

  /** Removes what is too old. @returns whether there is more */
  expire({ rowsBefore }: Tidying, limit: number): boolean {
    this.change(expireCooldownsSql(rowsBefore, ""));
    return this.change(expireAlertsSql(rowsBefore, limit, "")) === limit;
  }

  private records(sql: Sql): AlertRecord[] {
    return this.all(sql).map((raw) =>
      fromColumns(raw.map((value) => (value instanceof Uint8Array ? fromBytes(value) : value))),
    );
  }

  private all({ text, values }: Sql): Raw[] {
    return this.database.query(text).values(...(values as (Buffer | number)[])) as Raw[];
  }

  private change({ text, values }: Sql): number {
    return this.database.query(text).run(...(values as (Buffer | number)[])).changes;
  }
}
