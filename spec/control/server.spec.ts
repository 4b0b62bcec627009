import { describe, expect, test } from "bun:test";

import { ControlServer } from "../../lib/control/server.ts";
import { LogFlood } from "../../lib/log/log-flood.ts";
import { Log } from "../../lib/log/log.ts";
import { type ByteString, toByteString, toText } from "../../lib/text/byte-string.ts";
import {
  connectClient,
  connectGreeted,
  expectServing,
  nextAnswer,
  RawPeer,
  startControl,
  until,
} from "../support/control.ts";
import { ANSWERS, CHUNKS, CLIENT_NONCE, KEY, SERVER_NONCE } from "../support/golden-control.ts";

const echo = (chunk: ByteString): ByteString => chunk;
const text = (string: string): ByteString => toByteString(string);

describe("serves", () => {
  test("the recorded session, each byte", async () => {
    const chunks: ByteString[] = [];
    using control = startControl((chunk) => ANSWERS[chunks.push(chunk) - 1]!.text, SERVER_NONCE);
    const peer = await RawPeer.connect(control.port);
    peer.send(CLIENT_NONCE);
    expect(await peer.take(SERVER_NONCE.length)).toEqual(SERVER_NONCE);
    for (const [i, { frame }] of CHUNKS.entries()) {
      peer.send(frame);
      expect(await peer.take(ANSWERS[i]!.frame.length)).toEqual(ANSWERS[i]!.frame);
    }
    expect(chunks).toEqual(CHUNKS.map(({ text }) => text));
    peer.vanish();
  });

  test("the recorded session in single bytes", async () => {
    let count = 0;
    using control = startControl(() => ANSWERS[count++]!.text, SERVER_NONCE);
    const peer = await RawPeer.connect(control.port);
    peer.socket.setNoDelay(true);
    for (const byte of Buffer.concat([CLIENT_NONCE, ...CHUNKS.map(({ frame }) => frame)])) {
      peer.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const expected = Buffer.concat([SERVER_NONCE, ...ANSWERS.map(({ frame }) => frame)]);
    expect(Buffer.from(await peer.take(expected.length))).toEqual(expected);
    peer.vanish();
  });

  test("reads the client's nonce before it sends its own", async () => {
    using control = startControl(echo);
    const peer = await RawPeer.connect(control.port);
    peer.send(CLIENT_NONCE.subarray(0, 23));
    const other = await connectClient(control.port);
    await other.execute(text("x"));
    expect(peer.received).toHaveLength(0);
    peer.send(CLIENT_NONCE.subarray(23));
    await peer.take(24);
    other.close();
    peer.vanish();
  });

  test("chunks of one connection one after another, in order, each answered once", async () => {
    let running = 0;
    let most = 0;
    using control = startControl(async (chunk) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return chunk;
    });
    const { peer, session } = await connectGreeted(control.port);
    const chunks = Array.from({ length: 200 }, (_, i) => text(`${i} `.repeat(i)));
    peer.send(Buffer.concat(chunks.map((chunk) => session.seal(chunk))));
    for (const chunk of chunks) expect(await nextAnswer(peer, session)).toBe(chunk);
    expect(most).toBe(1);
    expect(peer.received).toHaveLength(0);
    peer.vanish();
  });

  test("200 connections at the same time", async () => {
    const all = Promise.withResolvers<void>();
    let running = 0;
    using control = startControl(async (chunk) => {
      if (++running === 200) all.resolve();
      await all.promise;
      return text(`${toText(chunk)}!`);
    });
    const clients = await Promise.all(Array.from({ length: 200 }, () => connectClient(control.port)));
    const answers = await Promise.all(clients.map((client, i) => client.execute(text(`${i}`))));
    expect(answers).toEqual(clients.map((_, i) => text(`${i}!`)));
    for (const client of clients) client.close();
    await expectServing(control);
    expect(control.logs).toEqual([]);
  });

  test("a long answer cut, and what it says is missing", async () => {
    using control = startControl(() => text("ü".repeat(100_000)));
    const client = await connectClient(control.port);
    const [, kept, missing] = /^(ü+)\n\(cut: (\d+) bytes/.exec(toText(await client.execute(text("x"))))!;
    expect(2 * kept!.length + Number(missing)).toBe(200_000);
    client.close();
  });

  test("on when a chunk throws in the daemon", async () => {
    using control = startControl((chunk) => {
      if (chunk === "bad") throw new Error("it broke");
      return chunk;
    });
    const client = await connectClient(control.port);
    expect(await client.execute(text("bad"))).toBe(text("Error: internal error: it broke"));
    expect(await client.execute(text("good"))).toBe(text("good"));
    expect(control.logs).toHaveLength(1);
    expect(control.logs[0]).toStartWith("internal error: Error: it broke");
    client.close();
  });
});

describe("listening", () => {
  test("fails when the port is taken", () => {
    using control = startControl(echo);
    const { clock, port } = control;
    const log = new Log({ sink: () => {} });
    const second = new ControlServer({ clock, log, flood: new LogFlood({ clock, log }), key: () => KEY, run: echo });
    const said = `cannot listen on 127.0.0.1:${port}: EADDRINUSE`;
    expect(() => second.listen({ hostname: "127.0.0.1", port })).toThrow(said);
    expect(second.address).toBeUndefined();
  });

  test("stops: what runs is answered, what idles is closed, nobody new comes in", async () => {
    const { promise, resolve } = Promise.withResolvers<ByteString>();
    let started = false;
    using control = startControl(() => {
      started = true;
      return promise;
    });
    const [busy, idle] = [await connectClient(control.port), await connectClient(control.port)];
    const answered = busy.execute(text("x"));
    await until(() => started);
    const stopped = control.server.stop();
    await idle.closed;
    await expect(connectClient(control.port)).rejects.toThrow("refused the connection");
    expect(control.server.connections).toBe(1);
    resolve(text("done"));
    expect(await answered).toBe(text("done"));
    await stopped;
    await busy.closed;
    expect(control.server.connections).toBe(0);
    expect(control.clock.pending).toBe(0);
    expect(control.logs).toEqual([]);
  });

  test("is cut: nobody waits for what runs", async () => {
    const { promise, resolve } = Promise.withResolvers<ByteString>();
    using control = startControl(() => promise);
    const client = await connectClient(control.port);
    const answered = client.execute(text("x"));
    const stopped = control.server.stop();
    control.server.cut();
    await stopped;
    await expect(answered).rejects.toThrow("before it answered");
    await client.closed;
    resolve(text("too late"));
    expect(control.server.connections).toBe(0);
    expect(control.clock.pending).toBe(0);
  });

  test("peers without the key keep nobody out: above the bound the oldest of them makes room", async () => {
    using control = startControl(echo);
    const first = await RawPeer.connect(control.port);
    await until(() => control.server.connections === 1);
    const peers = await Promise.all(Array.from({ length: 999 }, () => RawPeer.connect(control.port)));
    await until(() => control.server.connections === 1000);
    const client = await connectClient(control.port);
    await first.closed.promise;
    expect(await client.execute(text("x"))).toBe(text("x"));
    expect(control.logs).toHaveLength(1);
    expect(control.logs[0]).toMatch(/^control connection from \S+: closed for another one, 1000 are open$/);
    client.close();
    for (const peer of peers) peer.vanish();
    await expectServing(control);
  });

  test("refuses a connection above a bound of peers that have the key, and takes one again when one has gone", async () => {
    using control = startControl(echo);
    const clients = await Promise.all(Array.from({ length: 1000 }, () => connectClient(control.port)));
    await Promise.all(clients.map((client) => client.execute(text("x"))));
    const refused = await RawPeer.connect(control.port);
    await refused.closed.promise;
    expect(control.logs).toHaveLength(1);
    expect(control.logs[0]).toMatch(/^control connection from \S+: refused, 1000 are open$/);
    clients.pop()!.close();
    await until(() => control.server.connections === 999);
    clients.push(await connectClient(control.port));
    expect(await clients.at(-1)!.execute(text("x"))).toBe(text("x"));
    for (const client of clients) client.close();
    await expectServing(control);
  });
});
