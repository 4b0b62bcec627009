import { describe, expect, test } from "bun:test";

import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { startRelay } from "../support/relay.ts";
import { runPolicy } from "../support/replay.ts";
import { START, startReceiver } from "../support/webhooks.ts";

const SUMMARY = `sendSummary{
  type = "daily_summary",
  message = "alerts: 3 spray\\nlogins: joe\\27[2J, @everyone\\n<!here> \`x\`",
  evidence = { alerts = { { value = "spray", count = 3 } }, from = newCA("192.0.2.1") },
}`;
const MESSAGE = "alerts: 3 spray\nlogins: joe\x1b[2J, @everyone\n<!here> `x`";

async function run({ loaded }: TestDaemon, chunk: string): Promise<string> {
  const output = await loaded.engine.runConsole(toByteString(chunk));
  await loaded.webhooks.drain();
  return output;
}

describe("sendSummary", () => {
  test("logs a line for each line, and is no alert", async () => {
    await using daemon = await startDaemon("");
    expect(await run(daemon, SUMMARY)).toBe("");
    expect(daemon.logs.filter((line) => line.includes("summary"))).toEqual([
      expect.stringMatching(/summary: alerts: 3 spray$/),
      expect.stringMatching(/summary: logins: joe\\x1b\[2J, @everyone$/),
      expect.stringMatching(/summary: <!here> `x`$/),
    ]);
    expect(await run(daemon, "showAlerts()")).not.toContain("daily_summary");
    expect(await daemon.loaded.metrics.format()).not.toContain("daily_summary");
  });

  test("goes to the channels that take it, whatever severities and types they let through", async () => {
    using taker = startReceiver();
    using other = startReceiver();
    await using daemon = await startDaemon(
      `addAlertChannel("a", { kind = "webhook", url = "${taker.url}", summary = true, min_severity = "critical", types = { "other" } })
       addAlertChannel("b", { kind = "webhook", url = "${other.url}", min_severity = "low" })
       addAlertChannel("d", { kind = "alertmanager", url = "${other.url}", min_severity = "low" })`,
      {},
      new VirtualClock(START),
    );
    await run(daemon, SUMMARY);
    await run(daemon, SUMMARY);
    expect(other.received).toEqual([]);
    const [first, second] = taker.received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    expect(first).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      type: "daily_summary",
      severity: "low",
      message: MESSAGE,
      evidence: { alerts: [{ value: "spray", count: 3 }], from: "192.0.2.1" },
      count: 1,
      first: "2026-11-22T12:00:00.000Z",
      last: "2026-11-22T12:00:00.000Z",
      host: expect.any(String),
      version: 1,
      summary: true,
    });
    // It does not cool.
    expect(second).toMatchObject({ message: MESSAGE });
    expect(second!.id).not.toBe(first!.id);
  });

  test("has lines in chats and mails, where it pings and links nothing", async () => {
    using chat = startReceiver();
    await using relay = await startRelay();
    await using daemon = await startDaemon(
      `addAlertChannel("s", { kind = "slack", url = "${chat.url}", summary = true })
       addAlertChannel("m", { kind = "mail", relay = "smtp://127.0.0.1:${relay.port}", from = "a@b.example", to = "c@d.example", summary = true })`,
    );
    await run(daemon, SUMMARY);
    const { text } = JSON.parse(chat.received[0]!.body) as { text: string };
    expect(text.split("\n").slice(0, 4)).toEqual([
      "*summary* `daily_summary`",
      "`alerts: 3 spray`",
      "`logins: joe\\x1b[2J, @\u200beveryone`",
      "`&lt;!here&gt; \u02cbx\u02cb`",
    ]);
    expect(relay.mails[0]!.text).toMatch(/^Subject: daily_summary of /m);
    expect(relay.mails[0]!.text).toContain(
      "\r\n\r\nalerts: 3 spray\r\nlogins: joe\\x1b[2J, @everyone\r\n<!here> `x`\r\n\r\ntype: daily_summary\r\n",
    );
  });

  test("is told by a replay, which sends nothing", async () => {
    using receiver = startReceiver();
    const policy = `addAlertChannel("a", { kind = "webhook", url = "${receiver.url}", summary = true })
      setReport(function() ${SUMMARY} end)`;
    const fixture = `reports: [{ at: +1m, login: joe, remote: 192.0.2.1 }]
expect: { no_alerts: [daily_summary] }
`;
    using replayed = await runPolicy(policy, fixture, { verbose: true });
    expect(replayed.code, replayed.output).toBe(0);
    expect(replayed.output).toMatch(/^ +\+1m  summary \{.*"type":"daily_summary".*\}$/m);
    expect(receiver.received).toEqual([]);
  });

  test.each([
    [`sendSummary()`, "bad argument #1 to 'sendSummary' (table expected, got no value)"],
    [`sendSummary("x")`, "bad argument #1 to 'sendSummary' (table expected, got string)"],
    [`sendSummary{ type = "x" }`, "message is missing"],
    [`sendSummary{ type = "x", message = "" }`, "message is missing"],
    [`sendSummary{ message = "x" }`, "type is missing"],
    [`sendSummary{ type = "a b", message = "x" }`, "type: letters, digits and _ expected, 64 at most"],
    [`sendSummary{ type = "x", message = {} }`, "message: string expected, got table"],
    [`sendSummary{ type = "x", message = ("x"):rep(16385) }`, "message: 16385 bytes, 16384 are sent"],
    [`sendSummary{ type = "x", message = "x", evidence = 1 }`, "evidence: table expected, got number"],
    [`sendSummary{ type = "x", message = "x", login = "joe" }`, `unknown field "login": there are type, message, evi`],
  ])("refuses %s", async (chunk, problem) => {
    await using daemon = await startDaemon("");
    expect(await run(daemon, chunk)).toContain(problem);
    expect(daemon.logs.filter((line) => line.includes("summary:"))).toEqual([]);
  });
});
