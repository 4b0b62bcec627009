/**
 * Datagrams to a Unix socket, which neither Bun nor node:net can send: by libc's own calls. They carry syslog lines and
 * what systemd is told.
 */
import { dlopen } from "bun:ffi";

import type { CancelTimer, Clock } from "../time/clock.ts";

/** From Linux's headers; on x86-64 and arm64 alike. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/** glibc's name, and musl's. */
const LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/** `i32` is C's int, `buffer` and `buffer_length` a pointer and the size of what it points to. */
const FUNCTIONS = {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "buffer", "buffer_length"], returns: "i32" },
  send: { args: ["i32", "buffer", "buffer_length", "i32"], returns: "i64" },
  close: { args: ["i32"], returns: "i32" },
} as const;

type LibC = ReturnType<typeof dlopen<typeof FUNCTIONS>>["symbols"];
let loaded: LibC | undefined;

/** Undefined where there is no such library. */
function libc(): LibC | undefined {
  if (process.platform !== "linux") return undefined;
  for (const name of loaded ? [] : LIBRARIES) {
    try {
      loaded = dlopen(name, FUNCTIONS).symbols;
      break;
    } catch {
      // The next name, or none.
    }
  }
  return loaded;
}

/** A sockaddr_un. The name of an abstract socket, written `@name`, begins with a NUL byte. */
function socketAddress(path: string): Uint8Array {
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  return Buffer.concat([new Uint8Array(new Uint16Array([AF_UNIX]).buffer), Buffer.from(name)]);
}

/** Characters that may wait for a receiver. */
const MOST_WAITING = 1024 * 1024;
/** Milliseconds between two attempts to send what waits: at first, and at most. Connecting is tried once in the latter. */
const SHORTEST_PAUSE = 5;
const LONGEST_PAUSE = 1000;

/**
 * Sends datagrams in order and never waits for the receiver. What a receiver that is slow or gone does not take is kept
 * within a bound and tried again, on a new connection, so that a receiver that was restarted gets it.
 */
export class UnixDatagrams {
  private socket: number | undefined;
  /** When it could not be connected, by the monotonic clock. */
  private failedAt = -Infinity;
  /** The receiver has been there once. */
  private reached = false;
  private readonly waiting: string[] = [];
  /** Characters of {@link waiting}. */
  private size = 0;
  private pause = SHORTEST_PAUSE;
  private cancelRetry: CancelTimer | undefined;

  /** @param path of the socket, or `@name` for an abstract one */
  constructor(
    private readonly path: string,
    private readonly clock: Clock,
  ) {}

  /** Nothing waits. */
  get idle(): boolean {
    return this.waiting.length === 0;
  }

  /** Connects unless that is done. False when there is no such socket, or no libc to ask. */
  open(): boolean {
    if (this.socket !== undefined) return true;
    if (this.clock.monotonic() - this.failedAt < LONGEST_PAUSE) return false;
    const c = libc();
    const address = socketAddress(this.path);
    const socket = c?.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) ?? -1;
    if (c?.connect(socket, address, address) === 0) {
      this.socket = socket;
      this.reached = true;
      return true;
    }
    if (socket >= 0) c?.close(socket);
    this.failedAt = this.clock.monotonic();
    return false;
  }

  /** @returns false when it is dropped: nothing has listened so far, or too much waits */
  send(text: string): boolean {
    if (this.idle && this.trySend(text)) return true;
    if (!this.reached || this.size + text.length > MOST_WAITING) return false;
    this.waiting.push(text);
    this.size += text.length;
    this.retryLater();
    return true;
  }

  /** Closes the connection; the next datagram opens another one. */
  reopen(): void {
    this.failedAt = -Infinity;
    if (this.socket !== undefined) libc()?.close(this.socket);
    this.socket = undefined;
  }

  /** Resolves when nothing waits, or when so many milliseconds have passed. */
  async drain(most: number): Promise<void> {
    const end = this.clock.monotonic() + most;
    while (!this.idle && this.clock.monotonic() < end) {
      await new Promise<void>((resolve) => void this.clock.after(SHORTEST_PAUSE, resolve));
    }
  }

  private trySend(text: string): boolean {
    if (!this.open()) return false;
    const bytes = Buffer.from(text);
    if (Number(libc()!.send(this.socket!, bytes, bytes, MSG_NOSIGNAL)) === bytes.length) return true;
    // The connection may be to a receiver that is gone: the next attempt takes a new one.
    this.reopen();
    return false;
  }

  private retryLater(): void {
    this.cancelRetry ??= this.clock.after(this.pause, () => {
      this.cancelRetry = undefined;
      this.sendWaiting();
    });
  }

  private sendWaiting(): void {
    let sent = 0;
    while (sent < this.waiting.length && this.trySend(this.waiting[sent]!)) this.size -= this.waiting[sent++]!.length;
    this.waiting.splice(0, sent);
    this.pause = sent > 0 ? SHORTEST_PAUSE : Math.min(2 * this.pause, LONGEST_PAUSE);
    if (!this.idle) this.retryLater();
  }
}
