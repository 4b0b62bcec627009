/** The control socket: each connection that knows the key sends chunks of Lua and gets their answers. */
import { Level } from "../log/log.ts";
import { listenFailure } from "../net/listen-failure.ts";
import type { Listener } from "../net/listener.ts";
import { type ConnectionOptions, ControlConnection, peerOf } from "./connection.ts";
import { ControlSession } from "./session.ts";

/** Connections at the same time. Consoles are few; who holds this many open has no good reason. */
const MOST_CONNECTIONS = 1000;

interface ControlServerOptions extends ConnectionOptions {
  /** The 32 bytes under which a new connection must speak. */
  key: () => Uint8Array;
  /** 24 bytes for a new connection, random unless given. */
  nonce?: () => Uint8Array;
}

export class ControlServer {
  private readonly open = new Set<ControlConnection>();
  private asked: Listener | undefined;
  /** What is listened on again when the time has come. */
  private paused: Listener | undefined;
  private listener: Bun.TCPSocketListener<ControlConnection | undefined> | undefined;

  constructor(private readonly options: ControlServerOptions) {}

  /** Connections that are open. */
  get connections(): number {
    return this.open.size;
  }

  /** The address that is listened on, with the real port where 0 was asked for. */
  get address(): Listener | undefined {
    return this.listener ? { ...this.asked!, port: this.listener.port } : this.paused;
  }

  /** @throws {Error} when the address cannot be bound, with the reason */
  listen(listener: Listener): void {
    this.asked = listener;
    try {
      this.listener = Bun.listen<ControlConnection | undefined>({
        hostname: listener.hostname,
        port: listener.port,
        // Else another daemon may share the port, and each gets a part of the connections.
        exclusive: true,
        ...(listener.ipv6Only && { ipv6Only: true }),
        data: undefined,
        socket: {
          open: (socket) => this.accept(socket),
          data: ({ data: connection }, bytes) => connection?.receive(bytes),
          drain: ({ data: connection }) => connection?.drain(),
          close: ({ data: connection }) => this.forget(connection),
          error: (socket, error) => this.unexpected(socket, error),
        },
      });
    } catch (error) {
      throw listenFailure(listener, error);
    }
  }

  /** Closes the listener; connections stay. */
  pause(): void {
    this.paused = this.address;
    this.listener?.stop();
    this.listener = undefined;
  }

  /** Opens it again. @throws {Error} when the address cannot be bound, with the reason; to be tried again */
  resume(): void {
    if (!this.paused) return;
    this.listen(this.paused);
    this.paused = undefined;
  }

  /** Stops accepting and closes what is open. @returns when the chunks that run have been answered */
  async stop(): Promise<void> {
    this.listener?.stop();
    await Promise.all([...this.open].map((connection) => connection.stop()));
  }

  /** Stops accepting and closes all connections, whatever they wait for. */
  cut(): void {
    this.listener?.stop();
    for (const connection of this.open) connection.cut();
  }

  private accept(socket: Bun.Socket<ControlConnection | undefined>): void {
    const { key, nonce, flood } = this.options;
    if (this.open.size >= MOST_CONNECTIONS && !this.makeRoom()) {
      const message = `control connection from ${peerOf(socket)}: refused, ${MOST_CONNECTIONS} are open`;
      flood.write(Level.warning, message, `control ${socket.remoteAddress}`);
      socket.end();
      return;
    }
    const connection = new ControlConnection(socket, new ControlSession(key(), nonce?.()), this.options);
    socket.data = connection;
    this.open.add(connection);
  }

  /** Gives up the oldest connection that has not shown the key: who has none must not keep others out. */
  private makeRoom(): boolean {
    for (const connection of this.open) {
      if (connection.trusted) continue;
      connection.refuse(`closed for another one, ${MOST_CONNECTIONS} are open`);
      this.open.delete(connection);
      return true;
    }
    return false;
  }

  private forget(connection: ControlConnection | undefined): void {
    if (!connection) return;
    connection.closed();
    this.open.delete(connection);
  }

  private unexpected(socket: Bun.Socket<ControlConnection | undefined>, error: Error): void {
    this.options.log.error(`internal error: ${error.stack ?? error.message}`);
    socket.terminate();
  }
}
