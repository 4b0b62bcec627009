/** The console of a whole daemon, over its control socket. */
import { expect, test } from "bun:test";

import { ControlClient } from "../../lib/control/client.ts";
import { createKey, formatKey } from "../../lib/control/key.ts";
import { toByteString, toText } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";

const KEY = createKey();
const CONFIGURATION = `controlSocket("127.0.0.1:0") setKey("${formatKey(KEY)}")`;

const connect = ({ daemon }: TestDaemon, key = KEY): Promise<ControlClient> =>
  ControlClient.connect(daemon.controlAddress!, key, { clock: systemClock });

const execute = async (client: ControlClient, chunk: string): Promise<string> =>
  toText(await client.execute(toByteString(chunk)));

test("chunks and reports share one state, in which each chunk runs once", async () => {
  await using daemon = await startDaemon(
    `${PREAMBLE} ${CONFIGURATION} setReport(function(lt) seen = (seen or 0) + lt.t end)`,
  );
  const client = await connect(daemon);
  await execute(client, "seen = 40");
  await daemon.post("/command/report", { t: 2 });
  expect(await execute(client, "seen")).toBe("42");
  expect(await execute(client, "showACL() stats()")).toEndWith("1 reports\n");
  client.close();
});

test("an answer that is too long for a message is cut, and the session goes on", async () => {
  await using daemon = await startDaemon(CONFIGURATION);
  const client = await connect(daemon);
  const answer = await execute(client, "return ('ü'):rep(40000)");
  expect(Buffer.byteLength(answer)).toBeLessThanOrEqual(65_519);
  expect(answer).toMatch(/^ü+\n\(cut: \d+ bytes are missing, .*\)\n$/);
  expect(await execute(client, "1+1")).toBe("2");
  client.close();
});

test("a chunk that waits holds up neither other consoles nor reports", async () => {
  await using daemon = await startDaemon(`${PREAMBLE} ${CONFIGURATION}`);
  const [one, other] = [await connect(daemon), await connect(daemon)];
  const waiting = execute(one, "repeat sleep(0.001) until go; return 'gone'");
  const behind = execute(one, "'behind'");
  expect(await execute(other, "1")).toBe("1");
  expect((await daemon.post("/command/report", {})).status).toBe(200);
  await execute(other, "go = true");
  expect([await waiting, await behind]).toEqual(["gone", "behind"]);
  one.close();
  other.close();
});

test("shutdown() is answered before the daemon ends", async () => {
  await using daemon = await startDaemon(CONFIGURATION);
  const client = await connect(daemon);
  void daemon.loaded.shutdown.then(() => daemon.daemon.stop());
  expect(await execute(client, "print('bye') shutdown()")).toBe("bye\n");
  expect((await client.closed).message).toStartWith("closed by 127.0.0.1:");
});

test("another key is refused", async () => {
  await using daemon = await startDaemon(CONFIGURATION);
  const client = await connect(daemon, createKey());
  await expect(execute(client, "1")).rejects.toThrow(
    /before it answered: is the key the same, or has the daemon ended\?/,
  );
});

test.each([
  ["no key", `controlSocket("127.0.0.1:0")`, "controlSocket: there is no key: setKey() sets one"],
  ["a taken port", (port: number) => `controlSocket("127.0.0.1:${port}") setKey("${formatKey(KEY)}")`, "EADDRINUSE"],
])("%s ends the start", async (_, configuration, message) => {
  await using first = await startDaemon(CONFIGURATION);
  const text = typeof configuration === "string" ? configuration : configuration(first.daemon.controlAddress!.port);
  await expect(startDaemon(text)).rejects.toThrow(message);
});
