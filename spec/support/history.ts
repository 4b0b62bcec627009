/** A history with a store of its own, and what it holds as a list, to check its answers against. */
import { History, type Result } from "../../lib/history/history.ts";
import { PostgresStore } from "../../lib/history/postgres/store.ts";
import { readTarget } from "../../lib/history/postgres/target.ts";
import { type Column, indexOf, type Row, type Value } from "../../lib/history/row.ts";
import { DEFAULTS, type HistorySettings } from "../../lib/history/settings.ts";
import { InlineStore } from "../../lib/history/sqlite/inline.ts";
import { ThreadedStore } from "../../lib/history/sqlite/thread.ts";
import type { Answers, Question, Store } from "../../lib/history/store.ts";
import { Log } from "../../lib/log/log.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import type { Clock } from "../../lib/time/clock.ts";
import { temporaryFolder } from "./daemon.ts";
import { noPostgres, PostgresServer } from "./postgres.ts";

/** 2026-03-01T00:00:00Z */
export const START = 1_772_323_200;

export const bytes = (text: string): ByteString => text as ByteString;

/** A row of a failed login, with what differs. */
export function row(values: Partial<Record<Column, Value>> = {}, more: string | null = null): Row {
  const full: Record<Column, Value> = {
    t: START,
    login: bytes("joe"),
    remote: bytes("\xc0\x00\x02\x01"),
    success: false,
    policy_reject: false,
    tls: true,
    fail_type: bytes(""),
    protocol: bytes("imap"),
    device: bytes(""),
    country: null,
    asn: null,
    city: null,
    latitude: null,
    longitude: null,
    ...values,
  };
  return [...Object.values(full), more === null ? null : bytes(more)];
}

export const valueOf = (row: Row, column: Column): Value => row[indexOf(column)]!;

export interface TestHistory extends AsyncDisposable {
  history: History;
  store: Store;
  logs: string[];
  /** A metric's value by the beginning of its line. */
  metric(line: string): Promise<number>;
  /** Asks behind what was added; fails when there is no answer. */
  ask<A extends Question["ask"]>(question: Extract<Question, { ask: A }>, beside?: boolean): Promise<Answers[A]>;
}

export async function openHistory(
  store: Store,
  settings: Partial<HistorySettings> = {},
  clock: Clock = systemClock,
): Promise<TestHistory> {
  const logs: string[] = [];
  const log = new Log({ sink: (line) => logs.push(line) });
  const metrics = new Metrics();
  const place = { kind: "sqlite", path: ":memory:" } as const;
  const history = new History({ ...DEFAULTS, place, where: "", ...settings }, { clock, log, metrics });
  await history.open(store);
  return {
    history,
    store,
    logs,
    async metric(line) {
      const found = (await metrics.format()).split("\n").find((one) => one.startsWith(`${line} `));
      if (!found) throw new Error(`no metric ${line}`);
      return Number(found.slice(line.length));
    },
    ask: async (question, beside = false) => answerOf(await history.ask(question, { beside })),
    async [Symbol.asyncDispose]() {
      await history.close();
    },
  };
}

export function answerOf<A>(result: Result<A>): A {
  if ("answer" in result) return result.answer;
  throw new Error(result.problem);
}

/** Where the stores of a suite are made. */
export interface Backend extends AsyncDisposable {
  /** An empty one. */
  store(options?: { timeout?: number; clock?: Clock }): Promise<Store>;
}

async function sqlite(): Promise<Backend> {
  const folder = temporaryFolder();
  let files = 0;
  return {
    store: async ({ timeout = 10_000, clock = systemClock } = {}) =>
      new ThreadedStore({ path: `${folder.path}/${++files}.sqlite`, timeout }, clock),
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}

async function postgres(): Promise<Backend> {
  const server = await PostgresServer.start();
  return {
    async store({ timeout = 10_000, clock = systemClock } = {}) {
      return new PostgresStore(readTarget(await server.database(), {}), { password: undefined, timeout, clock });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const inline = async (): Promise<Backend> => ({
  store: async () => new InlineStore(systemClock),
  [Symbol.asyncDispose]: async () => {},
});

/** What one suite runs on; a reason not to. */
export const BACKENDS: [name: string, start: () => Promise<Backend>, reason: string][] = [
  ["SQLite", sqlite, ""],
  ["SQLite in place", inline, ""],
  [`PostgreSQL${noPostgres}`, postgres, noPostgres],
];
