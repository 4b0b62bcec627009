import { expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";

import { Level } from "../../lib/log/log.ts";
import { journalMark, StandardOutput, takesColours, terminalMark } from "../../lib/log/standard-output.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";

/** More than a socket's buffers hold, and just what may wait. */
const LONG = "x".repeat(4 * 1024 * 1024);
/** After this lines are dropped. */
const TOO_LONG = "x".repeat(16 * 1024 * 1024);

/** Two ends of a connection, of which one does not read. */
async function connection(): Promise<{ writer: Socket; reader: Socket } & AsyncDisposable> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  const accepted = new Promise<Socket>((resolve) => void server.once("connection", resolve));
  await new Promise((resolve) => void server.once("listening", resolve));
  const writer = connect((server.address() as { port: number }).port, "127.0.0.1");
  const reader = await accepted;
  return {
    writer,
    reader,
    async [Symbol.asyncDispose]() {
      for (const socket of [writer, reader]) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

test("a flush waits for a slow reader, who gets the last line", async () => {
  await using sockets = await connection();
  const output = new StandardOutput(new VirtualClock(0), undefined, sockets.writer);
  for (const line of [LONG, "last"]) output.write(line, Level.info);
  let flushed = false;
  const flush = output.flush().finally(() => (flushed = true));
  await Bun.sleep(0);
  expect(flushed).toBe(false);
  let received = "";
  sockets.reader.on("data", (data) => (received += data.toString())).resume();
  expect(await flush).toBe(0);
  while (!received.endsWith("last\n")) await Bun.sleep(1);
  expect(received.length).toBe(LONG.length + "\nlast\n".length);
});

test("a flush gives up after a second, and tells how many lines are lost, those dropped before too", async () => {
  await using sockets = await connection();
  const clock = new VirtualClock(0);
  const output = new StandardOutput(clock, undefined, sockets.writer);
  for (const line of [TOO_LONG, "dropped", "dropped too"]) output.write(line, Level.info);
  const flush = output.flush();
  await clock.advanceTo(1000);
  expect(await flush).toBe(3);
});

test("a flush has nothing to wait for when all has been taken", async () => {
  await using sockets = await connection();
  const clock = new VirtualClock(0);
  const output = new StandardOutput(clock, undefined, sockets.writer);
  expect(await output.flush()).toBe(0);
  sockets.reader.resume();
  output.write("line", Level.info);
  expect(await output.flush()).toBe(0);
  expect(clock.pending).toBe(0);
});

test("how much was dropped is said once there is room", async () => {
  await using sockets = await connection();
  const output = new StandardOutput(new VirtualClock(0), journalMark, sockets.writer);
  for (const line of [TOO_LONG, "dropped", "dropped too"]) output.write(line, Level.info);
  let received = "";
  sockets.reader.on("data", (data) => (received += data.toString())).resume();
  while (received.length < TOO_LONG.length + "<6>\n".length) await Bun.sleep(1);
  expect(await output.flush()).toBe(2);
  output.write("shown", Level.notice);
  const end = "x\n<4>2 log lines were dropped: standard output was not read\n<5>shown\n";
  while (!received.endsWith("shown\n")) await Bun.sleep(1);
  expect(received.slice(-end.length)).toBe(end);
});

test("a terminal gets the level in front, and what is urgent in colour where it takes colours", () => {
  const lines = (colours: boolean): string[] =>
    [Level.crit, Level.error, Level.warning, Level.notice, Level.info].map((level) => terminalMark(colours)(level));
  expect(lines(false)).toEqual(["crit: ", "error: ", "warning: ", "notice: ", "info: "]);
  expect(lines(true)).toEqual([
    "\x1b[31mcrit:\x1b[0m ",
    "\x1b[31merror:\x1b[0m ",
    "\x1b[33mwarning:\x1b[0m ",
    "notice: ",
    "info: ",
  ]);
});

test.each([
  [{}, true],
  [{ NO_COLOR: "" }, true],
  [{ NO_COLOR: "1" }, false],
  [{ TERM: "dumb" }, false],
  [{ TERM: "xterm" }, true],
])("colours with %j: %p", (environment, taken) => {
  expect(takesColours(environment)).toBe(taken);
});
