/**
 * `bun run bench:memory`: what the history costs. Processor time is that of all threads together.
 *
 * Options: --full goes on to 20 million rows; --postgres N rows there (1,000,000), 0 for none.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { loadConfig } from "../../lib/configuration/load-config.ts";
import { storeOf } from "../../lib/history/place.ts";
import { PostgresStore } from "../../lib/history/postgres/store.ts";
import { readTarget } from "../../lib/history/postgres/target.ts";
import type { Row } from "../../lib/history/row.ts";
import { ThreadedStore } from "../../lib/history/sqlite/thread.ts";
import type { Store } from "../../lib/history/store.ts";
import { Log } from "../../lib/log/log.ts";
import { readLoginTuple } from "../../lib/login-tuple.ts";
import type { Json } from "../../lib/text/json.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { bytes, openHistory, row, START, type TestHistory } from "../support/history.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";
import { Random } from "../support/random.ts";

const { values: options } = parseArgs({
  options: { full: { type: "boolean", default: false }, postgres: { type: "string", default: "1000000" } },
});
const LOGINS = 50_000;
/** Rows between two looks at whether the store has taken them. */
const CHUNK = 5000;
const QUESTIONS = 2000;
const REPORTS = 20_000;
const REPORTS_A_TURN = 32;

const random = new Random(1);
/** Few are there often, as in life. */
const skewed = (most: number): number => Math.floor(most * (random.below(1_000_000) / 1_000_000) ** 3);
const login = (n: number): string => `user${n}@example.org`;
const address = (n: number): string => String.fromCharCode(10, n >> 16, (n >> 8) & 0xff, n & 0xff);
const DEVICES = Array.from({ length: 200 }, (_, i) =>
  bytes(`Mozilla/5.0 (X11; Linux x86_64; rv:${i}.0) Gecko/20100101 Firefox/${i}.0`),
);
const COUNTRIES = ["NL", "DE", "FR", "US", "BR"].map(bytes);

const randomRow = (t: number): Row =>
  row({
    t,
    login: bytes(login(skewed(LOGINS))),
    remote: bytes(address(skewed(100_000))),
    success: random.chance(0.9),
    device: random.pick(DEVICES),
    country: random.pick(COUNTRIES),
    asn: skewed(60_000),
  });

const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function tell(name: string, values: Record<string, string | number>): void {
  const shown = Object.entries(values).map(([what, value]) => `${what} ${value}`);
  console.log(`${name.padEnd(28)} ${shown.join("   ")}`);
}

const at = (sorted: number[], share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(3);

/** @returns milliseconds of each, sorted */
async function latencies(history: TestHistory, ask: (history: TestHistory) => Promise<unknown>): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < QUESTIONS; i++) {
    const begun = performance.now();
    await ask(history);
    found.push(performance.now() - begun);
  }
  return found.toSorted((a, b) => a - b);
}

async function questions(name: string, history: TestHistory, newest: number): Promise<void> {
  const kinds: [string, (history: TestHistory) => Promise<unknown>][] = [
    [
      "count of a login, limit 100",
      (history) => {
        const filter = [
          { column: "login" as const, values: [bytes(login(random.below(LOGINS)))] },
          { since: newest - 86_400 * 7 },
        ];
        return history.ask({ ask: "count", filter, limit: 100 });
      },
    ],
    [
      "logins of an address, limit 20",
      (history) => {
        const filter = [{ column: "remote" as const, values: [bytes(address(skewed(100_000)))] }];
        return history.ask({ ask: "distinct", column: "login", filter, limit: 20 });
      },
    ],
    [
      "newest 10 rows of a login",
      (history) => {
        return history.ask({
          ask: "rows",
          filter: [{ column: "login", values: [bytes(login(random.below(LOGINS)))] }],
          n: 10,
        });
      },
    ],
  ];
  for (const [what, ask] of kinds) {
    const found = await latencies(history, ask);
    tell(`${name}`, { [`${what}:`]: "", "median ms": at(found, 0.5), "p99 ms": at(found, 0.99) });
  }
}

async function fill(name: string, history: TestHistory, from: number, to: number): Promise<void> {
  const [begun, started] = [cpu(), performance.now()];
  let made = 0;
  for (let n = from; n < to; n += CHUNK) {
    const before = cpu();
    const rows = Array.from({ length: CHUNK }, (_, i) => randomRow(START + (n + i) / 10));
    made += cpu() - before;
    for (const one of rows) history.history.add(one);
    while (history.history.waitingRows > CHUNK) await Bun.sleep(1);
  }
  await history.history.flush();
  const rows = to - from;
  tell(name, {
    rows: rows,
    "CPU µs a row": ((cpu() - begun - made) / rows).toFixed(1),
    "rows a CPU second": Math.round((rows * 1e6) / (cpu() - begun - made)),
    "rows a second": Math.round((rows * 1000) / (performance.now() - started)),
  });
}

async function measure(name: string, store: Store, sizes: number[], sizeOf: () => Promise<number>): Promise<void> {
  await using history = await openHistory(store);
  let from = 0;
  for (const size of sizes) {
    await fill(name, history, from, size);
    from = size;
    tell(name, { "bytes a row": Math.round((await sizeOf()) / size) });
    await questions(name, history, START + size / 10);
  }
}

/** What a report costs in a policy, everything but HTTP: without history, with `add`, with `add` and two questions. */
async function reports(): Promise<void> {
  const policies: [string, string][] = [
    ["no history", ""],
    ["add", "history:add(lt, { country = 'NL', asn = 64500 })"],
    [
      "add and two questions",
      `
      local failed = history:count({ login = lt.login, success = false, since = "24h" }, 100)
      local logins = history:distinct("login", { remote = lt.remote, since = "1h" }, 20)
      history:add(lt, { country = 'NL', asn = 64500 })`,
    ],
  ];
  for (const [name, body] of policies) {
    using folder = temporaryFolder();
    const file = join(folder.path, "bench.conf");
    await Bun.write(
      file,
      `history = newHistory("sqlite:${folder.path}/history.sqlite") setReport(function(lt) ${body} end)`,
    );
    const log = new Log({ sink: console.log });
    const loaded = await loadConfig(file, { clock: systemClock, log });
    const { engine, policy } = loaded;
    await engine.history!.open(storeOf(engine.history!.settings, { stateDir: folder.path, clock: systemClock, log }));
    const now = Date.now() / 1000;
    const tuples = Array.from({ length: REPORTS }, (_, i) =>
      readLoginTuple(
        {
          t: now + i / 1e6,
          login: login(skewed(LOGINS)),
          remote: `10.0.${i & 0xff}.1`,
          success: i % 2 === 0,
          device_id: DEVICES[i % 200]!,
        } as unknown as Json,
        now,
        () => [],
      ),
    );
    const waits: number[] = [];
    let held = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      held = Math.max(held, performance.now() - last - 1);
      last = performance.now();
    }, 1);
    const begun = cpu();
    for (let i = 0; i < REPORTS; i += REPORTS_A_TURN) {
      const running = tuples.slice(i, i + REPORTS_A_TURN).map(async (tuple) => {
        const started = performance.now();
        await engine.runReport(policy.report!, tuple);
        waits.push(performance.now() - started);
      });
      await Promise.all(running);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await engine.history!.flush();
    const spent = (cpu() - begun) / REPORTS;
    clearInterval(watch);
    await engine.history!.close();
    engine.close();
    const sorted = waits.toSorted((a, b) => a - b);
    tell(`a report, ${name}`, {
      "CPU µs": spent.toFixed(1),
      "median ms": at(sorted, 0.5),
      "p99 ms": at(sorted, 0.99),
      "longest hold of the event loop ms": held.toFixed(1),
    });
  }
}

await reports();
{
  using folder = temporaryFolder();
  const path = join(folder.path, "history.sqlite");
  const sizes = [10_000, 1_000_000, ...(options.full ? [20_000_000] : [])];
  await measure(
    "SQLite",
    new ThreadedStore({ path, timeout: 10_000 }, systemClock),
    sizes,
    async () => statSync(path).size,
  );
}
const postgresRows = Number(options.postgres);
if (noPostgres !== "") console.log(`PostgreSQL${noPostgres}`);
else if (postgresRows > 0) {
  await using server = await PostgresServer.start();
  const target = readTarget(await server.database(), {});
  const store = new PostgresStore(target, { password: undefined, timeout: 60_000, clock: systemClock });
  await measure("PostgreSQL", store, [10_000, postgresRows], async () => {
    const reply = await store.ask({ ask: "state" });
    return "answer" in reply ? (reply.answer as { size: number }).size : 0;
  });
}
