import { expect, test } from "bun:test";

import type { ByteString } from "../../lib/text/byte-string.ts";
import { PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";

const LUA_MEMORY = 32 * 1024 ** 2;

/** `fill` takes all memory, to the last byte; `tidy` lets it go, for which it needs none. */
const POLICY = `${PREAMBLE} setReportTimeout(60)
  local function keep(size) kept = { kept, ("x"):rep(size) .. size } end
  local function fill() for size = 20, 0, -1 do while pcall(keep, 1 << size) do end end keep(1 << 20) end
  setReport(function(report)
    if report.login == "fill" then fill() end
    if report.login == "patient" then sleep(0.2) infoLog("patient") end
    if report.login == "last" then infoLog("last") end
  end)
  setBackground("greedy", function() local list = {} for i = 1, 1000 do list[i] = { i } end end)
  setBackground("tidy", function() if awaited then kept = nil end end)
  intervalScheduleBackgroundFunc("00:00:01", "greedy")
  intervalScheduleBackgroundFunc("00:00:01", "tidy")
  setCustomEndpoint("fill", fill)`;

const report = (daemon: TestDaemon, login: string): Promise<Response> => daemon.post("/?command=report", { login });

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(10);
}

test("a policy that fills Lua's memory fails where it needs more, and nobody else does", async () => {
  await using daemon = await startDaemon(POLICY, {}, undefined, LUA_MEMORY);
  const { metrics, engine } = daemon.loaded;
  const { luaErrors, backgroundRuns } = metrics;
  const execute = (chunk: string): Promise<ByteString> => daemon.daemon.execute(chunk as ByteString);
  const patient = report(daemon, "patient");
  expect((await report(daemon, "fill")).status).toBe(200);
  expect(luaErrors.get("report")).toBe(1);
  expect(daemon.logs).toContain("report function failed: not enough memory");

  // Each has no room for its tuple.
  for (let i = 0; i < 50; i++) expect((await report(daemon, "x".repeat(100_000))).status).toBe(200);
  expect(luaErrors.get("report")).toBe(51);
  expect((await daemon.post("/command/fill", {})).status).toBe(500);
  expect(await execute("return ('x'):rep(1e6)")).toStartWith("Error: not enough memory");
  expect((await patient).status).toBe(200);
  expect(daemon.logs).toContain("patient");
  await until(() => backgroundRuns.get("greedy", "error") > 0);
  expect(daemon.logs).toContain("background function greedy failed: not enough memory");
  expect(backgroundRuns.get("tidy", "error")).toBe(0);

  expect(daemon.logs.filter((line) => line.startsWith("Lua's values take "))).toHaveLength(1);
  expect(await (await daemon.get("/metrics")).text()).toContain("\ntrackalert_lua_memory_warnings_total 1\n");

  await execute("awaited = 1");
  await until(() => engine.state.usedMemory < LUA_MEMORY / 2);
  expect((await report(daemon, "last")).status).toBe(200);
  expect(daemon.logs).toContain("last");
}, 60_000);
