import { describe, expect, test } from "bun:test";

import { Metrics } from "../../lib/stats/metrics.ts";
import { Stats } from "../../lib/stats/stats.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

const BUILT_IN = ["report", "stats", "readyz", "livez"];
const START = Date.UTC(2026, 10, 22);

function setUp() {
  const clock = new JumpingClock(START);
  const metrics = new Metrics();
  const names = { commands: new Set(BUILT_IN), custom: new Set<string>() };
  const stats = new Stats(clock, metrics, { commands: () => names.commands, custom: () => names.custom });
  return { clock, metrics, names, stats };
}

const samples = async (metrics: Metrics, name: string): Promise<string[]> =>
  (await metrics.format()).split("\n").filter((line) => line.startsWith(name));

describe("perf stats", () => {
  test("are ten lines in the reference's order, zero from the start", () => {
    const names = ["WTW", "WTR"].flatMap((of) =>
      ["0_1", "1_10", "10_100", "100_1000", "Slow"].map((b) => `${of}_${b}`),
    );
    expect(setUp().stats.perfText()).toBe(names.map((name) => `${name}=0\n`).join(""));
  });

  test.each([
    [0, "0_1"],
    [1, "0_1"],
    [2, "1_10"],
    [10, "1_10"],
    [11, "10_100"],
    [100, "10_100"],
    [101, "100_1000"],
    [1000, "100_1000"],
    [1001, "Slow"],
    [86_400_000, "Slow"],
  ])("%d ms of waiting and of running are both %s", async (milliseconds, bucket) => {
    const { clock, stats } = setUp();
    const arrived = clock.monotonic();
    await clock.advanceTo(START + milliseconds);
    const begun = stats.perf.begin(arrived);
    await clock.advanceTo(START + 2 * milliseconds);
    stats.perf.end(begun);
    const counted = stats.perf.recent().filter(([, count]) => count > 0);
    // Waiting was over so much earlier that it may have fallen out of the windows.
    const expected = milliseconds < 285_000 ? [`WTW_${bucket}`, `WTR_${bucket}`] : [`WTR_${bucket}`];
    expect(counted).toEqual(expected.map((name) => [name, 1]));
  });

  test("are the observations of the two histograms too, which forget nothing", async () => {
    const { clock, metrics, stats } = setUp();
    const begun = stats.perf.begin(clock.monotonic());
    await clock.advanceTo(START + 50);
    stats.perf.end(begun);
    await clock.advanceTo(START + 301_000);
    expect(stats.perf.recent().every(([, count]) => count === 0)).toBe(true);
    expect(await samples(metrics, "trackalert_worker")).toEqual([
      'trackalert_worker_queue_duration_seconds_bucket{le="0.001"} 1',
      'trackalert_worker_queue_duration_seconds_bucket{le="0.01"} 1',
      'trackalert_worker_queue_duration_seconds_bucket{le="0.1"} 1',
      'trackalert_worker_queue_duration_seconds_bucket{le="1"} 1',
      'trackalert_worker_queue_duration_seconds_bucket{le="+Inf"} 1',
      "trackalert_worker_queue_duration_seconds_sum 0",
      "trackalert_worker_queue_duration_seconds_count 1",
      'trackalert_worker_response_duration_seconds_bucket{le="0.001"} 0',
      'trackalert_worker_response_duration_seconds_bucket{le="0.01"} 0',
      'trackalert_worker_response_duration_seconds_bucket{le="0.1"} 1',
      'trackalert_worker_response_duration_seconds_bucket{le="1"} 1',
      'trackalert_worker_response_duration_seconds_bucket{le="+Inf"} 1',
      "trackalert_worker_response_duration_seconds_sum 0.05",
      "trackalert_worker_response_duration_seconds_count 1",
    ]);
  });
});

describe("command stats", () => {
  test("name every command and custom endpoint, sorted, zero until called, those of later too", async () => {
    const { clock, metrics, names, stats } = setUp();
    names.commands.add("aaa");
    expect(stats.commandsText()).toBe("aaa=0\nlivez=0\nreadyz=0\nreport=0\nstats=0\n");
    names.commands.add("zzz");
    stats.commands.of("zzz").add(clock.monotonic());
    stats.commands.of("report").add(clock.monotonic());
    expect(stats.commandsText()).toBe("aaa=0\nlivez=0\nreadyz=0\nreport=1\nstats=0\nzzz=1\n");
    expect((await samples(metrics, "trackalert_commands_total")).toSorted()).toEqual([
      'trackalert_commands_total{cmd="aaa"} 0',
      'trackalert_commands_total{cmd="livez"} 0',
      'trackalert_commands_total{cmd="readyz"} 0',
      'trackalert_commands_total{cmd="report"} 1',
      'trackalert_commands_total{cmd="stats"} 0',
      'trackalert_commands_total{cmd="zzz"} 1',
    ]);
  });

  test("forget after 300 s, while the metric goes on counting", async () => {
    const { clock, metrics, stats } = setUp();
    stats.commands.of("report").add(clock.monotonic());
    await clock.advanceTo(START + 300_000);
    expect(stats.commandsText()).toContain("report=0\n");
    expect((await samples(metrics, 'trackalert_commands_total{cmd="report"}'))[0]).toEndWith(" 1");
  });
});

describe("custom stats", () => {
  test("are those declared, sorted, and none is no line", async () => {
    const { clock, names, metrics, stats } = setUp();
    expect(stats.customText()).toBe("");
    for (const name of ["seen", "failed"]) names.custom.add(name);
    expect(stats.customText()).toBe("failed=0\nseen=0\n");
    stats.custom.of("seen").add(clock.monotonic());
    expect(stats.customText()).toBe("failed=0\nseen=1\n");
    expect(await samples(metrics, "trackalert_custom_stats_total")).toEqual([
      'trackalert_custom_stats_total{metric="seen"} 1',
      'trackalert_custom_stats_total{metric="failed"} 0',
    ]);
  });

  test("cannot forge a line with their names", () => {
    const { names, stats } = setUp();
    names.custom.add("a=1\nb");
    expect(stats.customText()).toBe("a=1\\nb=0\n");
  });
});

test.each([-3_600_000, 3_600_000])("a clock that is set by %d ms moves neither windows nor uptime", async (jump) => {
  const { clock, stats } = setUp();
  stats.commands.of("report").add(clock.monotonic());
  await clock.advanceTo(START + 10_000);
  clock.jump(jump);
  expect([stats.uptime, stats.commandsText()]).toEqual([10, expect.stringContaining("report=1\n")]);
  await clock.advanceTo(START + 285_000);
  expect([stats.uptime, stats.commandsText()]).toEqual([285, expect.stringContaining("report=1\n")]);
  await clock.advanceTo(START + 300_000);
  expect([stats.uptime, stats.commandsText()]).toEqual([300, expect.stringContaining("report=0\n")]);
});

test("stats() is the number of reports", () => {
  const { metrics, stats } = setUp();
  expect(stats.reportsText()).toBe("0 reports\n");
  for (let i = 0; i < 40; i++) metrics.reports.increment();
  expect(stats.reportsText()).toBe("40 reports\n");
});
