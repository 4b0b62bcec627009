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
  forgetCooldownsSql,
  freeCooldownSql,
  keepAlertSql,
  openAlertsSql,
  takeCooldownSql,
  takeFreeCooldownSql,
} from "../alert-sql.ts";
import type { Sql } from "../sql.ts";
import type { Tidying } from "../store.ts";
import { SCHEMA } from "./schema.ts";
import { all, change, type Session, valueOf } from "./session.ts";

const PREFIX = `${SCHEMA}.`;

export async function raise(session: Session, alert: AlertRecord, now: number): Promise<Raised> {
  const { key, id, until } = alert;
  // Both or neither: nothing is folded into an alert that is not there.
  const taking = takeCooldownSql(alert, now, PREFIX);
  const keeping = keepAlertSql(alert, PREFIX, "from taken");
  const taken = await all(session, {
    text: `with taken as (${taking.text}), kept as (${keeping.text}) select id from taken`,
    values: [...taking.values, ...keeping.values],
  });
  if (taken.length > 0) return { id, isNew: true, until };
  const [found] = await all(session, cooldownSql(alert, PREFIX));
  // It was over in this moment, and has been tidied away.
  if (!found) return raise(session, alert, now);
  const fold = { key, id: valueOf(found[0]!) as string, count: 1, last: alert.last };
  await change(session, foldSql(fold, PREFIX));
  return { id: fold.id, isNew: false, until: Number(found[1]) };
}

export async function keepAlerts(session: Session, alerts: readonly AlertRecord[], now: number): Promise<void> {
  for (const alert of alerts) {
    await all(session, takeFreeCooldownSql(alert, now, PREFIX));
    await change(session, keepAlertSql(alert, PREFIX));
  }
}

export async function finishAll(session: Session, alerts: readonly Pick<AlertRecord, "key" | "id">[]): Promise<void> {
  for (const { key, id } of alerts) await finish(session, key, id);
}

/** In the order of their keys, so that two daemons do not lock each other out. */
export async function fold(session: Session, folds: readonly Fold[]): Promise<void> {
  for (const one of folds.toSorted((a, b) => (a.key < b.key ? -1 : 1))) await change(session, foldSql(one, PREFIX));
}

export async function finish(session: Session, key: ByteString, id: string): Promise<AlertRecord | null> {
  const [found] = await records(session, finishSql(key, id, PREFIX));
  if (found) await change(session, freeCooldownSql(key, id, PREFIX));
  return found ?? null;
}

export const openAlerts = (session: Session): Promise<AlertRecord[]> => records(session, openAlertsSql(PREFIX));

export const listAlerts = (session: Session, filter: AlertFilter, n: number): Promise<AlertRecord[]> =>
  records(session, alertsSql(filter, n, PREFIX));

export async function forgetAlerts(session: Session, login: ByteString): Promise<number> {
  await change(session, forgetCooldownsSql(login, PREFIX));
  return change(session, forgetAlertsSql(login, PREFIX));
}

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
