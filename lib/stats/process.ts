/**
 * Metrics of the process and of what it holds. The names of the former and what they mean:
 * https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { Counters } from "../counters/counters.ts";
import type { Engine } from "../lua/engine.ts";
import { Gauge, LabelledGauge, ReadCounter } from "../metric.ts";
import type { Metrics } from "../metrics.ts";

/** The process in Linux's eyes; format: man 5 proc. */
const PROC = "/proc/self";

/** Shows the usual `process_*`, those that need Linux only there. */
export function addProcessMetrics(metrics: Metrics, clock: Clock): void {
  const started = clock.now() / 1000 - process.uptime();
  const gauge = (name: string, help: string, read: () => number): void =>
    void metrics.add(new Gauge(`process_${name}`, help, read));
  metrics.add(new ReadCounter("process_cpu_seconds_total", "Processor time, of user and system.", () => clock.cpu()));
  gauge("start_time_seconds", "When the process was started, since 1970.", () => started);
  gauge("resident_memory_bytes", "Memory that the process has.", () => process.memoryUsage.rss());
  if (!existsSync(PROC)) return;
  gauge("virtual_memory_bytes", "Addresses that the process has.", virtualMemory);
  gauge("open_fds", "Open files and sockets.", () => readdirSync(`${PROC}/fd`).length);
  gauge("max_fds", "How many files and sockets may be open.", mostFiles);
}

/** Shows what the Lua engine and the GeoIP databases hold. */
export function addEngineMetrics(metrics: Metrics, { state, geoip }: Engine): void {
  const memory = "Bytes that the Lua engine has taken: grows when its values need more, and never shrinks.";
  metrics.add(new Gauge("trackalert_lua_memory_bytes", memory, () => state.api.memory.buffer.byteLength));
  const built = "When the makers of the open GeoIP databases built them, since 1970.";
  metrics.add(
    new LabelledGauge("trackalert_geoip_build_time_seconds", built, "database", () =>
      [...geoip.all].flatMap(([name, { database }]) => (database ? [[name, database.built.getTime() / 1000]] : [])),
    ),
  );
}

/** Shows how many keys the dbs of counters have. */
export function addCounterMetrics(metrics: Metrics, { dbs }: Counters): void {
  metrics.add(
    new LabelledGauge("trackalert_counters_keys", "Keys in the dbs of counters.", "db", () =>
      Array.from(dbs, ([name, { size }]) => [name, size] as const),
    ),
  );
}

/** `vsize`, the 23rd field. The second may hold anything, in parentheses; those after the last one begin with the third. */
const virtualMemory = (): number => Number(readFileSync(`${PROC}/stat`, "latin1").split(") ").at(-1)!.split(" ")[20]);

/**
 * Why setMaxWebserverConns() asks for more than the system gives, for a warning. Who has not called it has not asked for
 * anything.
 */
export function fewFiles({ maxWebserverConns = 0 }: Config): string | undefined {
  const files = existsSync(PROC) ? mostFiles() : Infinity;
  if (maxWebserverConns <= files) return undefined;
  return `setMaxWebserverConns(${maxWebserverConns}): only ${files} files and sockets may be open (ulimit -n, LimitNOFILE=)`;
}

/** The soft limit; without one it is infinite. */
function mostFiles(): number {
  const soft = /^Max open files +(\d+)/m.exec(readFileSync(`${PROC}/limits`, "latin1"))?.[1];
  return soft === undefined ? Infinity : Number(soft);
}
