/**
 * TCP connections to other servers, as a port: policies reach them through a {@link TcpNetwork}, so that a replay reaches
 * nobody. A connection is read by whoever asks: bytes that nobody has asked for stay with the peer, but for a few.
 */
import dns from "node:dns/promises";

import type { Clock } from "../time/clock.ts";
import { ByteQueue } from "./byte-queue.ts";

/** What is wrong, in LuaSocket's words where it has any. */
export class TcpFailure extends Error {
  override name = "TcpFailure";
}

export interface TcpNetwork {
  /**
   * @param host a name or an address
   * @param milliseconds until it is given up
   * @throws {TcpFailure}
   */
  connect(host: string, port: number, milliseconds: number): Promise<TcpConnection>;
  /**
   * The IPv4 addresses of a name, at least one.
   * @throws {TcpFailure}
   */
  lookup(host: string): Promise<string[]>;
}

/** Bytes that are read ahead of anybody's asking. */
const READ_AHEAD = 65_536;
/** Bytes that one call receives at most. */
const LARGEST = 10 * 1024 * 1024;
/** Milliseconds; the system's resolver may take its time. */
const LOOKUP_TIMEOUT = 30_000;

const LINE_FEED = 10;

/** What to receive: a line, so many bytes, or all until the peer has no more. */
export type Pattern = "line" | "all" | number;

/** Why a call did not do all that it should. */
type Problem = "closed" | "timeout" | "too long";

/** How long a call may take, in milliseconds. */
export interface Patience {
  /** For each piece of it, from the last one on. */
  each: number;
  /** In all. */
  total: number;
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "closed",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ETIMEDOUT: "timeout",
};

const reasonOf = ({ code, message }: NodeJS.ErrnoException): string => REASONS[code ?? ""] ?? message;

export const networkTcp = (clock: Clock): TcpNetwork => ({
  connect: (host, port, milliseconds) => TcpConnection.open({ host, port, milliseconds, clock }),
  lookup(host) {
    const { promise, resolve, reject } = Promise.withResolvers<string[]>();
    const cancel = clock.after(LOOKUP_TIMEOUT, () => reject(new TcpFailure("timeout")));
    dns
      .lookup(host, { all: true, family: 4 })
      .then((found) => resolve(found.map(({ address }) => address)))
      .catch((error: NodeJS.ErrnoException) => reject(new TcpFailure(reasonOf(error))))
      .finally(cancel);
    return promise;
  },
});

/** Nobody is reached: for configurations that are only read. */
export const unreachableTcp = (reason: string): TcpNetwork => ({
  connect: () => Promise.reject(new TcpFailure(reason)),
  lookup: () => Promise.reject(new TcpFailure(reason)),
});

interface Target {
  host: string;
  port: number;
  milliseconds: number;
  clock: Clock;
}

/** One connection. Its methods are called one at a time. */
export class TcpConnection {
  private readonly received = new ByteQueue();
  private readonly unsent = new ByteQueue();
  private socket: Bun.Socket<undefined> | undefined;
  /** The peer sends no more. */
  private ended = false;
  /** Nothing can be sent any more. */
  private broken = false;
  private paused = false;
  /** How many of the first bytes have been looked through for the end of a line. */
  private searched = 0;
  private changed: (() => void) | undefined;

  private constructor(private readonly clock: Clock) {}

  /** @throws {TcpFailure} */
  static open({ host, port, milliseconds, clock }: Target): Promise<TcpConnection> {
    const connection = new TcpConnection(clock);
    return new Promise((resolve, reject) => {
      let late = false;
      const fail = (reason: string): void => {
        late = true;
        cancel();
        reject(new TcpFailure(reason));
      };
      const cancel = clock.after(milliseconds, () => fail("timeout"));
      Bun.connect({
        hostname: host,
        port,
        allowHalfOpen: true,
        socket: {
          open(socket) {
            if (late) return socket.terminate();
            cancel();
            connection.socket = socket;
            resolve(connection);
          },
          data: (_, bytes) => connection.take(bytes),
          drain: () => connection.flush(),
          end: () => connection.end(),
          close: () => connection.lose(),
          error: () => connection.lose(),
        },
      }).catch((error: Error) => fail(reasonOf(error)));
    });
  }

  /** The peer's address and port, and our own; undefined once it is lost. */
  get peer(): [address: string, port: number] | undefined {
    return this.socket && [this.socket.remoteAddress, this.socket.remotePort];
  }

  get own(): [address: string, port: number] | undefined {
    return this.socket && [this.socket.localAddress, this.socket.localPort];
  }

  setNoDelay(on: boolean): void {
    this.socket?.setNoDelay(on);
  }

  setKeepAlive(on: boolean): void {
    this.socket?.setKeepAlive(on);
  }

  /** What is there already, if that is all that the pattern asks for. */
  receiveNow(pattern: Pattern): Buffer | undefined {
    const { received } = this;
    if (pattern === "all") {
      return this.ended && received.length > 0 ? this.remove(received.length) : undefined;
    }
    if (pattern !== "line") return received.length >= pattern ? this.remove(pattern) : undefined;
    const end = received.peek().indexOf(LINE_FEED, this.searched);
    this.searched = received.length;
    return end < 0 ? undefined : withoutReturns(this.remove(end + 1).subarray(0, end));
  }

  /** @returns the bytes; with a problem, those that came */
  async receive(pattern: Pattern, patience: Patience): Promise<{ bytes: Buffer; problem?: Problem }> {
    const begun = this.clock.monotonic();
    for (;;) {
      const bytes = this.receiveNow(pattern);
      if (bytes) return { bytes };
      if (this.ended) return { bytes: this.rest(pattern), problem: "closed" };
      if (this.received.length > LARGEST) return { bytes: this.rest(pattern), problem: "too long" };
      this.read(true);
      const left = patience.total - (this.clock.monotonic() - begun);
      if (!(await this.change(Math.min(patience.each, left)))) {
        return { bytes: this.rest(pattern), problem: "timeout" };
      }
    }
  }

  /** @returns how many bytes the system has taken, and why not all of them */
  async send(bytes: Uint8Array, patience: Patience): Promise<{ sent: number; problem?: Problem }> {
    const begun = this.clock.monotonic();
    this.unsent.push(bytes);
    this.flush();
    while (this.unsent.length > 0 && !this.broken) {
      const left = patience.total - (this.clock.monotonic() - begun);
      if (!(await this.change(Math.min(patience.each, left)))) return { sent: this.giveUp(bytes), problem: "timeout" };
    }
    return this.unsent.length > 0 || this.broken
      ? { sent: this.giveUp(bytes), problem: "closed" }
      : { sent: bytes.length };
  }

  /** Tells the peer that nothing follows, or takes nothing any more, or both. */
  shutdown(how: "both" | "send" | "receive"): void {
    if (how !== "receive") {
      this.broken = true;
      this.socket?.shutdown();
    }
    if (how !== "send") this.end();
  }

  close(): void {
    this.lose();
    this.socket?.end();
    this.socket = undefined;
  }

  private take(bytes: Uint8Array): void {
    this.received.push(bytes);
    if (!this.changed && this.received.length > READ_AHEAD) this.read(false);
    this.wake();
  }

  private flush(): void {
    if (this.unsent.length === 0 || this.broken) return;
    const sent = this.socket?.write(this.unsent.peek()) ?? -1;
    if (sent < 0) this.broken = true;
    else this.unsent.drop(sent);
    if (this.unsent.length === 0 || this.broken) this.wake();
  }

  private end(): void {
    this.ended = true;
    this.wake();
  }

  private lose(): void {
    this.broken = true;
    this.end();
  }

  /** Whether bytes are taken from the system; those that are not hold the peer up. */
  private read(on: boolean): void {
    if (on !== this.paused) return;
    this.paused = !on;
    if (on) this.socket?.resume();
    else this.socket?.pause();
  }

  /** Waits until something has happened. @returns false when nothing has, in the time given */
  private change(milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (happened: boolean): void => {
        cancel();
        this.changed = undefined;
        resolve(happened);
      };
      const cancel = this.clock.after(Math.max(milliseconds, 0), () => end(false));
      this.changed = () => end(true);
    });
  }

  private wake(): void {
    this.changed?.();
  }

  /** A copy, for the queue's bytes are overwritten. */
  private remove(count: number): Buffer {
    const bytes = Buffer.from(this.received.peek(count));
    this.received.drop(count);
    this.searched = 0;
    return bytes;
  }

  private rest(pattern: Pattern): Buffer {
    const bytes = this.remove(this.received.length);
    return pattern === "line" ? withoutReturns(bytes) : bytes;
  }

  private giveUp(bytes: Uint8Array): number {
    const left = this.unsent.length;
    this.unsent.drop(left);
    return bytes.length - left;
  }
}

/** As LuaSocket reads lines: carriage returns are no part of them, wherever they stand. */
const withoutReturns = (line: Buffer): Buffer =>
  line.includes(13) ? Buffer.from(line.filter((byte) => byte !== 13)) : line;
