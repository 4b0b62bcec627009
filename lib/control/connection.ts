/** One connection to the control socket: takes its chunks one after another, has each run, and sends the answer. */
import type { LogFlood } from "../log/log-flood.ts";
import { Level, type Log } from "../log/log.ts";
import { formatListener } from "../net/listener.ts";
import { type ByteString, toByteString } from "../text/byte-string.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import { Outbox } from "./outbox.ts";
import { type ControlSession, cutToMessage, LARGEST_FRAME } from "./session.ts";

/** Milliseconds in which a peer has to finish what it has begun. */
const UNFINISHED_TIMEOUT = 10_000;

/** Milliseconds between two messages: an administrator may leave a console open. */
const IDLE_TIMEOUT = 3_600_000;

interface Phase {
  /** Milliseconds it may last. */
  timeout?: number;
  /** What is said of a peer that takes longer. */
  late?: string;
  /** What is said of a peer that goes away meanwhile; it may when this is not given. */
  gone?: string;
}

const AWAITS_NONCE: Phase = {
  timeout: UNFINISHED_TIMEOUT,
  late: "sent no nonce within 10 seconds",
  gone: "closed before it sent its nonce",
};
const AWAITS_MESSAGE: Phase = { timeout: IDLE_TIMEOUT, late: "sent nothing for an hour" };
const AWAITS_REST: Phase = {
  timeout: UNFINISHED_TIMEOUT,
  late: "did not finish a message within 10 seconds",
  gone: "closed in the middle of a message",
};
const RUNS: Phase = { gone: "closed while its chunk ran" };
const ANSWERS: Phase = {
  timeout: UNFINISHED_TIMEOUT,
  late: "did not take an answer within 10 seconds",
  gone: "closed before it took an answer",
};
const ENDED: Phase = {};

export interface ConnectionOptions {
  clock: Clock;
  log: Log;
  /** Told of peers that have not shown the key. */
  flood: LogFlood;
  /** Runs a chunk. @returns the answer; one that is longer than a message is cut */
  run: (chunk: ByteString) => ByteString | Promise<ByteString>;
}

/** The address of a peer for the log, which one that resets its connection at once has lost. */
export const peerOf = ({ remoteAddress, remotePort }: Partial<Bun.Socket<unknown>>): string =>
  remoteAddress && remotePort ? formatListener({ hostname: remoteAddress, port: remotePort }) : "a peer that has gone";

export class ControlConnection {
  private readonly peer: string;
  private readonly address: string | undefined;
  private readonly outbox: Outbox;
  private readonly end = Promise.withResolvers<void>();
  private phase: Phase | undefined;
  private cancel: CancelTimer = () => {};
  private greeted = false;
  private stopping = false;

  constructor(
    private readonly socket: Bun.Socket<unknown>,
    private readonly session: ControlSession,
    private readonly options: ConnectionOptions,
  ) {
    this.peer = peerOf(socket);
    this.address = (socket as Partial<typeof socket>).remoteAddress;
    this.outbox = new Outbox(socket);
    this.enter(AWAITS_NONCE);
  }

  /** Whether the peer has shown that it knows the key. */
  get trusted(): boolean {
    return this.session.received > 0;
  }

  /** To be called with what the socket receives. */
  receive(bytes: Uint8Array): void {
    this.session.push(bytes);
    this.proceed();
    // Whoever sends on while its chunk runs is not read until that has been answered.
    if (this.session.pending > LARGEST_FRAME) this.socket.pause();
  }

  /** To be called when the socket drains. */
  drain(): void {
    this.outbox.flush();
    this.proceed();
  }

  /** To be called when the socket has closed. */
  closed(): void {
    if (this.phase?.gone) this.complain(this.phase.gone);
    this.enter(ENDED);
    this.end.resolve();
  }

  /** Ends the connection, after the answer when a chunk runs. @returns when it has ended */
  stop(): Promise<void> {
    this.stopping = true;
    this.proceed();
    return this.end.promise;
  }

  /** Ends the connection of a peer, and says why. */
  refuse(reason: string): void {
    this.complain(reason);
    this.close();
  }

  /** Ends the connection, whatever it does. */
  cut(): void {
    this.enter(ENDED);
    this.socket.terminate();
  }

  /** Does what can be done now: everything that can change that ends here. */
  private proceed(): void {
    if (this.phase === RUNS || this.phase === ENDED) return;
    if (this.session.ready && !this.greeted) {
      this.greeted = true;
      this.outbox.send(this.session.nonce);
    }
    if (!this.outbox.empty) return this.enter(ANSWERS);
    if (this.stopping) return this.close();
    if (!this.greeted) return;
    let chunk;
    try {
      chunk = this.session.next();
    } catch (error) {
      return this.refuse((error as Error).message);
    }
    if (chunk !== undefined) return void this.answer(chunk);
    this.enter(this.session.pending > 0 ? AWAITS_REST : AWAITS_MESSAGE);
    this.socket.resume();
  }

  private async answer(chunk: ByteString): Promise<void> {
    const { log, run } = this.options;
    this.enter(RUNS);
    let answer;
    try {
      answer = await run(chunk);
    } catch (error) {
      log.error(`internal error: ${(error as Error).stack}`);
      answer = toByteString(`Error: internal error: ${(error as Error).message}`);
    }
    // Else the peer went away, or the connection was cut.
    if (this.phase !== RUNS) return;
    this.enter(ANSWERS);
    this.outbox.send(this.session.seal(cutToMessage(answer)));
    this.proceed();
  }

  /** Changes the phase, which has its time from now on; staying in one does not lengthen it. */
  private enter(phase: Phase): void {
    if (phase === this.phase) return;
    this.phase = phase;
    this.cancel();
    const { timeout, late } = phase;
    this.cancel = timeout ? this.options.clock.after(timeout, () => this.refuse(late!)) : () => {};
  }

  private close(): void {
    this.enter(ENDED);
    this.socket.end();
  }

  private complain(reason: string): void {
    const message = `control connection from ${this.peer}: ${reason}`;
    if (this.trusted) this.options.log.warn(message);
    else this.options.flood.write(Level.warning, message, `control ${this.address}`);
  }
}
