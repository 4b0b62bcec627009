/**
 * `bun run bench:memory`: what the counters cost. `twAdd` and `twGet` from Lua beside an empty loop, and the bytes of a key,
 * by resident memory, with a million keys of two ints and an hll in six windows.
 *
 * Options: --keys N (1000000), --calls N (1000000).
 */
import { parseArgs } from "node:util";

import { Counters } from "../../lib/counters/counters.ts";
import { Log } from "../../lib/log/log.ts";
import { Engine } from "../../lib/lua/engine.ts";
import { unreachableTcp } from "../../lib/net/tcp.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { stopwatch, systemClock } from "../../lib/time/clock.ts";

const { values } = parseArgs({
  options: { keys: { type: "string", default: "1000000" }, calls: { type: "string", default: "1000000" } },
});
const [keys, calls] = [Number(values.keys), Number(values.calls)];
const log = new Log({ sink: (line) => console.error(line) });
const counters = new Counters({ clock: systemClock, log, metrics: new Metrics(), seed: 1 });
const FIELDS = new Map([
  ["logins", "int"],
  ["failures", "int"],
  ["passwords", "hll"],
] as const);
counters.create("lua", 600, 6, FIELDS);
const big = counters.create("big", 600, 6, FIELDS)!;

const engine = await Engine.create({
  clock: systemClock,
  log,
  counters,
  directory: "/",
  http: { request: () => Promise.reject(new Error("no servers here")) },
  tcp: unreachableTcp("no servers here"),
});
engine.tasks.limit = () => 1000;
/** Microseconds of processor time for one turn of a loop. */
async function cost(body: string): Promise<number> {
  const chunk = `local db, keys = getStringStatsDB("lua"), {}
    for i = 1, 1000 do keys[i] = "192.0.2." .. i end
    for i = 1, ${calls} do local key = keys[i % 1000 + 1] ${body} end`;
  const before = process.cpuUsage();
  await engine.runFile(Buffer.from(chunk), "bench");
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}
const row = (what: string, value: number, unit: string): void =>
  console.log(`${what.padEnd(44)}${value.toFixed(2).padStart(10)} ${unit}`);

const empty = await cost("");
for (const [what, body] of [
  ["twAdd of an int", `db:twAdd(key, "logins", 1)`],
  ["twAdd of an hll", `db:twAdd(key, "passwords", i)`],
  ["twGet of an int", `local n = db:twGet(key, "logins")`],
  ["twGet of an hll", `local n = db:twGet(key, "passwords")`],
] as const) {
  row(what, (await cost(body)) - empty, "µs");
}

const resident = (): number => (Bun.gc(true), process.memoryUsage.rss());
const before = resident();
big.maxSize = keys;
const [logins, failures, passwords] = big.fields;
let slowest = 0;
for (let i = 0; i < keys; i++) {
  const started = stopwatch();
  const key = `user${i}@example.org` as ByteString;
  big.addNumber(key, logins!, 1);
  big.addNumber(key, failures!, 1);
  for (let value = 0; value < 3; value++) big.addValue(key, passwords!, `${i}-${value}` as ByteString);
  slowest = Math.max(slowest, stopwatch() - started);
}
row(`${keys} keys, resident memory`, (resident() - before) / 1024 ** 2, "MiB");
row("a key", (resident() - before) / keys, "bytes");
row("slowest row", slowest, "ms");
process.exit(0);
