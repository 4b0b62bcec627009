/** What Prometheus itself says of /metrics. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { callEndpoint, PASSWORD, PREAMBLE, startDaemon, temporaryFolder, type TestDaemon } from "../support/daemon.ts";

const [PROMTOOL, PROMETHEUS] = [Bun.which("promtool"), Bun.which("prometheus")];
const unless = (tool: string | null, name: string): string => (tool ? "" : ` (not run: ${name} is not installed)`);

/** A daemon that has something of everything to show, with label values that must be escaped. */
async function startBusy(): Promise<TestDaemon> {
  const daemon = await startDaemon(`${PREAMBLE} addCustomStat("say \\"hi\\"\\n\\\\")
    setBackground("tick", function() end) intervalScheduleBackgroundFunc("01:00:00", "tick")
    setCustomEndpoint("ü{x=\\"y\\"}", function() return true, { ok = 1 } end)
    newGeoIP2DB("City", "${import.meta.dir}/../../fixtures/geoip/GeoIP2-City-Test.mmdb")
    setReport(function() error("no") end)`);
  for (const body of ["{}", "bad", '{"remote":"x"}']) await daemon.post("/command/report", body);
  await callEndpoint(daemon, encodeURIComponent('ü{x="y"}'));
  return daemon;
}

test.skipIf(!PROMTOOL)(`promtool finds nothing to say${unless(PROMTOOL, "promtool")}`, async () => {
  await using daemon = await startBusy();
  const text = await (await daemon.get("/metrics")).bytes();
  const check = Bun.spawn([PROMTOOL!, "check", "metrics"], { stdin: text, stdout: "pipe", stderr: "pipe" });
  const [code, output, errors] = await Promise.all([check.exited, check.stdout.text(), check.stderr.text()]);
  expect([code, output, errors]).toEqual([0, "", ""]);
});

test.skipIf(!PROMETHEUS)(
  `Prometheus scrapes the daemon${unless(PROMETHEUS, "prometheus")}`,
  async () => {
    await using daemon = await startBusy();
    using folder = temporaryFolder();
    const file = join(folder.path, "prometheus.yml");
    const target = new URL(daemon.url("/")).host;
    await Bun.write(
      file,
      JSON.stringify({
        scrape_configs: [
          {
            job_name: "trackalert",
            scrape_interval: "1s",
            static_configs: [{ targets: [target] }],
            basic_auth: { username: "any", password: PASSWORD },
          },
        ],
      }),
    );
    const data = `--storage.tsdb.path=${join(folder.path, "data")}`;
    const log = join(folder.path, "log");
    const prometheus = Bun.spawn([PROMETHEUS!, `--config.file=${file}`, data, "--web.listen-address=127.0.0.1:0"], {
      stdout: "ignore",
      stderr: Bun.file(log),
    });
    try {
      const address = await addressIn(log, prometheus);
      const query = async (expression: string): Promise<string | undefined> => {
        const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`);
        if (!response.ok) return undefined; // it is not ready yet
        const answer = (await response.json()) as { data?: { result: { value: [number, string] }[] } };
        return answer.data?.result[0]?.value[1];
      };
      while ((await query("up")) === undefined) await Bun.sleep(20);
      expect(await query("up")).toBe("1");
      expect(await query("trackalert_reports_total")).toBe("1");
      expect(await query('trackalert_lua_errors_total{function="report"}')).toBe("1");
      expect(await query('trackalert_custom_stats_total{metric="say \\"hi\\"\\n\\\\"}')).toBe("0");
      expect(await query('trackalert_commands_total{cmd="ü{x=\\"y\\"}"}')).toBe("1");
      expect(await query("trackalert_worker_queue_duration_seconds_count")).toBe("2");
    } finally {
      prometheus.kill();
      await prometheus.exited;
    }
  },
  30_000,
);

/** The address that Prometheus says in its log that it listens on. */
async function addressIn(log: string, prometheus: Bun.Subprocess): Promise<string> {
  while (true) {
    const text = existsSync(log) ? readFileSync(log, "utf8") : "";
    const address = /Listening on" address=(\S+)/.exec(text)?.[1];
    if (address) return address;
    if (prometheus.exitCode !== null) throw new Error(`Prometheus did not start: ${text}`);
    await Bun.sleep(20);
  }
}
