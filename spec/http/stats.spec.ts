import { describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { AUTHORIZATION, callEndpoint, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";

interface StatsAnswer {
  reports: number;
  "user-msec": number;
  "sys-msec": number;
  uptime: number;
  perfstats: Record<string, number>;
  commandstats: Record<string, number>;
  customstats: Record<string, number>;
}

const statsOf = async (daemon: TestDaemon): Promise<StatsAnswer> =>
  (await (await daemon.get("/command/stats")).json()) as StatsAnswer;

const metricsOf = async (daemon: TestDaemon): Promise<string> => (await daemon.get("/metrics")).text();

/** The value of a sample, undefined when there is none. */
const sample = async (daemon: TestDaemon, name: string): Promise<number | undefined> => {
  const line = (await metricsOf(daemon)).split("\n").find((text) => text.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
};

const total = (perf: Record<string, number>, prefix: string): number =>
  Object.entries(perf).reduce((sum, [name, count]) => (name.startsWith(prefix) ? sum + count : sum), 0);

describe("GET /command/stats", () => {
  test("counts reports, commands and custom stats, each from zero", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} addCustomStat("seen") addCustomStat("never")
      setReport(function() incCustomStat("seen") end)
      setCustomEndpoint("echo", function() return true end)`);
    expect(await statsOf(daemon)).toMatchObject({
      reports: 0,
      commandstats: { alerts: 0, echo: 0, livez: 0, readyz: 0, report: 0, stats: 1 },
      customstats: { never: 0, seen: 0 },
    });
    for (const path of ["/?command=report", "/command/report", "/command/echo"]) await daemon.post(path, {});
    await daemon.get("/livez");
    await daemon.get("/command/livez");
    await daemon.get("/?command=readyz");
    const stats = await statsOf(daemon);
    expect(Object.keys(stats)).toEqual(
      "reports user-msec sys-msec uptime perfstats commandstats customstats".split(" "),
    );
    expect(stats).toMatchObject({
      reports: 2,
      commandstats: { alerts: 0, echo: 1, livez: 2, readyz: 1, report: 2, stats: 2 },
      customstats: { never: 0, seen: 2 },
    });
    // The one that is being answered has waited, and still runs.
    expect([total(stats.perfstats, "WTW"), total(stats.perfstats, "WTR")]).toEqual([8, 7]);
    expect(stats.uptime).toBeNumber();
    expect(stats["user-msec"]).toBeGreaterThan(0);
  });

  test("tells waiting for a turn from running", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setNumWorkerThreads(1) setNumReportThreads(1)
      setReport(function(lt) while lt.login == "first" and not go do sleep(0.01) end end)`);
    const reports = [daemon.post("/command/report", { login: "first" })];
    while ((await statsOf(daemon)).reports < 1) await Bun.sleep(1);
    reports.push(daemon.post("/command/report", { login: "second" }));
    while ((await sample(daemon, "trackalert_web_queue_size")) !== 1) await Bun.sleep(1);
    const queued = performance.now();
    while (performance.now() - queued <= 100) await Bun.sleep(10);
    await daemon.loaded.engine.runFile(Buffer.from("go = true"), "spec.conf");
    await Promise.all(reports);
    const { perfstats } = await statsOf(daemon);
    const long = (prefix: string): number => perfstats[`${prefix}_100_1000`]! + perfstats[`${prefix}_Slow`]!;
    expect(long("WTW")).toBeGreaterThan(0);
    expect(long("WTR")).toBeGreaterThan(0);
  });

  test("does not count what is refused, unknown or fails to show a password", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const before = (await metricsOf(daemon)).split("\n").length;
    for (let i = 0; i < 300; i++) expect((await daemon.post(`/command/unknown${i}`, {})).status).toBe(404);
    expect((await daemon.get("/command/stats", {})).status).toBe(401);
    expect((await daemon.get("/command/report")).status).toBe(404);
    expect((await statsOf(daemon)).commandstats).toEqual({ alerts: 0, livez: 0, readyz: 0, report: 0, stats: 1 });
    expect((await metricsOf(daemon)).split("\n")).toHaveLength(before);
  });

  test("has a custom endpoint that is made later, from then on", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    await daemon.loaded.engine.runFile(
      Buffer.from(`setCustomEndpoint("later", function() return true end) addCustomStat("__proto__")`),
      "spec.conf",
    );
    const stats = await statsOf(daemon);
    expect(stats.commandstats["later"]).toBe(0);
    expect(Object.entries(stats.customstats)).toEqual([["__proto__", 0]]);
    await callEndpoint(daemon, "later");
    expect((await statsOf(daemon)).commandstats["later"]).toBe(1);
    expect(await sample(daemon, 'trackalert_commands_total{cmd="later"}')).toBe(1);
  });
});

describe("GET /metrics", () => {
  test("has every name of the contract that is not of webhooks", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const text = await metricsOf(daemon);
    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    expect(names).toEqual(
      expect.arrayContaining([
        "trackalert_commands_total counter",
        "trackalert_custom_stats_total counter",
        "trackalert_active_http_connections gauge",
        "trackalert_web_queue_size gauge",
        "trackalert_worker_queue_duration_seconds histogram",
        "trackalert_worker_response_duration_seconds histogram",
        "trackalert_reports_total counter",
        "trackalert_reports_rejected_total counter",
        "trackalert_lua_errors_total counter",
        "trackalert_background_runs_total counter",
        "trackalert_lua_memory_bytes gauge",
        "trackalert_geoip_build_time_seconds gauge",
        "process_cpu_seconds_total counter",
        "process_resident_memory_bytes gauge",
        "process_start_time_seconds gauge",
      ]),
    );
    expect(new Set(names).size).toBe(names.length);
    for (const reason of ["json", "field", "too_large"]) {
      expect(text).toContain(`trackalert_reports_rejected_total{reason="${reason}"} 0\n`);
    }
    expect(await sample(daemon, "trackalert_lua_memory_bytes")).toBeGreaterThan(100_000);
    const started = (await sample(daemon, "process_start_time_seconds"))!;
    expect(Math.abs(Date.now() / 1000 - process.uptime() - started)).toBeLessThan(60);
  });

  test.skipIf(process.platform !== "linux")("knows the process as /proc does (Linux only)", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    for (const name of ["resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds"]) {
      expect([name, (await sample(daemon, `process_${name}`))! > 0]).toEqual([name, true]);
    }
    expect((await sample(daemon, "process_virtual_memory_bytes"))!).toBeGreaterThan(
      (await sample(daemon, "process_resident_memory_bytes"))!,
    );
  });

  test.skipIf(process.platform !== "linux")("counts idle connections too (Linux only)", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const { hostname, port } = daemon.daemon.addresses[0]!;
    const count = async (): Promise<number> => (await sample(daemon, "trackalert_active_http_connections"))!;
    await count(); // fetch keeps its connection
    const before = await count();
    const sockets = Array.from({ length: 5 }, () => connect(port, hostname));
    while ((await count()) !== before + 5) await Bun.sleep(1);
    for (const socket of sockets) socket.destroy();
    while ((await count()) !== before) await Bun.sleep(1);
  });

  test("says how many reports wait for their turn", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setNumWorkerThreads(1) setNumReportThreads(1)
      setReport(function() while not go do sleep(0.01) end end)`);
    const reports = [1, 2, 3].map(() => daemon.post("/command/report", {}));
    while ((await sample(daemon, "trackalert_web_queue_size")) !== 2) await Bun.sleep(1);
    await daemon.loaded.engine.runFile(Buffer.from("go = true"), "spec.conf");
    await Promise.all(reports);
    expect(await sample(daemon, "trackalert_web_queue_size")).toBe(0);
  });

  test("counts runs of background functions by how they ended", async () => {
    await using daemon = await startDaemon(`${PREAMBLE}
      setBackground("good", function() end) setBackground("bad", function() error("no") end)
      intervalScheduleBackgroundFunc("00:00:01", "good") intervalScheduleBackgroundFunc("00:00:01", "bad")`);
    const runs = (name: string, status: string): Promise<number | undefined> =>
      sample(daemon, `trackalert_background_runs_total{name="${name}",status="${status}"}`);
    expect([await runs("good", "ok"), await runs("bad", "error")]).toEqual([0, 0]);
    while (!((await runs("good", "ok"))! > 0 && (await runs("bad", "error"))! > 0)) await Bun.sleep(10);
    expect([await runs("good", "error"), await runs("bad", "ok")]).toEqual([0, 0]);
  });

  test("says when the GeoIP databases were built", async () => {
    const file = `${import.meta.dir}/../../fixtures/geoip/GeoIP2-City-Test.mmdb`;
    await using daemon = await startDaemon(`${PREAMBLE} newGeoIP2DB("City", "${file}")`);
    const { built } = daemon.loaded.engine.geoip.get("City")!;
    expect(await sample(daemon, 'trackalert_geoip_build_time_seconds{database="City"}')).toBe(built.getTime() / 1000);
  });

  test("is sent compressed to who asks for that", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const fetchRaw = (encoding: string): Promise<Response> =>
      fetch(daemon.url("/metrics"), { headers: { ...AUTHORIZATION, "accept-encoding": encoding }, decompress: false });
    const compressed = await fetchRaw("gzip");
    expect(compressed.headers.get("content-encoding")).toBe("gzip");
    const text = Buffer.from(Bun.gunzipSync((await compressed.bytes()) as Uint8Array<ArrayBuffer>)).toString();
    const plain = await fetchRaw("gzip;q=0");
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(text.split("\n")).toHaveLength((await plain.text()).split("\n").length);
  });
});
