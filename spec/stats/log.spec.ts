import { expect, test } from "bun:test";
import { join } from "node:path";

import { loadConfig } from "../../lib/configuration/load-config.ts";
import { Level, Log } from "../../lib/log/log.ts";
import { Daemon } from "../../lib/program/daemon.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { logStats } from "../../lib/stats/log.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import { Stats } from "../../lib/stats/stats.ts";
import { temporaryFolder } from "../support/daemon.ts";

const START = Date.UTC(2026, 10, 22);
const IDLE =
  "perf stats last 300 secs: WTW_0_1=0 WTW_1_10=0 WTW_10_100=0 WTW_100_1000=0 WTW_Slow=0 " +
  "WTR_0_1=0 WTR_1_10=0 WTR_10_100=0 WTR_100_1000=0 WTR_Slow=0";

function setUp() {
  const clock = new VirtualClock(START);
  const custom = new Set<string>();
  const stats = new Stats(clock, new Metrics(), {
    commands: () => ["report", "stats", "readyz", "livez"],
    custom: () => custom,
  });
  const lines: [level: Level, line: string][] = [];
  const log = new Log({ sink: (line, level) => lines.push([level, line]) });
  return { clock, custom, stats, lines, end: logStats(stats, { clock, log }) };
}

test("every 300 s there are two lines at notice level, and a third when there are custom stats", async () => {
  const { clock, custom, stats, lines, end } = setUp();
  await clock.advanceTo(START + 299_999);
  expect(lines).toEqual([]);
  stats.commands.of("report").add(clock.monotonic());
  await clock.advanceTo(START + 300_000);
  const commands = "command stats last 300 secs: livez=0 readyz=0";
  expect(lines.splice(0)).toEqual([
    [Level.notice, IDLE],
    [Level.notice, `${commands} report=1 stats=0`],
  ]);
  for (const name of ["seen", "failed"]) custom.add(name);
  await clock.advanceTo(START + 600_000);
  expect(lines.map(([, line]) => line)).toEqual([
    IDLE,
    `${commands} report=0 stats=0`,
    "custom stats last 300 secs: failed=0 seen=0",
  ]);
  end();
  await clock.advanceTo(START + 6_000_000);
  expect(lines).toHaveLength(3);
});

test("the daemon logs them from its start to its stop", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  await Bun.write(file, "");
  const clock = new VirtualClock(START);
  const lines: string[] = [];
  const log = new Log({ sink: (line) => lines.push(line) });
  const daemon = await Daemon.start(await loadConfig(file, { clock, log }), { clock, log, parseDevice: () => [] });
  await clock.advanceTo(START + 600_000);
  await daemon.stop();
  await clock.advanceTo(START + 3_600_000);
  expect(lines.filter((line) => line.startsWith("perf stats last"))).toEqual([IDLE, IDLE]);
});
