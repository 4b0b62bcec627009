/** The sockets that HTTP comes in by: opened, closed, and given new certificates without a restart. */
import type { Log } from "../log/log.ts";
import { listenFailure } from "../net/listen-failure.ts";
import { formatListener, type HttpListener } from "../net/listener.ts";
import { type Credentials, dateProblem, readCredentials } from "../net/tls.ts";
import type { Clock } from "../time/clock.ts";

/**
 * Seconds that a connection may idle between requests, and that a body may take: bytes that trickle in do not count. Bun
 * gives TLS's handshake and the header about 12 on its own.
 */
export const IDLE_TIMEOUT = 30;

/** What comes out of files, and may be another after a reload. */
const CONTENTS = ["cert", "key", "ca"] as const;

type Server = Bun.Server<undefined>;

/** Who answers requests. */
interface Handlers {
  fetch: (request: Request, server: Server) => Response | Promise<Response>;
  error: (error: Error) => Response;
}

interface Open {
  listener: HttpListener;
  /** Undefined without TLS. */
  credentials: Credentials | undefined;
  /** Undefined while paused. */
  server: Server | undefined;
}

export class Listeners {
  private readonly open: Open[] = [];
  /** No longer listening, until what they have in flight is answered. */
  private readonly leaving = new Set<Server>();

  constructor(
    private readonly handlers: Handlers,
    private readonly ports: { clock: Clock; log: Log },
    private readonly idleTimeout = IDLE_TIMEOUT,
  ) {}

  /** What is listened on, with the real port where 0 was asked for. */
  get addresses(): HttpListener[] {
    return this.open.map(({ listener }) => listener);
  }

  /** @throws {Error} when certificate and key cannot be used, or the address cannot be bound, with the reason */
  listen(listener: HttpListener): void {
    const credentials = this.readCredentials(listener);
    const server = this.serve(listener, credentials);
    this.open.push({ listener: { ...listener, port: server.port! }, credentials, server });
  }

  /**
   * Reads certificates and keys anew. Listeners whose files have changed are closed and opened again with the new ones:
   * Bun cannot swap them. Requests in flight are answered; a connection that comes in just then may be refused. Where the
   * new files cannot be used the old ones stay.
   * @returns how many listeners have a certificate, and how many of them have the one that is in its file
   */
  reloadCertificates(): { all: number; current: number } {
    const withTls = this.open.filter(({ listener }) => listener.tls);
    let current = 0;
    for (const entry of withTls) {
      const address = formatListener(entry.listener);
      try {
        const credentials = this.readCredentials(entry.listener);
        if (CONTENTS.some((name) => credentials?.[name] !== entry.credentials?.[name])) {
          this.serveAnew(entry, credentials);
          this.ports.log.notice(`new certificate on ${address}`);
        }
        current++;
      } catch (error) {
        this.ports.log.error(`certificate of ${address} not replaced: ${(error as Error).message}`);
      }
    }
    return { all: withTls.length, current };
  }

  /** Closes the listeners; connections stay, and what they have in flight is answered. */
  pause(): void {
    for (const entry of this.open) {
      if (entry.server) this.leave(entry.server);
      entry.server = undefined;
    }
  }

  /** Opens the listeners again. @throws {Error} when an address cannot be bound, with the reason; to be tried again */
  resume(): void {
    for (const entry of this.open) entry.server ??= this.serve(entry.listener, entry.credentials);
  }

  /** Stops accepting. @returns when what is in flight has been answered */
  async stop(): Promise<void> {
    await Promise.all(this.all().map((server) => server.stop()));
  }

  /** Closes all connections, whatever they wait for. */
  async cut(): Promise<void> {
    await Promise.all(this.all().map((server) => server.stop(true)));
  }

  private all(): Server[] {
    return [...this.open.flatMap(({ server }) => server ?? []), ...this.leaving];
  }

  private leave(server: Server): void {
    this.leaving.add(server);
    void server.stop().then(() => this.leaving.delete(server));
  }

  /** @throws {Error} when that fails; the old credentials are served again if possible */
  private serveAnew(entry: Open, credentials: Credentials | undefined): void {
    if (!entry.server) {
      entry.credentials = credentials;
      return;
    }
    this.leave(entry.server);
    try {
      entry.server = this.serve(entry.listener, credentials);
      entry.credentials = credentials;
    } catch (error) {
      entry.server = this.serve(entry.listener, entry.credentials);
      throw error;
    }
  }

  private serve(listener: HttpListener, credentials: Credentials | undefined): Server {
    const { hostname, port, tls } = listener;
    try {
      return Bun.serve({
        hostname,
        port,
        // Else Bun shares the port with another daemon that has it, and each gets a part of the reports.
        reusePort: false,
        ...(listener.ipv6Only && { ipv6Only: true }),
        idleTimeout: this.idleTimeout,
        development: false,
        // Bodies are bounded where they are read, so that the answer can say so.
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        ...(credentials && {
          tls: { ...tls?.options, cert: credentials.cert, key: credentials.key, ca: credentials.ca },
        }),
        ...this.handlers,
      });
    } catch (error) {
      throw listenFailure(listener, error);
    }
  }

  private readCredentials({ tls }: HttpListener): Credentials | undefined {
    if (!tls) return undefined;
    try {
      const credentials = readCredentials(tls.files);
      const problem = dateProblem(credentials, this.ports.clock.now());
      if (problem) this.ports.log.warn(problem);
      return credentials;
    } catch (error) {
      throw new Error(`${tls.where}${(error as Error).message}`);
    }
  }
}
