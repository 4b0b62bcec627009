/** How each kind of question is answered: by which index, and without sorting more than it must. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { SQL } from "bun";

import { type Filter, readFilter } from "../../lib/history/filter.ts";
import { Answering as PostgresAnswering } from "../../lib/history/postgres/answering.ts";
import { PostgresProfiles } from "../../lib/history/postgres/profiles.ts";
import { migrate as migratePostgres } from "../../lib/history/postgres/schema.ts";
import {
  countSql,
  type Dialect,
  distinctOfSomeSql,
  distinctSql,
  rowsSql,
  seriesSql,
  type Sql,
  topSql,
} from "../../lib/history/sql.ts";
import { Alerts } from "../../lib/history/sqlite/alerts.ts";
import { Answering } from "../../lib/history/sqlite/answering.ts";
import { Dictionaries } from "../../lib/history/sqlite/dictionary.ts";
import { Profiles } from "../../lib/history/sqlite/profiles.ts";
import { RowWriter } from "../../lib/history/sqlite/row-writer.ts";
import { migrate } from "../../lib/history/sqlite/schema.ts";
import { bytes, row, START } from "../support/history.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";

const login: Filter = readFilter(
  [
    ["login", bytes("joe")],
    ["success", false],
    ["since", START],
  ],
  START,
);
const address: Filter = readFilter(
  [
    ["remote", bytes("192.0.2.1")],
    ["success", false],
    ["since", START],
  ],
  START,
);
const network: Filter = readFilter([["net", bytes("192.0.2.0/24")]], START);
const times: Filter = readFilter(
  [
    ["since", START],
    ["before", START + 60],
  ],
  START,
);

/** Of each, the SQL and what its plan must say. */
type Plans = (dialect: Dialect) => [name: string, sql: Sql, plan: RegExp][];

describe("SQLite", () => {
  const database = new Database(":memory:");
  migrate(database);
  const dictionaries = new Dictionaries(database);
  new RowWriter(database, dictionaries).add([row()]);
  const { dialect } = new Answering(
    database,
    { dictionaries, profiles: new Profiles(database, dictionaries), alerts: new Alerts(database) },
    () => 0,
    null,
  );
  const planOf = ({ text, values }: Sql): string => {
    const steps = database.query(`explain query plan ${text}`).all(...(values as number[])) as { detail: string }[];
    return steps.map(({ detail }) => detail).join("\n");
  };
  const ofLogin = /SEARCH reports USING COVERING INDEX reports_login \(login=\? AND t>\?\)/;
  const ofAddress = /SEARCH reports USING COVERING INDEX reports_remote \(remote=\? AND t>\?\)/;

  const plans: Plans = (dialect) => [
    ["count of a login", countSql({ ask: "count", filter: login, limit: 9 }, dialect), ofLogin],
    ["count of an address", countSql({ ask: "count", filter: address }, dialect), ofAddress],
    [
      "count of a network",
      countSql({ ask: "count", filter: network }, dialect),
      /COVERING INDEX reports_remote \(remote>\? AND remote<\?\)/,
    ],
    [
      "count of a time",
      countSql({ ask: "count", filter: times }, dialect),
      /COVERING INDEX reports_t \(t>\? AND t<\?\)/,
    ],
    [
      "distinct logins of an address",
      distinctSql({ ask: "distinct", column: "login", filter: address, limit: 9 }, dialect),
      ofAddress,
    ],
    [
      "distinct addresses of a login",
      distinctSql({ ask: "distinct", column: "remote", filter: login }, dialect),
      ofLogin,
    ],
    [
      "top addresses of a time",
      topSql({ ask: "top", column: "remote", filter: times, n: 9 }, dialect),
      /SEARCH reports USING INDEX reports_t/,
    ],
    [
      "newest rows of a login",
      rowsSql({ ask: "rows", filter: login, n: 9 }, dialect),
      /^SEARCH reports USING INDEX reports_login \(login=\? AND t>\?\)\n.* LAST TERM OF ORDER BY$/,
    ],
    [
      "oldest row of an address",
      rowsSql({ ask: "rows", filter: address, n: 1, oldestFirst: true }, dialect),
      /^SEARCH reports USING INDEX reports_remote \(remote=\? AND t>\?\)\n.* LAST TERM OF ORDER BY$/,
    ],
    ["newest rows of all", rowsSql({ ask: "rows", filter: [], n: 9 }, dialect), /^SCAN reports USING INDEX reports_t$/],
    ["series of a login", seriesSql({ ask: "series", bucket: 60, filter: login }, dialect), ofLogin],
  ];
  test.each(plans(dialect))("%s", (_, sql, plan) => expect(planOf(sql)).toMatch(plan));
});

describe.skipIf(noPostgres !== "")(`PostgreSQL${noPostgres}`, () => {
  let server: PostgresServer;
  let sql: SQL;
  beforeAll(async () => {
    server = await PostgresServer.start();
    const url = new URL(await server.database());
    sql = new SQL("postgres://localhost", {
      adapter: "postgres",
      path: server.socket,
      username: "spec",
      database: url.pathname.slice(1),
      max: 1,
    });
    await migratePostgres(sql);
    // So many that an index is worth its while: PostgreSQL reads a small table as a whole.
    await sql.unsafe(
      `insert into trackalert.reports (login, t, remote, success, policy_reject, tls, fail_type, protocol, device)
       select convert_to('login' || n % 5000, 'UTF8'), ${START} + n, decode(lpad(to_hex(n % 3000), 8, '0'), 'hex'),
       n % 2 = 0, false, false, '', '', '' from generate_series(1, 60000) as n`,
    );
    await sql.unsafe("analyze trackalert.reports");
  }, 30_000);
  afterAll(async () => {
    await sql.close();
    await server[Symbol.asyncDispose]();
  });
  const { dialect } = new PostgresAnswering(bytes("key"), new PostgresProfiles(bytes("key")));

  const plans: Plans = (dialect) => [
    ["count of a login", countSql({ ask: "count", filter: login, limit: 9 }, dialect), /reports_pkey/],
    ["count of an address", countSql({ ask: "count", filter: address }, dialect), /reports_remote/],
    ["count of a network", countSql({ ask: "count", filter: network }, dialect), /reports_remote/],
    ["count of a time", countSql({ ask: "count", filter: times }, dialect), /reports_t/],
    [
      "distinct logins of an address",
      distinctOfSomeSql({ ask: "distinct", column: "login", filter: address, limit: 9 }, 100, dialect),
      /reports_remote/,
    ],
    ["top addresses of a time", topSql({ ask: "top", column: "remote", filter: times, n: 9 }, dialect), /reports_t/],
    [
      "newest rows of a login",
      rowsSql({ ask: "rows", filter: login, n: 9 }, dialect),
      /Merge Append[^]*Index Scan Backward using reports_pkey[^]*Index Scan Backward using reports_pkey/,
    ],
    [
      "oldest row of an address",
      rowsSql({ ask: "rows", filter: address, n: 1, oldestFirst: true }, dialect),
      /^Limit.*\n +->  Index Scan using reports_remote/,
    ],
    [
      "newest rows of all",
      rowsSql({ ask: "rows", filter: [], n: 9 }, dialect),
      /^Limit.*\n +->  Index Scan Backward using reports_t/,
    ],
    ["series of a login", seriesSql({ ask: "series", bucket: 60, filter: login }, dialect), /reports_pkey/],
  ];
  test.each(plans(dialect))("%s", async (_, { text, values }, plan) => {
    let n = 0;
    const numbered = text.replaceAll("?", () => `$${++n}`);
    const steps = (await sql.unsafe(`explain ${numbered}`, values).values()) as [string][];
    expect(steps.flat().join("\n")).toMatch(plan);
  });

  test("every unique key holds the login, or the alert's key, and nothing refers to another table", async () => {
    const found = (await sql.unsafe(`
      select c.relname as table,
        array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any(i.indkey)) as columns
      from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'trackalert' and i.indisunique`)) as { table: string; columns: string[] }[];
    const holding = (column: string, tables: string[]): void => {
      const keys = found.filter(({ table }) => tables.includes(table));
      expect(keys.map(({ table }) => table).toSorted()).toEqual(tables);
      expect(keys.filter(({ columns }) => !columns.includes(column))).toEqual([]);
    };
    holding("login", ["entries", "logins", "pairs", "reports"]);
    holding("key", ["alerts", "cooldowns"]);
    const [{ count }] = await sql.unsafe("select count(*)::int as count from pg_constraint where contype = 'f'");
    expect(count).toBe(0);
    for (const [, { text }] of plans(dialect)) expect(text).not.toMatch(/\bjoin\b/i);
  });
});
