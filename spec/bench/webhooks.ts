/**
 * `bun run bench:webhooks`: what it costs to deliver an event, with the spool and without, beside a bare fetch of the same
 * body. All in turn in one process; the receiver is another, on another core.
 *
 * Options: --rounds N (5), --events N a round (20000).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { defaultConfig } from "../../lib/config.ts";
import { Log } from "../../lib/log/log.ts";
import { defaultOutgoingSettings, Outgoing } from "../../lib/net/outgoing.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { networkAttempt } from "../../lib/webhooks/attempt.ts";
import { WebHookDelivery } from "../../lib/webhooks/delivery.ts";
import { webHook } from "../support/webhooks.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, events: { type: "string", default: "20000" } },
});
const events = Number(values.events);
/** Requests in flight, of all contestants: as many as one webhook may have unless configured otherwise. */
const IN_FLIGHT = 10;
const BODY = JSON.stringify({ type: "brute_force", login: "joe@example.com", detail: "x".repeat(300) });

interface Contestant {
  name: string;
  /** Sends all events. @returns when they have arrived */
  run(url: string): Promise<void>;
  costs: number[];
  rates: number[];
}

async function bareFetches(url: string): Promise<void> {
  const body = Buffer.from(BODY);
  let left = events;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await (await fetch(url, { method: "POST", body })).arrayBuffer();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

async function deliver(url: string, folder: string | undefined): Promise<void> {
  const hook = webHook("bench", url, { secret: toByteString("secret"), maxAttempts: 1 });
  const settings = { ...defaultConfig().webhooks, hooks: [hook], connsPerThread: IN_FLIGHT, queueSize: events };
  const clock = systemClock;
  const log = new Log({ sink: () => {} });
  const metrics = new Metrics();
  const attempt = networkAttempt(settings, new Outgoing(defaultOutgoingSettings({}), () => []), clock);
  const delivery = new WebHookDelivery(settings, { clock, log, metrics, attempt, random: Math.random });
  delivery.open(folder);
  const data = toByteString(BODY);
  for (let i = 0; i < events; i++) delivery.send(hook, data);
  await delivery.drain();
  delivery.close();
  const { successes } = delivery.counts(hook);
  if (successes !== events) throw new Error(`${successes} of ${events} events arrived`);
}

const taskset = Bun.which("taskset");
const receiver = Bun.spawn([...(taskset ? [taskset, "-c", "1"] : []), process.execPath, "spec/bench/bare.ts"], {
  cwd: join(import.meta.dir, "..", ".."),
  stdout: "pipe",
  stdin: "ignore",
});
const folder = mkdtempSync(join(tmpdir(), "trackalert-bench-"));
const contestant = (name: string, run: Contestant["run"]): Contestant => ({ name, run, costs: [], rates: [] });
const contestants = [
  contestant("bare fetch", bareFetches),
  contestant("without spool", (url) => deliver(url, undefined)),
  contestant("with spool", (url) => deliver(url, folder)),
];
const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

try {
  const { value } = await receiver.stdout.getReader().read();
  const url = `http://${/listening on (\S+)/.exec(new TextDecoder().decode(value))![1]}/`;
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const { name, run, costs, rates } of contestants) {
      const before = process.cpuUsage();
      const began = performance.now();
      await run(url);
      const { user, system } = process.cpuUsage(before);
      if (round === 0) continue; // until it is compiled
      costs.push((user + system) / events);
      rates.push(events / ((performance.now() - began) / 1000));
      console.log(
        `${round}  ${name.padEnd(14)} ${costs.at(-1)!.toFixed(1).padStart(6)} µs CPU/event ${Math.round(rates.at(-1)!)} events/s`,
      );
    }
  }
  const bare = median(contestants[0]!.costs);
  for (const { name, costs, rates } of contestants) {
    const cost = median(costs);
    console.log(
      `median: ${name.padEnd(14)} ${cost.toFixed(1)} µs, ${Math.round(median(rates))} events/s, ${(cost / bare).toFixed(2)} times bare`,
    );
  }
} finally {
  receiver.kill();
  rmSync(folder, { recursive: true });
}
