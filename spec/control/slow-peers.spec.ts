/** What peers that are slow, silent or gone cost. */
import { describe, expect, test } from "bun:test";

import { type ControlSession, LARGEST_MESSAGE } from "../../lib/control/session.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";
import {
  connectClient,
  connectGreeted,
  expectServing,
  nextAnswer,
  RawPeer,
  startControl,
  type TestServer,
  until,
} from "../support/control.ts";

const echo = (chunk: ByteString): ByteString => chunk;
const text = (string: string): ByteString => toByteString(string);

describe("time", () => {
  test("a peer that sends nothing is closed after 10 seconds", async () => {
    using control = startControl(echo);
    const peer = await RawPeer.connect(control.port);
    await until(() => control.server.connections === 1);
    await control.clock.advanceTo(9_999);
    expect(control.logs).toEqual([]);
    await control.clock.advanceTo(10_000);
    await peer.closed.promise;
    expect(control.logs[0]).toEndWith(": sent no nonce within 10 seconds");
    await expectServing(control);
    expect(control.logs).toHaveLength(1);
  });

  test("a byte now and then does not help", async () => {
    using control = startControl(echo);
    const { peer } = await connectGreeted(control.port);
    let seconds = 0;
    while (control.logs.length === 0) {
      peer.send(Uint8Array.of(1));
      await Bun.sleep(1);
      await control.clock.advanceTo(1000 * ++seconds);
    }
    await peer.closed.promise;
    expect(control.logs[0]).toEndWith(": did not finish a message within 10 seconds");
    await expectServing(control);
    expect(control.logs).toHaveLength(1);
  });

  test("a console may idle for an hour, counted from its last message", async () => {
    using control = startControl(echo);
    const client = await connectClient(control.port);
    await control.clock.advanceTo(3_599_999);
    expect(await client.execute(text("x"))).toBe(text("x"));
    await control.clock.advanceTo(2 * 3_599_999);
    expect(control.server.connections).toBe(1);
    await control.clock.advanceTo(2 * 3_600_000);
    await client.closed;
    expect(control.logs).toHaveLength(1);
    expect(control.logs[0]).toEndWith(": sent nothing for an hour");
    await expectServing(control);
  });

  test("a chunk may run for days", async () => {
    const { promise, resolve } = Promise.withResolvers<ByteString>();
    let started = false;
    using control = startControl(() => {
      started = true;
      return promise;
    });
    const client = await connectClient(control.port);
    const answered = client.execute(text("x"));
    await until(() => started);
    await control.clock.advanceTo(1e9);
    resolve(text("done"));
    expect(await answered).toBe(text("done"));
    client.close();
  });
});

describe("a peer that does not keep up", () => {
  test("is not read while its chunk runs", async () => {
    const { promise, resolve } = Promise.withResolvers<ByteString>();
    using control = startControl(() => promise);
    const { peer, session } = await connectGreeted(control.port);
    peer.send(session.seal(text("x")));
    const [piece, pieces] = [Buffer.alloc(1 << 16), 1000];
    let sent = 0;
    const sendOn = (): boolean => sent === pieces || peer.socket.write(piece, () => void (sent++, sendOn()));
    sendOn();
    // The system's buffers fill up, and it stalls. If the server read on, all would go through.
    for (let before = -1; before !== sent; await Bun.sleep(50)) before = sent;
    expect(sent).toBeLessThan(pieces);
    resolve(text("done"));
    expect(await nextAnswer(peer, session)).toBe(text("done"));
    await peer.closed.promise;
    expect(control.logs).toHaveLength(1);
    expect(control.logs[0]).toEndWith(": message 2 has a length of 0 bytes, but the least is 16");
    await expectServing(control);
  });

  test("is read again when its chunk has run", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using control = startControl(async (chunk) => {
      await promise;
      return text(`${chunk.length}`);
    });
    const { peer, session } = await connectGreeted(control.port);
    const sizes = Array.from({ length: 100 }, (_, i) => LARGEST_MESSAGE - i);
    for (const size of sizes) peer.send(session.seal("x".repeat(size) as ByteString));
    resolve();
    for (const size of sizes) expect(await nextAnswer(peer, session)).toBe(text(`${size}`));
    peer.vanish();
    await expectServing(control);
    expect(control.logs).toEqual([]);
  });

  const long = "x".repeat(LARGEST_MESSAGE) as ByteString;

  /** A peer that has asked for more than the system's buffers hold, and has not taken any of it. */
  async function startGreedy(): Promise<TestServer & { peer: RawPeer; session: ControlSession; ran: () => number }> {
    let ran = 0;
    const control = startControl((chunk) => {
      ran++;
      return chunk === "ping" ? chunk : long;
    });
    const { peer, session } = await connectGreeted(control.port);
    peer.socket.pause();
    peer.send(Buffer.concat(Array.from({ length: 1000 }, () => session.seal(text("x")))));
    await until(() => ran > 0);
    return { ...control, peer, session, ran: () => ran };
  }

  test("has no further chunk run until it has taken its answer, and gets every byte", async () => {
    using greedy = await startGreedy();
    expect(greedy.ran()).toBeLessThan(1000);
    greedy.peer.socket.resume();
    const size = 2 + 16 + LARGEST_MESSAGE;
    for (let i = 0; i < 100; i++) {
      greedy.session.push(await greedy.peer.take(size));
      expect(greedy.session.next()).toBe(long);
    }
    greedy.peer.vanish();
    await until(() => greedy.server.connections === 0);
  });

  test("is closed when it takes nothing for 10 seconds", async () => {
    using greedy = await startGreedy();
    await greedy.clock.advanceTo(10_000);
    expect(greedy.logs).toHaveLength(1);
    expect(greedy.logs[0]).toEndWith(": did not take an answer within 10 seconds");
    await expectServing(greedy);
    greedy.peer.vanish();
  });

  test("goes away in the middle of its answer", async () => {
    using greedy = await startGreedy();
    greedy.peer.vanish();
    await expectServing(greedy);
    expect(greedy.logs).toHaveLength(1);
    expect(greedy.logs[0]).toEndWith(": closed before it took an answer");
  });

  test("goes away while its chunk runs", async () => {
    const { promise, resolve } = Promise.withResolvers<ByteString>();
    let started = false;
    using control = startControl((chunk) => {
      if (chunk === "ping") return chunk;
      started = true;
      return promise;
    });
    const { peer, session } = await connectGreeted(control.port);
    peer.send(session.seal(text("x")));
    await until(() => started);
    peer.vanish();
    await until(() => control.server.connections === 0);
    resolve(text("too late"));
    await expectServing(control);
    expect(control.logs).toHaveLength(1);
    expect(control.logs[0]).toEndWith(": closed while its chunk ran");
  });
});
