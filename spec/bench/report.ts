/**
 * `bun run bench`: what a report costs. The daemon with a small policy and a bare `Bun.serve` take the same load in turn on
 * the same core; compared is processor time a request, which does not depend on how fast the load comes.
 *
 * Options: --rounds N (5), --seconds N a round (3).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "3" } },
});
const rounds = Number(values.rounds);
const PROJECT = join(import.meta.dir, "..", "..");
const TRAFFIC = join(PROJECT, "fixtures", "traffic", "wforce-reports.jsonl");
const AUTHORIZATION = `Basic ${btoa("any:bench")}`;
/** /proc counts processor time in ticks of 10 ms on every Linux that Bun runs on. */
const MICROSECONDS_PER_TICK = 10_000;

const POLICY = `
addListener("127.0.0.1:0", false, "", "", {})
setWebserverPassword("bench")
local failures = {}
setReport(function(lt)
  if lt.success then return end
  local address = lt.remote:tostring()
  failures[address] = (failures[address] or 0) + 1
end)
`;

interface Contestant {
  name: string;
  process: Bun.Subprocess<"ignore", "pipe", "inherit">;
  url: string;
  costs: number[];
}

const wrk = Bun.which("wrk");
const taskset = Bun.which("taskset");
const onCore = (core: number, command: string[]): string[] =>
  taskset ? [taskset, "-c", String(core), ...command] : command;

async function start(name: string, args: string[]): Promise<Contestant> {
  const process_ = Bun.spawn(onCore(0, [process.execPath, ...args]), { cwd: PROJECT, stdout: "pipe", stdin: "ignore" });
  let output = "";
  for await (const chunk of process_.stdout as unknown as AsyncIterable<Uint8Array>) {
    output += new TextDecoder().decode(chunk);
    const address = /listening on (\S+)/.exec(output)?.[1];
    if (address) return { name, process: process_, url: `http://${address}/?command=report`, costs: [] };
  }
  throw new Error(`${name} did not start: ${output}`);
}

/** Microseconds of processor time that a process has used, in user and system. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK;
}

/** Puts load on a contestant. @returns microseconds of processor time a request, and requests a second */
async function load({ url, process: { pid } }: Contestant, seconds: string): Promise<[cost: number, rate: number]> {
  const wrkScript = join(import.meta.dir, "wrk.lua");
  const command = wrk
    ? [wrk, "-t1", "-c16", `-d${seconds}s`, "-s", wrkScript, url, "--", TRAFFIC, AUTHORIZATION]
    : [process.execPath, join(import.meta.dir, "loader.ts"), url, seconds, TRAFFIC, AUTHORIZATION];
  const before = processorTime(pid);
  const loader = Bun.spawn(onCore(1, command), { stdout: "pipe", stderr: "inherit" });
  const report = await new Response(loader.stdout).text();
  const requests = Number(/(\d+) requests in/.exec(report)?.[1]);
  if (!(requests > 0) || /Non-2xx/.test(report)) throw new Error(`the load failed: ${report}`);
  return [(processorTime(pid) - before) / requests, requests / Number(seconds)];
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

const folder = mkdtempSync(join(tmpdir(), "trackalert-bench-"));
const contestants: Contestant[] = [];
try {
  writeFileSync(join(folder, "bench.conf"), POLICY);
  contestants.push(await start("bare Bun.serve", ["spec/bench/bare.ts"]));
  contestants.push(await start("trackalert", ["index.ts", "-s", "-C", join(folder, "bench.conf")]));
  console.log(
    `load from ${wrk ? "wrk" : "the built-in loader (wrk is not installed)"}, 16 connections, ${rounds} rounds of ${values.seconds} s each`,
  );
  for (const contestant of contestants) await load(contestant, "2"); // until it is compiled
  for (let round = 1; round <= rounds; round++) {
    for (const contestant of contestants) {
      const [cost, rate] = await load(contestant, values.seconds);
      contestant.costs.push(cost);
      console.log(
        `${round}  ${contestant.name.padEnd(16)} ${cost.toFixed(1).padStart(6)} µs CPU/request ${Math.round(rate)} requests/s`,
      );
    }
  }
  const [bare, ours] = contestants.map(({ costs }) => median(costs)) as [number, number];
  const ratios = contestants[1]!.costs.map((cost, round) => cost / contestants[0]!.costs[round]!);
  console.log(
    `median: bare ${bare.toFixed(1)} µs, trackalert ${ours.toFixed(1)} µs, ratio ${median(ratios).toFixed(2)}`,
  );
} finally {
  for (const contestant of contestants) contestant.process.kill();
  rmSync(folder, { recursive: true });
}
