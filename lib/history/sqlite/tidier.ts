/** Deletes what is too old, or too much, a piece at a time. */
import type { Database, Statement } from "bun:sqlite";

import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { hashedLogin } from "../row.ts";
import { LoginState, type Tidied, type Tidying } from "../store.ts";
import type { Alerts } from "./alerts.ts";
import { type Dictionaries, toBlob } from "./dictionary.ts";
import type { Profiles } from "./profiles.ts";

export class Tidier {
  private readonly deleteExpired: Statement;
  private readonly deleteOldest: Statement;

  constructor(
    private readonly database: Database,
    private readonly of: { dictionaries: Dictionaries; profiles: Profiles; alerts: Alerts },
  ) {
    this.deleteExpired = database.prepare(
      "delete from reports where id in (select id from reports where t < ? order by t limit ?)",
    );
    this.deleteOldest = database.prepare("delete from reports where id in (select id from reports order by t limit ?)");
  }

  tidy(tidying: Tidying): Tidied {
    const { rowsBefore, hashBefore, maxSize, limit } = tidying;
    const expired = this.deleteExpired.run(rowsBefore, limit).changes;
    if (expired === limit) return { expired, oversize: 0, more: true };
    const oversize = this.size > maxSize ? this.deleteOldest.run(limit).changes : 0;
    const hashed = this.hashLogins(hashBefore, limit);
    const texts = this.deleteUnused(rowsBefore, limit);
    const unused = this.of.profiles.sweep(tidying, limit);
    const alerts = this.of.alerts.expire(tidying, limit);
    return { expired, oversize, more: oversize > 0 || hashed || texts || unused || alerts };
  }

  /** Bytes that are in use. */
  private get size(): number {
    const number = (name: string): number =>
      Object.values(this.database.query(`pragma ${name}`).get() as object)[0] as number;
    return (number("page_count") - number("freelist_count")) * number("page_size");
  }

  /** Logins that never succeeded may be passwords. @returns whether there are more */
  private hashLogins(before: number, limit: number): boolean {
    const { database } = this;
    const { dictionaries } = this.of;
    const sql = `select id, login from logins where state = ${LoginState.neverSucceeded} and first < ? and learnt = 0 limit ?`;
    const found = database.query(sql).all(before, limit) as { id: number; login: Uint8Array }[];
    for (const { id, login } of found) {
      const hash = hashedLogin(fromBytes(login), dictionaries.key);
      const former = this.idOf(hash);
      if (former === undefined) {
        const rename = `update logins set login = ?, state = ${LoginState.hashed} where id = ?`;
        database.query(rename).run(toBlob(hash), id);
        continue;
      }
      const move = "update reports set login = ? where id in (select id from reports where login = ? limit ?)";
      if (database.query(move).run(former, id, limit).changes === limit) return true;
      const last = "update logins set last = max(last, (select last from logins where id = ?)) where id = ?";
      database.query(last).run(id, former);
      database.query("delete from logins where id = ?").run(id);
    }
    if (found.length > 0) dictionaries.logins.forgetAll();
    return found.length === limit;
  }

  private idOf(login: ByteString): number | undefined {
    const found = this.database.query("select id from logins where login = ?").get(toBlob(login)) as {
      id: number;
    } | null;
    return found?.id;
  }

  /** Texts whose newest row has gone. @returns whether there are more */
  private deleteUnused(rowsBefore: number, limit: number): boolean {
    const { database } = this;
    const { dictionaries } = this.of;
    const { oldest } = database.query("select min(t) as oldest from reports").get() as { oldest: number | null };
    const before = oldest ?? rowsBefore;
    const logins = "delete from logins where id in (select id from logins where last <= ? and learnt = 0 limit ?)";
    const texts = "delete from texts where id in (select id from texts where last <= ? limit ?)";
    const deleted = [logins, texts].map((sql) => database.query(sql).run(before, limit).changes);
    if (deleted.some((count) => count > 0)) dictionaries.forgetAll();
    return deleted.includes(limit);
  }
}
