/**
 * `bun run bench:replay`: how the time and memory of a replay grow with its traffic. A month of reports, made from those that
 * a real wforce posted, goes through a small policy with an hourly function; each size in a process of its own.
 *
 * Options: --sizes N,N,… (10000,100000,1000000,5000000), --folder PATH for the traffic (2 GB; a temporary one, removed).
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "10000,100000,1000000,5000000" },
    folder: { type: "string", default: tmpdir() },
  },
});
const PROJECT = join(import.meta.dir, "..", "..");
const RECORDED = readFileSync(join(PROJECT, "fixtures", "traffic", "wforce-reports.jsonl"), "utf8")
  .trimEnd()
  .split("\n");
const MONTH = 30 * 86_400;
const START = Date.UTC(2026, 2, 1) / 1000;
/** Lines that are made at a time. */
const PIECE = 10_000;

const POLICY = `
local failures, failed = {}, 0
setReport(function(lt)
  if lt.success then return end
  failed = failed + 1
  local address = lt.remote:tostring()
  failures[address] = (failures[address] or 0) + 1
end)
setBackground("hourly", function() infoLog("Failed logins", { count = failed }) failed = 0 end)
cronScheduleBackgroundFunc("0 * * * *", "hourly")
`;

/** Recorded reports again and again, their times spread over the month. */
function writeTraffic(file: string, count: number): void {
  writeFileSync(file, "");
  for (let made = 0; made < count; made += PIECE) {
    const lines = Array.from({ length: Math.min(PIECE, count - made) }, (_, i) => {
      const t = START + ((made + i) / count) * MONTH;
      return `${RECORDED[(made + i) % RECORDED.length]!.replace(/"t": [\d.]+/, `"t": ${t.toFixed(6)}`)}\n`;
    });
    appendFileSync(file, lines.join(""));
  }
}

const folder = mkdtempSync(join(values.folder, "trackalert-bench-"));
try {
  writeFileSync(join(folder, "bench.conf"), POLICY);
  console.log("   reports      file       CPU   CPU/report   reports/s of CPU   peak memory");
  for (const size of values.sizes.split(",").map(Number)) {
    const traffic = join(folder, "traffic.jsonl");
    writeTraffic(traffic, size);
    const fixture = join(folder, "bench.replay.yaml");
    writeFileSync(
      fixture,
      `name: ${size} reports\nconfig: bench.conf\nstart: 2026-03-01T00:00:00Z\nuntil: +30d\nreports: traffic.jsonl\n` +
        `expect: { stats: { reports: ${size} }, background: { hourly: 720 } }\n`,
    );
    const command = [process.execPath, "index.ts", "--replay", fixture];
    const { exitCode, stdout, stderr, resourceUsage } = Bun.spawnSync(command, { cwd: PROJECT });
    if (exitCode !== 0) throw new Error(`the replay failed: ${stdout}${stderr}`);
    const seconds = Number(resourceUsage.cpuTime.total) / 1e6;
    const columns = [
      size.toLocaleString("en").padStart(10),
      `${(statSync(traffic).size / 1e6).toFixed(0)} MB`.padStart(10),
      `${seconds.toFixed(1)} s`.padStart(10),
      `${((seconds * 1e6) / size).toFixed(1)} µs`.padStart(13),
      Math.round(size / seconds)
        .toLocaleString("en")
        .padStart(19),
      `${(resourceUsage.maxRSS / 1024 / 1024).toFixed(0)} MB`.padStart(14),
    ];
    console.log(columns.join(""));
  }
} finally {
  rmSync(folder, { recursive: true });
}
