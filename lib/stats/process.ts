/**
 * Metrics of the process. Their names and what they mean:
 * https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

import type { Clock } from "../time/clock.ts";
import { Gauge, ReadCounter } from "./metric.ts";
import type { Metrics } from "./metrics.ts";

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

/** `vsize`, the 23rd field. The second may hold anything, in parentheses; those after the last one begin with the third. */
const virtualMemory = (): number => Number(readFileSync(`${PROC}/stat`, "latin1").split(") ").at(-1)!.split(" ")[20]);

/**
 * Why setMaxWebserverConns() asks for more than the system gives, for a warning. Who has not called it has not asked for
 * anything.
 */
export function fewFiles(maxWebserverConns = 0): string | undefined {
  const files = mostFiles();
  if (maxWebserverConns <= files) return undefined;
  return `setMaxWebserverConns(${maxWebserverConns}): only ${files} files and sockets may be open (ulimit -n, LimitNOFILE=)`;
}

/** How many files and sockets may be open: the soft limit. Without one, or where Linux does not tell, it is infinite. */
export function mostFiles(): number {
  if (!existsSync(PROC)) return Infinity;
  const soft = /^Max open files +(\d+)/m.exec(readFileSync(`${PROC}/limits`, "latin1"))?.[1];
  return soft === undefined ? Infinity : Number(soft);
}
