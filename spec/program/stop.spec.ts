/** What a daemon does when it is stopped, on virtual time. */
import { describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { ControlClient } from "../../lib/control/client.ts";
import { createKey, formatKey } from "../../lib/control/key.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { AUTHORIZATION, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";

const START = Date.UTC(2026, 2, 1);
const SECOND = 1000;
const KEY = createKey();

interface Stopping {
  /** What has been logged since. */
  logs: () => string[];
  isOver: () => boolean;
  over: Promise<void>;
}

function stop({ daemon, logs }: TestDaemon): Stopping {
  const [before, stopped] = [logs.length, daemon.stop()];
  let over = false;
  return { logs: () => logs.slice(before), isOver: () => over, over: stopped.then(() => void (over = true)) };
}

/** A receiver of webhooks that answers once it is let. */
function receiver(): { url: string; answer: () => void } & Disposable {
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => promise.then(() => new Response()) });
  const url = `http://127.0.0.1:${server.port}/`;
  return { url, answer: resolve, [Symbol.dispose]: () => void server.stop(true) };
}

const REPORT = `POST /?command=report HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZATION.authorization}\r\n`;

describe("a stop", () => {
  test("of an idle daemon has nothing to say", async () => {
    await using daemon = await startDaemon(PREAMBLE, {}, new VirtualClock(START));
    const stopping = stop(daemon);
    await stopping.over;
    expect(stopping.logs()).toEqual([]);
  });

  test("waits for a report whose client has gone", async () => {
    const clock = new VirtualClock(START);
    await using daemon = await startDaemon(`${PREAMBLE} setReport(function() sleep(3) infoLog("done") end)`, {}, clock);
    const { hostname, port } = daemon.daemon.addresses[0]!;
    const socket = connect(port, hostname, () => void socket.write(`${REPORT}Content-Length: 2\r\n\r\n{}`));
    const { metrics } = daemon.loaded;
    while (metrics.reports.get() === 0) await Bun.sleep(1);
    socket.destroy();
    while (!(await metrics.format()).includes("trackalert_active_http_connections 0\n")) await Bun.sleep(1);
    const stopping = stop(daemon);
    await clock.advanceTo(START + 3 * SECOND - 1);
    expect([stopping.isOver(), stopping.logs()]).toEqual([false, ["waiting for 1 request"]]);
    await clock.advanceTo(START + 3 * SECOND);
    await stopping.over;
    expect(stopping.logs()).toEqual(["waiting for 1 request", "done"]);
  });

  test("cuts off what still runs after 10 s, and says what; webhooks have their time after that", async () => {
    const clock = new VirtualClock(START);
    using hook = receiver();
    await using daemon = await startDaemon(
      `${PREAMBLE} controlSocket("127.0.0.1:0") setKey("${formatKey(KEY)}")
      setReport(function() sleep(3600) infoLog("never") end)
      setBackground("slow", function() sleep(3600) infoLog("never") end)
      intervalScheduleBackgroundFunc("00:00:01", "slow")
      addCustomWebHook("hook", { url = "${hook.url}" }) setWebHookTimeoutSecs(3600)
      runCustomWebHook("hook", "{}")`,
      {},
      clock,
    );
    const requests = [1, 2].map(() => daemon.post("/?command=report", {}).catch(() => "cut"));
    while (daemon.loaded.metrics.reports.get() < 2) await Bun.sleep(1);
    await clock.advanceTo(START + SECOND);
    const console_ = await ControlClient.connect(daemon.daemon.controlAddress!, KEY, { clock: systemClock });
    const chunk = console_.execute(toByteString('infoLog("chunk") sleep(3600)')).catch(() => "cut");
    while (!daemon.logs.includes("chunk")) await Bun.sleep(1);
    const stopping = stop(daemon);
    const all = "2 requests, 1 background function and 1 console chunk";
    await clock.advanceTo(START + 11 * SECOND - 1);
    expect(stopping.logs()).toEqual(["waiting for 2 requests, 1 background function, 1 console chunk and 1 webhook"]);
    await clock.advanceTo(START + 11 * SECOND);
    expect(await Promise.all([...requests, chunk])).toEqual(["cut", "cut", "cut"]);
    expect(stopping.logs().slice(1)).toEqual([`cut off after 10 s: ${all}`]);
    await clock.advanceTo(START + 16 * SECOND - 1);
    expect(stopping.isOver()).toBe(false);
    hook.answer();
    await stopping.over;
    expect(stopping.logs().slice(2)).toEqual([]);
    const { webhooks, config } = daemon.loaded;
    expect(webhooks.counts(config.webhooks.hooks[0]!)).toEqual({ successes: 1, failures: 0 });
    await clock.advanceTo(START + 7200 * SECOND);
    expect(daemon.logs).not.toContain("never");
  });

  test("gives webhooks 5 s, and says how many were not delivered", async () => {
    const clock = new VirtualClock(START);
    using hook = receiver();
    await using daemon = await startDaemon(
      `${PREAMBLE} addCustomWebHook("hook", { url = "${hook.url}" }) setWebHookTimeoutSecs(3600)
      for i = 1, 2 do runCustomWebHook("hook", "{}") end`,
      {},
      clock,
    );
    const stopping = stop(daemon);
    await clock.advanceTo(START + 5 * SECOND - 1);
    expect([stopping.isOver(), stopping.logs()]).toEqual([false, ["waiting for 2 webhooks"]]);
    await clock.advanceTo(START + 5 * SECOND);
    await stopping.over;
    expect(stopping.logs()[1]).toBe("not delivered within 5 s: 2 webhooks");
  });

  test("is not held up by half a request, of which it says so", async () => {
    const clock = new VirtualClock(START);
    await using daemon = await startDaemon(PREAMBLE, {}, clock);
    const { hostname, port } = daemon.daemon.addresses[0]!;
    const socket = connect(port, hostname);
    socket.on("error", () => {});
    await new Promise<void>((written) => void socket.write(REPORT, () => written()));
    // What came before another connection has been read before that one is answered.
    for (let i = 0; i < 3; i++) expect((await daemon.get("/readyz", { connection: "close" })).status).toBe(200);
    const stopping = stop(daemon);
    await clock.advanceTo(START + SECOND);
    await stopping.over;
    expect(stopping.logs()).toEqual(["connections were cut: their peers did not finish a request or take an answer"]);
    socket.destroy();
  });

  test("waits for a request whose rest comes after it has begun", async () => {
    const clock = new VirtualClock(START);
    await using daemon = await startDaemon(`${PREAMBLE} setReport(function() sleep(3) infoLog("done") end)`, {}, clock);
    const { hostname, port } = daemon.daemon.addresses[0]!;
    const socket = connect(port, hostname);
    let answer = "";
    socket.on("data", (bytes) => void (answer += bytes.toString())).on("error", () => {});
    await new Promise<void>((written) => void socket.write(REPORT, () => written()));
    for (let i = 0; i < 3; i++) expect((await daemon.get("/readyz", { connection: "close" })).status).toBe(200);
    const stopping = stop(daemon);
    await clock.advanceTo(START + SECOND / 2);
    socket.write("Content-Length: 2\r\n\r\n{}");
    while (daemon.loaded.metrics.reports.get() === 0) await Bun.sleep(1);
    await clock.advanceTo(START + 3.5 * SECOND);
    await stopping.over;
    expect(stopping.logs()).toEqual(["done"]);
    expect(answer).toStartWith("HTTP/1.1 200 OK\r\n");
    socket.destroy();
  });

  test("counts a body that never comes as a request", async () => {
    const clock = new VirtualClock(START);
    await using daemon = await startDaemon(PREAMBLE, {}, clock);
    const { hostname, port } = daemon.daemon.addresses[0]!;
    const socket = connect(port, hostname, () => void socket.write(`${REPORT}Content-Length: 100\r\n\r\n{`));
    socket.on("error", () => {});
    const { stats } = daemon.loaded;
    while (!stats.commandsText().includes("report=1\n")) await Bun.sleep(1);
    const stopping = stop(daemon);
    await clock.advanceTo(START + 10 * SECOND);
    await stopping.over;
    expect(stopping.logs()).toEqual(["waiting for 1 request", "cut off after 10 s: 1 request"]);
    socket.destroy();
  });
});
