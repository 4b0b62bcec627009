/** Control sockets for specs, and peers that send whatever they are told to. */
import { expect } from "bun:test";
import net from "node:net";

import { ControlClient } from "../../lib/control/client.ts";
import type { ConnectionOptions } from "../../lib/control/connection.ts";
import { ControlServer } from "../../lib/control/server.ts";
import { ControlSession } from "../../lib/control/session.ts";
import { LogFlood } from "../../lib/log/log-flood.ts";
import { Log } from "../../lib/log/log.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { KEY } from "./golden-control.ts";

export interface TestServer extends Disposable {
  server: ControlServer;
  clock: VirtualClock;
  logs: string[];
  port: number;
}

/** A control server with the golden key, on virtual time that begins at 0. */
export function startControl(run: ConnectionOptions["run"], nonce?: Uint8Array): TestServer {
  const logs: string[] = [];
  const clock = new VirtualClock(0);
  const log = new Log({ sink: (line) => logs.push(line) });
  // Its timers are no connection's.
  const flood = new LogFlood({ clock: new VirtualClock(0), log });
  const server = new ControlServer({ clock, log, flood, run, key: () => KEY, ...(nonce && { nonce: () => nonce }) });
  server.listen({ hostname: "127.0.0.1", port: 0 });
  return { server, clock, logs, port: server.address!.port, [Symbol.dispose]: () => server.cut() };
}

/** Waits for a condition that only others can bring about. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}

/** One end of a TCP connection, byte for byte. */
export class RawPeer {
  received: Buffer = Buffer.alloc(0);
  readonly closed = Promise.withResolvers<void>();

  constructor(readonly socket: net.Socket) {
    socket.on("data", (bytes: Buffer) => void (this.received = Buffer.concat([this.received, bytes])));
    socket.on("error", () => {});
    socket.on("close", () => this.closed.resolve());
  }

  static async connect(port: number): Promise<RawPeer> {
    const socket = net.connect(port, "127.0.0.1");
    const peer = new RawPeer(socket);
    await new Promise((resolve) => socket.once("connect", resolve));
    return peer;
  }

  /** Sends the session's nonce and waits for the server's. */
  async greet(session: ControlSession): Promise<void> {
    this.send(session.nonce);
    session.push(await this.take(session.nonce.length));
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next bytes that come. */
  async take(count: number): Promise<Uint8Array> {
    await until(() => this.received.length >= count);
    const taken = new Uint8Array(this.received.subarray(0, count));
    this.received = this.received.subarray(count);
    return taken;
  }

  /** Goes away without a word. */
  vanish(): void {
    this.socket.destroy();
  }
}

/** A server that does with each connection what it is told to. */
export async function startRawServer(
  serve: (peer: RawPeer) => void | Promise<void>,
): Promise<{ port: number } & Disposable> {
  const peers = new Set<RawPeer>();
  const server = net.createServer((socket) => {
    const peer = new RawPeer(socket);
    peers.add(peer);
    void serve(peer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    [Symbol.dispose]() {
      server.close();
      for (const peer of peers) peer.vanish();
    },
  };
}

/** A client that knows the key, on the system's time. */
export const connectClient = (port: number): Promise<ControlClient> =>
  ControlClient.connect({ hostname: "127.0.0.1", port }, KEY, { clock: systemClock });

/** A peer that has sent its nonce and has the server's. */
export async function connectGreeted(port: number, key = KEY): Promise<{ peer: RawPeer; session: ControlSession }> {
  const [peer, session] = [await RawPeer.connect(port), new ControlSession(key)];
  await peer.greet(session);
  return { peer, session };
}

/** The next answer that comes. */
export async function nextAnswer(peer: RawPeer, session: ControlSession): Promise<ByteString> {
  for (let message; ; session.push(await peer.take(1))) {
    if ((message = session.next()) !== undefined) return message;
  }
}

/** Waits until the server has nothing left of anybody, and sees that it serves. */
export async function expectServing(control: TestServer): Promise<void> {
  await expectNothingLeft(control);
  const client = await connectClient(control.port);
  expect(await client.execute(toByteString("ping"))).not.toBe(toByteString(""));
  client.close();
  await expectNothingLeft(control);
}

async function expectNothingLeft({ server, clock }: TestServer): Promise<void> {
  await until(() => server.connections === 0);
  expect(clock.pending).toBe(0);
}
