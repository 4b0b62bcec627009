/** Alerts and their cool-downs in PostgreSQL: of several daemons that see one attack, one raises its alert. */
import type { ByteString } from "../../text/byte-string.ts";
import { type AlertFilter, type AlertRecord, type Fold, fromColumns, type Raised } from "../alert-record.ts";
import {
  alertsSql,
  cooldownSql,
  expireAlertsSql,
  expireCooldownsSql,
  finishSql,
  foldSql,
  forgetAlertsSql,
  keepAlertSql,
  openAlertsSql,
  takeCooldownSql,
} from "../alert-sql.ts";
import type { Sql } from "../sql.ts";
import type { Tidying } from "../store.ts";
import { SCHEMA } from "./schema.ts";
import { all, change, type Session, valueOf } from "./session.ts";

const PREFIX = `${SCHEMA}.`;

/** Two statements that need no transaction: whoever has the cool-down keeps the alert, if need be when it is raised again. */
export async function raise(session: Session, alert: AlertRecord, now: number): Promise<Raised> {
  const { key, id, until } = alert;
  const taken = await all(session, takeCooldownSql(alert, now, PREFIX));
  if (taken.length > 0) {
    await change(session, keepAlertSql(alert, PREFIX));
    return { id, isNew: true, until };
  }
  const [found] = await all(session, cooldownSql(alert, PREFIX));
  // It was over in this moment, and has been tidied away.
  if (!found) return raise(session, alert, now);
  const fold = { key, id: valueOf(found[0]!) as string, count: 1, last: alert.last };
  await change(session, foldSql(fold, PREFIX));
  return { id: fold.id, isNew: false, until: Number(found[1]) };
}

export async function keepAlerts(session: Session, alerts: readonly AlertRecord[]): Promise<void> {
  for (const alert of alerts) await change(session, keepAlertSql(alert, PREFIX));
}

/** In the order of their keys, so that two daemons do not lock each other out. */
export async function fold(session: Session, folds: readonly Fold[]): Promise<void> {
  for (const one of folds.toSorted((a, b) => (a.key < b.key ? -1 : 1))) await change(session, foldSql(one, PREFIX));
}

export async function finish(session: Session, key: ByteString, id: string): Promise<AlertRecord | null> {
  const [found] = await records(session, finishSql(key, id, PREFIX));
  return found ?? null;
}

export const openAlerts = (session: Session): Promise<AlertRecord[]> => records(session, openAlertsSql(PREFIX));

export const listAlerts = (session: Session, filter: AlertFilter, n: number): Promise<AlertRecord[]> =>
  records(session, alertsSql(filter, n, PREFIX));

export const forgetAlerts = (session: Session, login: ByteString): Promise<number> =>
  change(session, forgetAlertsSql(login, PREFIX));

/** Removes what is too old. @returns whether there is more */
export async function expireAlerts(session: Session, { rowsBefore }: Tidying, limit: number): Promise<boolean> {
  await change(session, expireCooldownsSql(rowsBefore, PREFIX));
  return (await change(session, expireAlertsSql(rowsBefore, limit, PREFIX))) === limit;
}

async function records(session: Session, sql: Sql): Promise<AlertRecord[]> {
  return (await all(session, sql)).map((raw) =>
    fromColumns(raw.map((value) => (Buffer.isBuffer(value) ? (valueOf(value) as string) : (value as number | null)))),
  );
}
