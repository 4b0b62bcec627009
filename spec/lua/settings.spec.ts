import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { callEndpoint, PREAMBLE, startDaemon } from "../support/daemon.ts";

describe("custom stats", () => {
  test("count what was declared; what was not is an error, once a name", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} addCustomStat("seen") addCustomStat("never")
      setReport(function() incCustomStat("seen") incCustomStat("other") end)`);
    for (let i = 0; i < 3; i++) await daemon.post("/?command=report", {});
    const metrics = await (await daemon.get("/metrics")).text();
    expect(metrics).toContain('trackalert_custom_stats_total{metric="seen"} 3\n');
    expect(metrics).toContain('trackalert_custom_stats_total{metric="never"} 0\n');
    expect(metrics).not.toContain('metric="other"');
    expect(daemon.logs.filter((line) => line.includes("incCustomStat"))).toEqual([
      'incCustomStat: no custom stat is named "other": addCustomStat() declares one',
    ]);
  });
});

describe("durationToSeconds", () => {
  test("answers seconds, and 0 with an error in the log for what is none", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setCustomEndpoint("dur", function(args)
      return true, { good = durationToSeconds("5:01"), bad = durationToSeconds("1:2:3") } end)`);
    expect(await callEndpoint(daemon, "dur")).toEqual({ good: "18060", bad: "0" });
    expect(daemon.logs).toContain('durationToSeconds: not a duration: "1:2:3"');
  });
});

describe("setStateDir", () => {
  test("is relative to the configuration's folder", async () => {
    await using daemon = await startDaemon(`setStateDir("state")`);
    expect(daemon.loaded.config.stateDir).toBe(join(daemon.folder, "state"));
  });
});

describe("the setNum… functions", () => {
  test("bound reports by the larger of workers and reporters, and background functions", async () => {
    await using daemon = await startDaemon(
      "setNumWorkerThreads(3) setNumReportThreads(2) setNumSchedulerThreads(7) setNumLuaStates(9)",
    );
    expect(daemon.loaded.config).toMatchObject({ reportTasks: 3, backgroundTasks: 7 });
  });

  test("let no more reports into the policy at the same time, and none is lost", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setNumWorkerThreads(2) inside, most, total = 0, 0, 0
      setReport(function()
        inside = inside + 1 most = math.max(most, inside)
        sleep(0.005)
        inside, total = inside - 1, total + 1
      end)
      setCustomEndpoint("counts", function() return true, { most = most, total = total } end)`);
    await Promise.all(Array.from({ length: 20 }, () => daemon.post("/?command=report", {})));
    expect(await callEndpoint(daemon, "counts")).toEqual({ most: "2", total: "20" });
  });

  test.each([
    "setNumWorkerThreads",
    "setNumReportThreads",
    "setNumSchedulerThreads",
    "setNumLuaStates",
    "setMaxWebserverConns",
  ])("%s takes whole numbers above 0", async (name) => {
    for (const value of ["0", "-1", "1.5", "'x'", "{}", ""]) {
      await expect(startDaemon(`${name}(${value})`)).rejects.toThrow(`spec.conf:1: bad argument #1 to '${name}'`);
    }
  });
});
