/** Writes a turn into PostgreSQL: inside its transaction, in an order in which several daemons do not lock each other out. */
import type { ByteString } from "../../text/byte-string.ts";
import { COLUMN_NAMES, LOGIN, type Row, SUCCESS, T } from "../row.ts";
import { bind, HOUR, ROW_COLUMNS } from "../sql.ts";
import { endOfDay, LoginState, type Write } from "../store.ts";
import { finishAll, fold, keepAlerts } from "./alerts.ts";
import { runOn } from "./lists.ts";
import type { PostgresProfiles } from "./profiles.ts";
import { SCHEMA } from "./schema.ts";
import { change, insert, type Session, toBytea } from "./session.ts";

/** Logins that are remembered, and milliseconds for which: another daemon may have removed one. */
const REMEMBERED = 100_000;
const MEMORY = 600_000;

interface Seen {
  first: number;
  last: number;
  succeeded: boolean;
}

type Written<W extends Write["write"]> = Extract<Write, { write: W }>;

async function setHour(tx: Session, { hour, counted }: Written<"hour">): Promise<void> {
  const { reports, logins, addresses } = counted;
  await change(tx, {
    text: `update ${SCHEMA}.hours set logins = ?, addresses = ?, stale = case when reports = ? then 0 else 1 end where hour = ?`,
    values: [logins, addresses, reports, hour],
  });
}

async function setImported(tx: Session, { imported, former }: Written<"imported">): Promise<void> {
  const { head, length, position, ahead } = imported;
  const shorter = `delete from ${SCHEMA}.imports where head = ?`;
  if (former !== head) await change(tx, { text: shorter, values: [toBytea(former)] });
  await insert(
    tx,
    `${SCHEMA}.imports (head, length, position, ahead)`,
    [[toBytea(head), length, position, toBytea(JSON.stringify(ahead) as ByteString)]],
    "on conflict (head) do update set position = excluded.position, ahead = excluded.ahead",
  );
}

export class Writing {
  /** Logins whose row says no less. */
  private readonly known = new Map<ByteString, Seen>();
  private since = -Infinity;

  /** @param now milliseconds of a clock that never jumps */
  constructor(private readonly now: () => number) {}

  async write(tx: Session, writes: readonly Write[], profiles: PostgresProfiles): Promise<void> {
    await this.addRows(
      tx,
      writes.flatMap((write) => (write.write === "rows" ? write.rows : [])),
    );
    const learnt = writes.flatMap((write) => (write.write === "learn" ? write.learnt : []));
    if (learnt.length > 0) await profiles.learn(runOn(tx), learnt);
    for (const write of writes) {
      if (write.write === "hour") await setHour(tx, write);
      else if (write.write === "imported") await setImported(tx, write);
      else if (write.write === "alerts") await keepAlerts(tx, write.alerts, write.now);
      else if (write.write === "finished") await finishAll(tx, write.alerts);
      else if (write.write === "folds") await fold(tx, write.folds);
    }
  }

  /** To be called when what was written may have been undone, or logins have been removed. */
  forgetAll(): void {
    this.known.clear();
  }

  private async addRows(tx: Session, rows: Row[]): Promise<void> {
    if (rows.length === 0) return;
    await this.addLogins(tx, rows);
    await insert(
      tx,
      `${SCHEMA}.reports (${ROW_COLUMNS})`,
      rows.map((row) => row.slice(0, COLUMN_NAMES.length + 1).map(bind)),
    );
    const hours = new Map<number, [hour: number, reports: number, failures: number, stale: number]>();
    for (const row of rows) {
      const hour = Math.floor((row[T] as number) / HOUR) * HOUR;
      const total = hours.get(hour) ?? [hour, 0, 0, 1];
      hours.set(hour, total);
      total[1]++;
      if (!row[SUCCESS]) total[2]++;
    }
    await insert(
      tx,
      `${SCHEMA}.hours (hour, reports, failures, stale)`,
      [...hours.values()].toSorted(([a], [b]) => a - b),
      `on conflict (hour) do update set reports = hours.reports + excluded.reports,
       failures = hours.failures + excluded.failures, stale = 1`,
    );
  }

  private async addLogins(tx: Session, rows: Row[]): Promise<void> {
    if (this.now() - this.since > MEMORY || this.known.size > REMEMBERED) {
      this.known.clear();
      this.since = this.now();
    }
    const seen = new Map<ByteString, Seen>();
    for (const row of rows) {
      const t = row[T] as number;
      const login = row[LOGIN] as ByteString;
      const before = seen.get(login) ?? { first: t, last: 0, succeeded: false };
      seen.set(login, {
        first: Math.min(before.first, t),
        last: Math.max(before.last, endOfDay(t)),
        succeeded: before.succeeded || row[SUCCESS] === true,
      });
    }
    const news = [...seen].filter(([login, { last, succeeded }]) => {
      const known = this.known.get(login);
      return !known || known.last < last || (succeeded && !known.succeeded);
    });
    // Latin-1 texts sort as their bytes do.
    const sorted = news.toSorted(([a], [b]) => (a < b ? -1 : 1));
    await insert(
      tx,
      `${SCHEMA}.logins (login, first, last, state)`,
      sorted.map(([login, { first, last, succeeded }]) => {
        return [toBytea(login), first, last, succeeded ? LoginState.succeeded : LoginState.neverSucceeded];
      }),
      `on conflict (login) do update set first = least(logins.first, excluded.first),
       last = greatest(logins.last, excluded.last),
       state = case when logins.state = ${LoginState.neverSucceeded} then excluded.state else logins.state end`,
    );
    for (const [login, one] of sorted) this.known.set(login, one);
  }
}
