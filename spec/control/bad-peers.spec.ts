/** What peers that do not know the protocol or the key cost: a log line each, and nothing is left of them. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import net from "node:net";

import { peerOf } from "../../lib/control/connection.ts";
import { ControlSession } from "../../lib/control/session.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";
import { connectGreeted, expectServing, nextAnswer, RawPeer, startControl, until } from "../support/control.ts";
import { CLIENT_NONCE, KEY } from "../support/golden-control.ts";
import { Random } from "../support/random.ts";

const echo = (chunk: ByteString): ByteString => chunk;
const text = (string: string): ByteString => toByteString(string);

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
        const { peer, session } = await connectGreeted(port);
        peer.socket.end(session.seal(text("stats()")).subarray(0, -1));
        return peer;
      },
    ],
    "goes away in the middle of a length": [
      /closed in the middle of a message/,
      async (port) => {
        const { peer } = await connectGreeted(port);
        peer.socket.end(Uint8Array.of(0));
        return peer;
      },
    ],
    "has another key": [
      /message 1 does not authenticate/,
      async (port) => {
        const { peer, session } = await connectGreeted(port, Uint8Array.from(KEY).reverse());
        peer.send(session.seal(text("stats()")));
        return peer;
      },
    ],
    "says a length of 0": [
      /message 1 has a length of 0 bytes, but the least is 16/,
      async (port) => {
        const { peer } = await connectGreeted(port);
        peer.send(Uint8Array.of(0, 0));
        return peer;
      },
    ],
    "says a length of 15": [
      /message 1 has a length of 15 bytes, but the least is 16/,
      async (port) => {
        const { peer } = await connectGreeted(port);
        peer.send(Uint8Array.of(0, 15));
        return peer;
      },
    ],
    "sends 65,535 zeros as a message": [
      /message 1 does not authenticate/,
      async (port) => {
        const { peer } = await connectGreeted(port);
        peer.send(new Uint8Array(2 + 65_535).fill(255, 0, 2));
        return peer;
      },
    ],
    "sends a message twice": [
      /message 2 does not authenticate/,
      async (port) => {
        const { peer, session } = await connectGreeted(port);
        const frame = session.seal(text("stats()"));
        peer.send(Buffer.concat([frame, frame]));
        expect(await nextAnswer(peer, session)).toBe(text("stats()"));
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

  test("has lost its address by the time it is looked at: the log says so", () => {
    expect(peerOf({ remoteAddress: "::1", remotePort: 7 })).toBe("[::1]:7");
    expect(peerOf({})).toBe("a peer that has gone");
  });

  test("resets its connection at once", async () => {
    using control = startControl(echo);
    const peers = Array.from({ length: 200 }, () => {
      const socket = net.connect(control.port, "127.0.0.1");
      socket.once("connect", () => socket.resetAndDestroy());
      return new Promise<void>((resolve) => socket.once("close", () => resolve()));
    });
    await Promise.all(peers);
    await expectServing(control);
    // One address, or none any more.
    expect(control.logs.length).toBeWithin(1, 3);
    for (const line of control.logs)
      expect(line).toMatch(/^control connection from (127\.0\.0\.1:\d+|a peer that has gone): closed before it sent/);
  });

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
    // Those that had shown the key have a line each, the others one together.
    expect(control.logs.length).toBeLessThan(100);
    await until(() => sockets() <= before);
  });
});
