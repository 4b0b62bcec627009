/** The client's side of the control socket: sends chunks of Lua to a daemon and gives its answers. */
import { formatListener, type Listener } from "../net/listener.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { Limit } from "../time/limit.ts";
import { Outbox } from "./outbox.ts";
import { ControlError, ControlSession } from "./session.ts";

/** Milliseconds for the connection and the daemon's nonce. An answer may take as long as its chunk runs. */
const GREETING_TIMEOUT = 10_000;

interface ControlClientOptions {
  clock: Clock;
  /** 24 bytes, random unless given. */
  nonce?: Uint8Array;
}

export class ControlClient {
  private readonly address: string;
  private readonly session: ControlSession;
  private readonly turns = new Limit(() => 1);
  private readonly greeted = Promise.withResolvers<void>();
  private readonly end = Promise.withResolvers<ControlError>();
  private connection: { socket: Bun.Socket<unknown>; outbox: Outbox } | undefined;
  private answer: PromiseWithResolvers<ByteString> | undefined;
  private failure: ControlError | undefined;

  private constructor(listener: Listener, key: Uint8Array, nonce: Uint8Array | undefined) {
    this.address = formatListener(listener);
    this.session = new ControlSession(key, nonce);
  }

  /**
   * Connects to a daemon's control socket. Whether the key is right only its first answer shows.
   * @param key 32 bytes
   * @throws {ControlError} which says what went wrong, and where
   */
  static async connect(
    listener: Listener,
    key: Uint8Array,
    { clock, nonce }: ControlClientOptions,
  ): Promise<ControlClient> {
    const client = new ControlClient(listener, key, nonce);
    const tooLate = `${client.address} did not answer within ${GREETING_TIMEOUT / 1000} s: is it a control socket?`;
    const cancel = clock.after(GREETING_TIMEOUT, () => client.fail(tooLate));
    try {
      client.open(listener);
      await client.greeted.promise;
    } finally {
      cancel();
    }
    return client;
  }

  /** Resolves when the connection has ended, with the reason. */
  get closed(): Promise<ControlError> {
    return this.end.promise;
  }

  /**
   * Runs a chunk of Lua on the daemon. Chunks run one after another.
   * @returns what it answers, which begins with `Error: ` when the chunk failed
   * @throws {ControlError} when the chunk is longer than a message, or the connection ends before the answer
   */
  async execute(chunk: ByteString): Promise<ByteString> {
    return this.turns.run(() => this.exchange(chunk));
  }

  /** Ends the connection; what has not been answered fails. */
  close(): void {
    this.fail(`the connection to ${this.address} has been closed`);
  }

  private open({ hostname, port }: Listener): void {
    const socket: Bun.SocketHandler<unknown> = {
      open: (socket) => this.opened(socket),
      data: (_, bytes) => this.read(bytes),
      drain: () => this.connection?.outbox.flush(),
      close: () => this.fail(this.whyClosed()),
    };
    Bun.connect({ hostname, port, socket }).catch((error: Error) => this.fail(this.whyRefused(error)));
  }

  private opened(socket: Bun.Socket<unknown>): void {
    // It took too long, and nobody waits for it any more.
    if (this.failure) return socket.terminate();
    this.connection = { socket, outbox: new Outbox(socket) };
    this.connection.outbox.send(this.session.nonce);
  }

  private async exchange(chunk: ByteString): Promise<ByteString> {
    if (this.failure) throw this.failure;
    this.connection!.outbox.send(this.session.seal(chunk));
    this.answer = Promise.withResolvers();
    return this.answer.promise;
  }

  private read(bytes: Uint8Array): void {
    this.session.push(bytes);
    if (this.session.ready) this.greeted.resolve();
    try {
      for (let message; (message = this.session.next()) !== undefined;) this.take(message);
    } catch (error) {
      this.fail(`the answer of ${this.address} cannot be read: ${(error as Error).message}${this.hint()}`);
    }
  }

  private take(message: ByteString): void {
    if (!this.answer) throw new ControlError(`message ${this.session.received} was not asked for`);
    this.answer.resolve(message);
    this.answer = undefined;
  }

  /** Ends everything that waits, once. */
  private fail(reason: string): void {
    if (this.failure) return;
    this.failure = new ControlError(reason);
    this.greeted.reject(this.failure);
    this.answer?.reject(this.failure);
    this.end.resolve(this.failure);
    this.connection?.socket.end();
  }

  private whyRefused(error: NodeJS.ErrnoException): string {
    if (error.code === "ECONNREFUSED") return `${this.address} refused the connection: is the daemon running?`;
    return `cannot connect to ${this.address}: ${error.code ?? error.message}`;
  }

  private whyClosed(): string {
    if (!this.session.ready) return `closed by ${this.address} before it sent its nonce: is it a control socket?`;
    return this.answer ? `closed by ${this.address} before it answered${this.hint()}` : `closed by ${this.address}`;
  }

  /** A daemon tells by closing, and by nothing else, that a chunk did not authenticate. */
  private hint(): string {
    return this.session.received === 0 ? ": is the key the same, or has the daemon ended?" : "";
  }
}
