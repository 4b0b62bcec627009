import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";

import { type ByteString, toByteString, toText } from "../../lib/byte-string.ts";
import { systemClock } from "../../lib/clock.ts";
import { ControlClient } from "../../lib/control/client.ts";
import { ControlServer } from "../../lib/control/server.ts";
import { ControlSession, LARGEST_MESSAGE } from "../../lib/control/session.ts";
import { Log } from "../../lib/log.ts";
import { RawPeer, startControl, type TestServer, until } from "../support/control.ts";
import { ANSWERS, CHUNKS, CLIENT_NONCE, KEY, SERVER_NONCE } from "../support/golden-control.ts";
import { Random } from "../support/random.ts";

const echo = (chunk: ByteString): ByteString => chunk;
const text = (string: string): ByteString => toByteString(string);

const connect = (port: number): Promise<ControlClient> =>
  ControlClient.connect({ hostname: "127.0.0.1", port }, KEY, { clock: systemClock });

/** A peer that has sent its nonce and has the server's. */
async function greeted(port: number, key = KEY): Promise<{ peer: RawPeer; session: ControlSession }> {
  const [peer, session] = [await RawPeer.connect(port), new ControlSession(key)];
  await peer.greet(session);
  return { peer, session };
}

/** The next answer that comes. */
async function answer(peer: RawPeer, session: ControlSession): Promise<ByteString> {
  for (let message; ; session.push(await peer.take(1))) {
    if ((message = session.next()) !== undefined) return message;
  }
}

/** The server has nothing left of anybody, and serves. */
async function expectServing({ server, port, clock }: TestServer): Promise<void> {
  await until(() => server.connections === 0);
  expect(clock.pending).toBe(0);
  const client = await connect(port);
  expect(await client.execute(text("ping"))).not.toBe(text(""));
  client.close();
  await until(() => server.connections === 0);
  expect(clock.pending).toBe(0);
}

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
    const other = await connect(control.port);
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
    const { peer, session } = await greeted(control.port);
    const chunks = Array.from({ length: 200 }, (_, i) => text(`${i} `.repeat(i)));
    peer.send(Buffer.concat(chunks.map((chunk) => session.seal(chunk))));
    for (const chunk of chunks) expect(await answer(peer, session)).toBe(chunk);
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
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(control.port)));
    const answers = await Promise.all(clients.map((client, i) => client.execute(text(`${i}`))));
    expect(answers).toEqual(clients.map((_, i) => text(`${i}!`)));
    for (const client of clients) client.close();
    await expectServing(control);
    expect(control.logs).toEqual([]);
  });

  test("a long answer cut, and what it says is missing", async () => {
    using control = startControl(() => text("ü".repeat(100_000)));
    const client = await connect(control.port);
    const [, kept, missing] = /^(ü+)\n\(cut: (\d+) bytes/.exec(toText(await client.execute(text("x"))))!;
    expect(2 * kept!.length + Number(missing)).toBe(200_000);
    client.close();
  });

  test("on when a chunk throws in the daemon", async () => {
    using control = startControl((chunk) => {
      if (chunk === "bad") throw new Error("it broke");
      return chunk;
    });
    const client = await connect(control.port);
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
    const second = new ControlServer({ clock, log: new Log({ sink: () => {} }), key: () => KEY, run: echo });
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
    const [busy, idle] = [await connect(control.port), await connect(control.port)];
    const answered = busy.execute(text("x"));
    await until(() => started);
    const stopped = control.server.stop();
    await idle.closed;
    expect(connect(control.port)).rejects.toThrow("refused the connection");
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
    const client = await connect(control.port);
    const answered = client.execute(text("x"));
    const stopped = control.server.stop();
    control.server.cut();
    await stopped;
    expect(answered).rejects.toThrow("before it answered");
    await client.closed;
    resolve(text("too late"));
    expect(control.server.connections).toBe(0);
    expect(control.clock.pending).toBe(0);
  });

  test("refuses a connection above the bound, and takes one again when another has gone", async () => {
    using control = startControl(echo);
    const peers = await Promise.all(Array.from({ length: 1000 }, () => RawPeer.connect(control.port)));
    await until(() => control.server.connections === 1000);
    const refused = await RawPeer.connect(control.port);
    await refused.closed.promise;
    expect(control.logs).toHaveLength(1);
    expect(control.logs[0]).toMatch(/^control connection from 127\.0\.0\.1:\d+: refused, 1000 are open$/);
    peers.pop()!.vanish();
    await until(() => control.server.connections === 999);
    const client = await connect(control.port);
    expect(await client.execute(text("x"))).toBe(text("x"));
    client.close();
    for (const peer of peers) peer.vanish();
    await expectServing(control);
  });
});

describe("a bad peer costs a log line and nothing else:", () => {
  /** What each does, until it vanishes or waits for the end; and what is said of it. */
  const kinds: Record<string, [said: RegExp, act: (port: number) => Promise<RawPeer>]> = {
    "goes away at once": [
      /closed before it sent its nonce/,
      async (port) => {
        const peer = await RawPeer.connect(port);
        peer.vanish();
        return peer;
      },
    ],
    "sends half a nonce and goes away": [
      /closed before it sent its nonce/,
      async (port) => {
        const peer = await RawPeer.connect(port);
        peer.socket.end(CLIENT_NONCE.subarray(12));
        return peer;
      },
    ],
    "goes away in the middle of a message": [
      /closed in the middle of a message/,
      async (port) => {
        const { peer, session } = await greeted(port);
        peer.socket.end(session.seal(text("stats()")).subarray(0, -1));
        return peer;
      },
    ],
    "goes away in the middle of a length": [
      /closed in the middle of a message/,
      async (port) => {
        const { peer } = await greeted(port);
        peer.socket.end(Uint8Array.of(0));
        return peer;
      },
    ],
    "has another key": [
      /message 1 does not authenticate/,
      async (port) => {
        const { peer, session } = await greeted(port, Uint8Array.from(KEY).reverse());
        peer.send(session.seal(text("stats()")));
        return peer;
      },
    ],
    "says a length of 0": [
      /message 1 has a length of 0 bytes, but the least is 16/,
      async (port) => {
        const { peer } = await greeted(port);
        peer.send(Uint8Array.of(0, 0));
        return peer;
      },
    ],
    "says a length of 15": [
      /message 1 has a length of 15 bytes, but the least is 16/,
      async (port) => {
        const { peer } = await greeted(port);
        peer.send(Uint8Array.of(0, 15));
        return peer;
      },
    ],
    "sends 65,535 zeros as a message": [
      /message 1 does not authenticate/,
      async (port) => {
        const { peer } = await greeted(port);
        peer.send(new Uint8Array(2 + 65_535).fill(255, 0, 2));
        return peer;
      },
    ],
    "sends a message twice": [
      /message 2 does not authenticate/,
      async (port) => {
        const { peer, session } = await greeted(port);
        const frame = session.seal(text("stats()"));
        peer.send(Buffer.concat([frame, frame]));
        expect(await answer(peer, session)).toBe(text("stats()"));
        return peer;
      },
    ],
    "sends garbage before its nonce": [
      /message 1 (does not authenticate|has a length of)/,
      async (port) => {
        const [peer, session] = [await RawPeer.connect(port), new ControlSession(KEY)];
        peer.send(new Uint8Array(100));
        peer.send(session.nonce);
        return peer;
      },
    ],
    "speaks HTTP": [
      /message 1 does not authenticate|closed in the middle/,
      async (port) => {
        const peer = await RawPeer.connect(port);
        peer.socket.end(`GET / HTTP/1.1\r\nhost: here\r\ncookie: ${"x".repeat(40_000)}\r\n\r\n`);
        return peer;
      },
    ],
    "sends 1 MB of random bytes": [
      /message 1 (does not authenticate|has a length of)/,
      async (port) => {
        const peer = await RawPeer.connect(port);
        peer.send(new Random(2026).bytes(1_000_000));
        return peer;
      },
    ],
  };

  for (const [name, [said, act]] of Object.entries(kinds)) {
    test(name, async () => {
      using control = startControl(echo);
      const peer = await act(control.port);
      await peer.closed.promise;
      await until(() => control.logs.length > 0);
      await expectServing(control);
      expect(control.logs).toHaveLength(1);
      expect(control.logs[0]).toMatch(/^control connection from 127\.0\.0\.1:\d+: /);
      expect(control.logs[0]).toMatch(said);
    });
  }

  test("a thousand of them, and no socket or timer is left", async () => {
    using control = startControl(echo);
    await expectServing(control);
    const sockets = (): number => readdirSync("/proc/self/fd").length;
    const before = sockets();
    const acts = Object.entries(kinds)
      .filter(([name]) => !name.startsWith("sends 1 MB"))
      .map(([, [, act]]) => act);
    for (let batch = 0; batch < 1000; batch += 50) {
      const peers = await Promise.all(
        Array.from({ length: 50 }, (_, i) => acts[(batch + i) % acts.length]!(control.port)),
      );
      await Promise.all(peers.map(({ closed }) => closed.promise));
    }
    await expectServing(control);
    expect(control.logs).toHaveLength(1000);
    await until(() => sockets() <= before);
  });
});

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
    const { peer } = await greeted(control.port);
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
    const client = await connect(control.port);
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
    const client = await connect(control.port);
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
    const { peer, session } = await greeted(control.port);
    peer.send(session.seal(text("x")));
    const [piece, pieces] = [Buffer.alloc(1 << 16), 1000];
    let sent = 0;
    const sendOn = (): boolean => sent === pieces || peer.socket.write(piece, () => void (sent++, sendOn()));
    sendOn();
    // The system's buffers fill up, and it stalls. If the server read on, all would go through.
    for (let before = -1; before !== sent; await Bun.sleep(50)) before = sent;
    expect(sent).toBeLessThan(pieces);
    resolve(text("done"));
    expect(await answer(peer, session)).toBe(text("done"));
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
    const { peer, session } = await greeted(control.port);
    const sizes = Array.from({ length: 100 }, (_, i) => LARGEST_MESSAGE - i);
    for (const size of sizes) peer.send(session.seal("x".repeat(size) as ByteString));
    resolve();
    for (const size of sizes) expect(await answer(peer, session)).toBe(text(`${size}`));
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
    const { peer, session } = await greeted(control.port);
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
    const { peer, session } = await greeted(control.port);
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
