/**
 * `bun run bench:memory`: what twAdd and twGet cost from Lua, and what a million keys take: two int fields and one hll, 6
 * windows.
 *
 * Options: --keys N (1000000), --values N (3) different ones a key.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { loadConfig } from "../../lib/configuration/load-config.ts";
import { SnapshotFile } from "../../lib/counters/snapshot-file.ts";
import { Log } from "../../lib/log/log.ts";
import { systemClock } from "../../lib/time/clock.ts";

const { values } = parseArgs({
  options: { keys: { type: "string", default: "1000000" }, values: { type: "string", default: "3" } },
});
const KEYS = Number(values.keys);
const VALUES = Number(values.values);
const CALLS = 1_000_000;

const CONFIGURATION = `
newStringStatsDB("bench", 600, 6, { logins = "int", failures = "int", addresses = "hll" })
newStringStatsDB("small", 600, 6, { logins = "int", addresses = "hll", countries = "countmin" })
getStringStatsDB("bench"):twSetMaxSize(${KEYS})
setReportTimeout(3600)
local db, small, address = getStringStatsDB("bench"), getStringStatsDB("small"), newCA("192.0.2.1")
local keys = {}
for i = 1, 10000 do keys[i] = "user" .. i .. "@example.com" end
setBackground("nothing", function() for i = 1, ${CALLS} do local key = keys[i % 10000 + 1] end end)
setBackground("add int", function() for i = 1, ${CALLS} do small:twAdd(keys[i % 10000 + 1], "logins", 1) end end)
setBackground("get int", function() for i = 1, ${CALLS} do small:twGet(keys[i % 10000 + 1], "logins") end end)
setBackground("add hll", function() for i = 1, ${CALLS} do small:twAdd(keys[i % 10000 + 1], "addresses", keys[i % 7 + 1]) end end)
setBackground("get hll", function() for i = 1, ${CALLS} do small:twGet(keys[i % 10000 + 1], "addresses") end end)
setBackground("add countmin", function() for i = 1, ${CALLS} do small:twAdd(keys[i % 10000 + 1], "countries", keys[i % 7 + 1]) end end)
setBackground("get countmin", function() for i = 1, ${CALLS} do small:twGet(keys[i % 10000 + 1], "countries", keys[3]) end end)
setBackground("add int, address key", function() for i = 1, ${CALLS} do small:twAdd(address, "logins", 1) end end)
setBackground("get int, address key", function() for i = 1, ${CALLS} do small:twGet(address, "logins") end end)
setBackground("add hll, many values", function() for i = 1, ${CALLS} do small:twAdd("many", "addresses", keys[i % 10000 + 1]) end end)
setBackground("get hll, many values", function() for i = 1, ${CALLS} do small:twGet("many", "addresses") end end)
setBackground("fill", function()
  for i = 1, ${KEYS} do
    local key = "user" .. i .. "@example.com"
    db:twAdd(key, "logins", 1)
    db:twAdd(key, "failures", 1)
    for j = 1, ${VALUES} do db:twAdd(key, "addresses", i * 7 + j) end
  end
end)
setBackground("get int of all keys", function()
  for i = 1, ${CALLS} do db:twGet("user" .. (i * 7919 % ${KEYS} + 1) .. "@example.com", "logins") end
end)
`;

const folder = mkdtempSync(join(tmpdir(), "trackalert-bench-"));
const file = join(folder, "bench.conf");
writeFileSync(file, CONFIGURATION);
const log = new Log({ sink: console.error });
const { engine, counters, policy } = await loadConfig(file, { clock: systemClock, log });

async function run(name: string): Promise<number> {
  const { user, system } = process.cpuUsage();
  await engine.runBackground(policy.background.get(name)!);
  const used = process.cpuUsage({ user, system });
  return used.user + used.system;
}

console.log("call                    CPU a call");
const loop = (await run("nothing")) / CALLS;
for (const name of policy.background.keys()) {
  if (["nothing", "fill", "get int of all keys"].includes(name)) continue;
  await run(name);
  console.log(`${name.padEnd(24)} ${((await run(name)) / CALLS - loop).toFixed(2)} µs`);
}

Bun.gc(true);
const before = process.memoryUsage.rss();
const filled = await run("fill");
Bun.gc(true);
const taken = process.memoryUsage.rss() - before;
const { size, memory } = counters.dbs.get("bench")!;
console.log(`\n${size.toLocaleString("en")} keys of ${VALUES} values: ${(filled / 1e6).toFixed(1)} s`);
console.log(`in use ${(memory / 1e6).toFixed(0)} MB, ${(memory / size).toFixed(0)} bytes a key`);
console.log(`taken from the system ${(taken / 1e6).toFixed(0)} MB, ${(taken / size).toFixed(0)} bytes a key`);
console.log(
  `get int of all keys     ${((await run("get int of all keys")) / CALLS).toFixed(2)} µs, the key made each time`,
);

let longest = 0;
const sliced = (milliseconds: number): void => void (longest = Math.max(longest, milliseconds));
const snapshot = SnapshotFile.open(folder, counters, { clock: systemClock, log, sliced });
await engine.runBackground(policy.background.get("add int")!);
const loaded = performance.now();
await snapshot.close();
const written = performance.now();
SnapshotFile.open(folder, counters, { clock: systemClock, log });
console.log(
  `snapshot of ${(Bun.file(join(folder, "counters.bin")).size / 1e6).toFixed(0)} MB: ` +
    `written in ${((written - loaded) / 1000).toFixed(1)} s, longest slice ${longest.toFixed(1)} ms, ` +
    `read in ${((performance.now() - written) / 1000).toFixed(1)} s`,
);
rmSync(folder, { recursive: true });
process.exit(0);
