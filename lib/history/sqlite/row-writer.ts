/** Writes rows, and counts them into the totals of their hours. */
import type { Database, Statement } from "bun:sqlite";

import type { ByteString } from "../../text/byte-string.ts";
import { COLUMN_NAMES, COLUMNS, LOGIN, MORE, type Row, SUCCESS, T, type Value } from "../row.ts";
import { type Bound, HOUR, ROW_COLUMNS } from "../sql.ts";
import { type Dictionaries, toBlob } from "./dictionary.ts";

/** Columns that hold the number of a text. */
const IS_TEXT = COLUMN_NAMES.map((column) => COLUMNS[column] === "text" && column !== "login");

export class RowWriter {
  private readonly insert: Statement;
  private readonly count: Statement;

  constructor(
    database: Database,
    private readonly dictionaries: Dictionaries,
  ) {
    const places = [...COLUMN_NAMES, "more"].map(() => "?").join();
    this.insert = database.prepare(`insert into reports (${ROW_COLUMNS}) values (${places})`);
    this.count = database.prepare(
      `insert into hours (hour, reports, failures, stale) values (?1, ?2, ?3, 1)
       on conflict do update set reports = reports + ?2, failures = failures + ?3, stale = 1`,
    );
  }

  add(rows: readonly Row[]): void {
    const hours = new Map<number, { reports: number; failures: number }>();
    for (const row of rows) {
      const t = row[T] as number;
      this.insert.run(...this.bind(row, t));
      const hour = Math.floor(t / HOUR) * HOUR;
      let total = hours.get(hour);
      if (!total) hours.set(hour, (total = { reports: 0, failures: 0 }));
      total.reports++;
      if (!row[SUCCESS]) total.failures++;
    }
    for (const [hour, { reports, failures }] of hours) this.count.run(hour, reports, failures);
  }

  private bind(row: Row, t: number): Bound[] {
    const { logins, texts } = this.dictionaries;
    const bound = row as Bound[];
    const values = new Array<Bound>(MORE + 1);
    for (let i = 0; i <= MORE; i++) {
      const value: Value = row[i]!;
      if (typeof value !== "string") values[i] = bound[i]!;
      else values[i] = IS_TEXT[i] ? texts.add(value, t) : toBlob(value);
    }
    values[LOGIN] = logins.add(row[LOGIN] as ByteString, t, row[SUCCESS] === true);
    return values;
  }
}
