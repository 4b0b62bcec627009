/** One suite for all stores: the same calls, the same answers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type Condition, type Filter, readFilter } from "../../lib/history/filter.ts";
import { type Column, COLUMN_NAMES, COLUMNS, keptText, type Row, type Value } from "../../lib/history/row.ts";
import { type Backend, BACKENDS, bytes, openHistory, row, START, type TestHistory } from "../support/history.ts";
import { Random } from "../support/random.ts";
import { Model } from "./model.ts";

const DAY = 86_400;
const ROWS = 3000;
const FILTERS = 150;

const LOGINS = [
  "joe",
  "JOE",
  "",
  "a'b\"c",
  "nul\0inside",
  "\xff\xfe no utf-8",
  "'; drop table reports; --",
  "%_",
  "ann",
  "bob",
];
const ADDRESSES = [
  "\xc0\x00\x02\x01",
  "\xc0\x00\x02\x02",
  "\xc6\x33\x64\x07",
  " \x01\r\xb8",
  " \x01\r\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
];
const TEXTS = ["", "imap", "device '\"\0\xff", "x".repeat(1024)];

/** Values as a report may have them, few enough to meet again. */
function randomValue(random: Random, column: Column): Value {
  switch (column) {
    case "t":
      return START + random.below(3 * DAY * 8) / 8;
    case "login":
      return bytes(random.pick(LOGINS));
    case "remote":
      return bytes(random.pick(ADDRESSES));
    case "asn":
      return random.chance(0.3) ? null : random.pick([0, 64500, 4_294_967_295, 9_007_199_254_740_991]);
    case "latitude":
    case "longitude":
      return random.chance(0.3) ? null : random.pick([0, -12.5, 51.985]);
    case "country":
    case "city":
      return random.chance(0.3) ? null : bytes(random.pick(["NL", "DE", "", "S\xc3\xa3o Paulo"]));
    default:
      return COLUMNS[column] === "boolean" ? random.chance(0.4) : bytes(random.pick(TEXTS));
  }
}

function randomRow(random: Random): Row {
  const values = COLUMN_NAMES.map((column) => [column, randomValue(random, column)]);
  return row(Object.fromEntries(values) as Record<Column, Value>, random.chance(0.1) ? '{"tag":"\xff\\u0000"}' : null);
}

function randomFilter(random: Random): Filter {
  const columns = COLUMN_NAMES.filter((column) => column !== "t" && random.chance(0.12));
  const filter: Condition[] = columns.map((column) => {
    const values = [...random.list(3, () => randomValue(random, column)), randomValue(random, column)];
    return { column, values: values.filter((value) => value !== null) };
  });
  if (random.chance(0.4)) filter.push({ since: START + random.below(3 * DAY) });
  if (random.chance(0.4)) filter.push({ before: START + random.below(3 * DAY) });
  if (random.chance(0.2))
    filter.push(
      ...readFilter([["net", bytes(random.pick(["192.0.2.0/24", "32.1.0.0/16", "2001:db8::/32", "0.0.0.0/0"]))]], 0),
    );
  return filter;
}

for (const [name, start, reason] of BACKENDS) {
  describe.skipIf(reason !== "")(name, () => {
    let backend: Backend;
    let history: TestHistory;
    let model: Model;
    const random = new Random(20260301);
    const filters = Array.from({ length: FILTERS }, () => randomFilter(random));

    beforeAll(async () => {
      backend = await start();
      history = await openHistory(await backend.store());
      const rows = Array.from({ length: ROWS }, () => randomRow(random));
      for (const one of rows) history.history.add(one);
      model = new Model(rows);
    }, 30_000);
    afterAll(async () => {
      await history[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    });

    test("counts rows, and ends at a limit", async () => {
      for (const filter of filters) {
        expect(await history.ask({ ask: "count", filter })).toBe(model.count(filter));
        expect(await history.ask({ ask: "count", filter, limit: 7 })).toBe(model.count(filter, 7));
      }
    });

    test("counts different values of each column, and ends at a limit", async () => {
      for (const [i, filter] of filters.entries()) {
        const column = COLUMN_NAMES[i % COLUMN_NAMES.length]!;
        expect(await history.ask({ ask: "distinct", column, filter })).toBe(model.distinct(column, filter));
        expect(await history.ask({ ask: "distinct", column, filter, limit: 2 })).toBe(
          model.distinct(column, filter, 2),
        );
      }
    });

    test("finds the values that are there most often, equal counts by value", async () => {
      for (const [i, filter] of filters.entries()) {
        const column = COLUMN_NAMES[i % COLUMN_NAMES.length]!;
        expect(await history.ask({ ask: "top", column, filter, n: 5 })).toEqual(model.top(column, filter, 5));
      }
    });

    test("gives the newest rows, and the oldest, as they came", async () => {
      for (const filter of filters) {
        expect(await history.ask({ ask: "rows", filter, n: 5 })).toEqual(model.rows(filter, 5));
        const oldest = { ask: "rows", filter, n: 3, oldestFirst: true } as const;
        expect(await history.ask(oldest)).toEqual(model.rows(filter, 3, true));
        expect(await history.ask({ ask: "rows", filter, n: 3, skip: 4 })).toEqual(model.rows(filter, 7).slice(4));
      }
    });

    test("counts by time, whole hours from their totals", async () => {
      for (const [i, filter] of filters.entries()) {
        const bucket = [60, 3600, 7200, DAY, 5000][i % 5]!;
        expect(await history.ask({ ask: "series", bucket, filter })).toEqual(model.series(bucket, filter));
      }
      const times: Filter = [{ since: START + 1000.5 }, { before: START + DAY + 10 }];
      for (const filter of [[], times, times.slice(0, 1), times.slice(1)]) {
        expect(await history.ask({ ask: "series", bucket: 3600, filter })).toEqual(model.series(3600, filter));
      }
    });

    test("gives the same answers beside the turns", async () => {
      for (const filter of filters.slice(0, 20)) {
        expect(await history.ask({ ask: "count", filter }, true)).toBe(model.count(filter));
      }
    });

    test("gives all rows, a page at a time", async () => {
      expect(await history.history.allRows([], 1e6)).toEqual({ answer: model.rows([], 1e6) });
      expect(await history.history.allRows([], 1234)).toEqual({ answer: model.rows([], 1234) });
    });

    test("knows how much it holds", async () => {
      const state = await history.ask({ ask: "state" });
      const [newest] = model.rows([], 1);
      const [oldest] = model.rows([], 1, true);
      expect(state).toMatchObject({ rows: ROWS, newest: newest![0], oldest: oldest![0] });
      expect(state.size).toBeGreaterThan(10_000);
    });

    test("a question sees the rows that were added before it, also beside", async () => {
      await using history = await openHistory(await backend.store(), { batch: 3600 });
      const filter: Filter = [{ column: "login", values: [bytes("joe")] }];
      for (let i = 1; i <= 5; i++) {
        history.history.add(row());
        expect(await history.ask({ ask: "count", filter }, i % 2 === 0)).toBe(i);
      }
    });

    test("a text of a megabyte keeps its beginning and a hash, and is found by all of it", async () => {
      await using history = await openHistory(await backend.store());
      const long = "x".repeat(1_000_000);
      const [one, other] = [keptText(bytes(`${long}1`)), keptText(bytes(`${long}2`))];
      expect([one.length, one.slice(0, 960), one === other]).toEqual([1024, "x".repeat(960), false]);
      history.history.add(row({ login: one }));
      history.history.add(row({ login: other }));
      const filter = readFilter([["login", bytes(`${long}1`)]], 0);
      expect(await history.ask({ ask: "rows", filter, n: 9 })).toEqual([row({ login: one })]);
    });

    test("an empty list matches nothing", async () => {
      await using history = await openHistory(await backend.store());
      history.history.add(row());
      for (const filter of [readFilter([["login", []]], 0), readFilter([["net", []]], 0)]) {
        expect(await history.ask({ ask: "count", filter })).toBe(0);
        expect(await history.ask({ ask: "rows", filter, n: 1 })).toEqual([]);
      }
    });

    test("an empty history has no answers but 0 and nothing", async () => {
      await using history = await openHistory(await backend.store());
      expect(await history.ask({ ask: "count", filter: [] })).toBe(0);
      expect(await history.ask({ ask: "top", column: "login", filter: [], n: 3 })).toEqual([]);
      expect(await history.ask({ ask: "series", bucket: 3600, filter: [] })).toEqual([]);
      expect(await history.ask({ ask: "state" })).toMatchObject({ rows: 0, oldest: null, newest: null });
    });

    test("counts different logins and addresses of hours that are over, again when rows come late", async () => {
      await using history = await openHistory(await backend.store());
      const add = (login: string, remote: string, t: number): void =>
        history.history.add(row({ login: bytes(login), remote: bytes(remote), t }));
      add("joe", "\xc0\x00\x02\x01", START);
      add("joe", "\xc0\x00\x02\x02", START + 3599);
      add("ann", "\xc0\x00\x02\x02", START + 3600);
      const count = async (): Promise<void> => {
        for (const hour of await history.ask({ ask: "staleHours", since: 0, before: START + 9000, n: 10 })) {
          history.history.write({ write: "hour", hour, counted: await history.ask({ ask: "hour", hour }) });
        }
      };
      const totals = (): Promise<unknown> => history.ask({ ask: "totals", since: START, before: START + 7200 });
      expect(await totals()).toMatchObject([
        { reports: 2, logins: null },
        { reports: 1, logins: null },
      ]);
      await count();
      const second = { hour: START + 3600, reports: 1, failures: 1, logins: 1, addresses: 1 };
      expect(await totals()).toEqual([{ hour: START, reports: 2, failures: 2, logins: 1, addresses: 2 }, second]);
      add("bob", "\xc0\x00\x02\x03", START + 5);
      expect(await totals()).toMatchObject([{ reports: 3, logins: null }, second]);
      await count();
      expect(await totals()).toMatchObject([{ reports: 3, logins: 2, addresses: 3 }, second]);
    });

    test("forgets a login: rows that wait, and rows that are written; others stay", async () => {
      await using history = await openHistory(await backend.store(), { batch: 3600 });
      const login = bytes("joe\0\xff");
      for (let i = 0; i < 2500; i++) history.history.add(row({ login, t: START + i, success: i % 2 === 0 }));
      await history.history.flush();
      for (let i = 0; i < 3; i++) history.history.add(row({ login, t: START - i }));
      history.history.add(row({ login: bytes("joe") }));
      expect(await history.history.forget(login)).toMatchObject({ answer: { rows: 2503 } });
      const filter: Filter = [{ column: "login", values: [login] }];
      expect(await history.ask({ ask: "count", filter })).toBe(0);
      expect(await history.ask({ ask: "count", filter: [] })).toBe(1);
      expect(await history.history.forget(bytes("nobody"))).toMatchObject({ answer: { rows: 0 } });
      history.history.add(row({ login }));
      expect(await history.ask({ ask: "count", filter })).toBe(1);
    });
  });
}
