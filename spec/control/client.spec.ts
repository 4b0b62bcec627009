import { describe, expect, test } from "bun:test";

import { ControlClient } from "../../lib/control/client.ts";
import { ControlError, ControlSession, LARGEST_MESSAGE } from "../../lib/control/session.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { type RawPeer, startControl, startRawServer } from "../support/control.ts";
import { ANSWERS, CHUNKS, CLIENT_NONCE, KEY, SERVER_NONCE } from "../support/golden-control.ts";
import { closedPort } from "../support/web.ts";

const connect = (port: number, key = KEY): Promise<ControlClient> =>
  ControlClient.connect({ hostname: "127.0.0.1", port }, key, { clock: systemClock });

/** What a promise that must fail says. */
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "it did not fail",
    (error: Error) => (error instanceof ControlError ? error.message : `not a ControlError: ${error}`),
  );

const chunk = toByteString("stats()");

/** Takes the client's nonce, and sends a server's. */
async function greet(peer: RawPeer): Promise<void> {
  await peer.take(CLIENT_NONCE.length);
  peer.send(SERVER_NONCE);
}

test("the recorded session, each byte", async () => {
  const sent: Uint8Array[] = [];
  using server = await startRawServer(async (peer) => {
    sent.push(await peer.take(CLIENT_NONCE.length));
    peer.send(SERVER_NONCE);
    for (const [i, { frame }] of CHUNKS.entries()) {
      sent.push(await peer.take(frame.length));
      peer.send(ANSWERS[i]!.frame);
    }
  });
  const address = { hostname: "127.0.0.1", port: server.port };
  const client = await ControlClient.connect(address, KEY, { clock: systemClock, nonce: CLIENT_NONCE });
  for (const [i, { text }] of CHUNKS.entries()) expect(await client.execute(text)).toBe(ANSWERS[i]!.text);
  expect(Buffer.concat(sent)).toEqual(Buffer.concat([CLIENT_NONCE, ...CHUNKS.map(({ frame }) => frame)]));
  client.close();
});

describe("chunks", () => {
  test("get their own answers when they are sent together", async () => {
    using server = startControl((text) => `answer to ${text}` as ByteString);
    const client = await connect(server.port);
    const texts = Array.from({ length: 100 }, (_, i) => `chunk ${i}` as ByteString);
    const answers = await Promise.all(texts.map((text) => client.execute(text)));
    expect(answers).toEqual(texts.map((text) => `answer to ${text}` as ByteString));
    client.close();
  });

  test("of any bytes, up to the longest", async () => {
    using server = startControl((text) => text);
    const client = await connect(server.port);
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)) as ByteString;
    const longest = all.repeat(256).slice(0, LARGEST_MESSAGE) as ByteString;
    for (const text of ["" as ByteString, all, longest]) expect(await client.execute(text)).toBe(text);
    client.close();
  });

  test("that are too long are refused, and the connection goes on", async () => {
    using server = startControl((text) => text);
    const client = await connect(server.port);
    const long = "x".repeat(LARGEST_MESSAGE + 1) as ByteString;
    expect(await failure(client.execute(long))).toBe("a message of 65520 bytes is too long: the most is 65519");
    expect(await client.execute(chunk)).toBe(chunk);
    client.close();
  });
});

describe("says what went wrong, and where", () => {
  test("nobody listens", async () => {
    const port = await closedPort();
    expect(await failure(connect(port))).toBe(`127.0.0.1:${port} refused the connection: is the daemon running?`);
  });

  test("the host does not exist", async () => {
    const client = ControlClient.connect({ hostname: "nowhere.invalid", port: 4004 }, KEY, { clock: systemClock });
    expect(await failure(client)).toMatch(/^cannot connect to nowhere\.invalid:4004: E\w+$/);
  });

  test("it closes at once", async () => {
    using server = await startRawServer((peer) => peer.vanish());
    const said = `closed by 127.0.0.1:${server.port} before it sent its nonce: is it a control socket?`;
    expect(await failure(connect(server.port))).toBe(said);
  });

  test("it sends nothing", async () => {
    const greeting = Promise.withResolvers<void>();
    using server = await startRawServer(async (peer) => {
      await peer.take(CLIENT_NONCE.length);
      greeting.resolve();
    });
    const clock = new VirtualClock(0);
    const said = failure(ControlClient.connect({ hostname: "127.0.0.1", port: server.port }, KEY, { clock }));
    await greeting.promise;
    await clock.advanceTo(10_000);
    expect(await said).toBe(`127.0.0.1:${server.port} did not answer within 10 s: is it a control socket?`);
    expect(clock.pending).toBe(0);
  });

  test("the key is another", async () => {
    using server = startControl((text) => text);
    const client = await connect(server.port, Uint8Array.from(KEY).reverse());
    const said = `closed by 127.0.0.1:${server.port} before it answered: is the key the same, or has the daemon ended?`;
    expect(await failure(client.execute(chunk))).toBe(said);
    expect((await client.closed).message).toBe(said);
    expect(await failure(client.execute(chunk))).toBe(said);
  });

  test("the answer does not authenticate", async () => {
    using server = await startRawServer(async (peer) => {
      await greet(peer);
      await peer.take(1);
      peer.send(new Uint8Array(100).fill(17, 0, 2));
      peer.send(new Uint8Array(5000));
    });
    const client = await connect(server.port);
    expect(await failure(client.execute(chunk))).toBe(
      `the answer of 127.0.0.1:${server.port} cannot be read: message 1 does not authenticate: is the key the same, or has the daemon ended?`,
    );
  });

  test("it closes after an answer, with a chunk under way and without one", async () => {
    const session = new ControlSession(KEY);
    using server = await startRawServer(async (peer) => {
      session.push(await peer.take(CLIENT_NONCE.length));
      peer.send(session.nonce);
      await peer.take(2 + 16 + chunk.length);
      peer.send(session.seal(chunk));
      await peer.take(2 + 16 + chunk.length);
      peer.vanish();
    });
    const client = await connect(server.port);
    expect(await client.execute(chunk)).toBe(chunk);
    expect(await failure(client.execute(chunk))).toBe(`closed by 127.0.0.1:${server.port} before it answered`);

    using other = startControl((text) => text);
    const idle = await connect(other.port);
    await idle.execute(chunk);
    await other.server.stop();
    expect((await idle.closed).message).toBe(`closed by 127.0.0.1:${other.port}`);
  });

  test("a message that nobody asked for", async () => {
    const session = new ControlSession(KEY);
    using server = await startRawServer(async (peer) => {
      session.push(await peer.take(CLIENT_NONCE.length));
      peer.send(session.nonce);
      peer.send(session.seal(chunk));
    });
    const client = await connect(server.port);
    expect((await client.closed).message).toContain("message 1 was not asked for");
  });

  test("it was closed here", async () => {
    using server = startControl(() => new Promise<ByteString>(() => {}));
    const client = await connect(server.port);
    const said = failure(client.execute(chunk));
    client.close();
    expect(await said).toBe(`the connection to 127.0.0.1:${server.port} has been closed`);
  });
});
