/** The sockets that HTTP comes in by: opened, closed, and given new certificates without a restart. */
import type { Clock } from "../clock.ts";
import { formatListener, type HttpListener } from "../config.ts";
import type { Log } from "../log.ts";
import { dateProblem, readCredentials, type Tls } from "../tls.ts";

/** Seconds that a connection may idle, and about as many for a request to arrive: bytes that trickle in do not count. */
export const IDLE_TIMEOUT = 30;

type Server = Bun.Server<undefined>;

/** Who answers requests. */
interface Handlers {
  fetch: (request: Request, server: Server) => Response | Promise<Response>;
  error: (error: Error) => Response;
}

export class Listeners {
  private readonly open: { listener: HttpListener; server: Server }[] = [];
  /** No longer listening, until what they have in flight is answered. */
  private readonly leaving = new Set<Server>();

  constructor(
    private readonly handlers: Handlers,
    private readonly ports: { clock: Clock; log: Log },
    private readonly idleTimeout = IDLE_TIMEOUT,
  ) {}

  /** Requests that are being answered. */
  get inFlight(): number {
    let total = 0;
    for (const { server } of this.open) total += server.pendingRequests;
    for (const server of this.leaving) total += server.pendingRequests;
    return total;
  }

  /** What is listened on, with the real port where 0 was asked for. */
  get addresses(): HttpListener[] {
    return this.open.map(({ listener }) => listener);
  }

  /** @throws {Error} when the address cannot be bound, with the reason */
  listen(listener: HttpListener): void {
    if (listener.tls) this.warnOfDates(listener.tls);
    const server = this.serve(listener);
    this.open.push({ listener: { ...listener, port: server.port! }, server });
  }

  /**
   * Reads certificates and keys anew. Listeners whose files have changed are closed and opened again with the new ones:
   * Bun cannot swap them. Requests in flight are answered; a connection that comes in just then may be refused. Where the
   * new files cannot be used the old ones stay.
   */
  reloadCertificates(): void {
    for (const entry of this.open) {
      const { tls } = entry.listener;
      if (!tls) continue;
      const address = formatListener(entry.listener);
      try {
        const credentials = readCredentials(tls.files);
        const renewed = { ...tls, credentials };
        this.warnOfDates(renewed);
        if (credentials.cert === tls.credentials.cert && credentials.key === tls.credentials.key) continue;
        const listener = { ...entry.listener, tls: renewed };
        this.leave(entry.server);
        entry.server = this.serve(listener);
        entry.listener = listener;
        this.ports.log.notice(`new certificate on ${address}`);
      } catch (error) {
        this.ports.log.error(`certificate of ${address} not reloaded: ${(error as Error).message}`);
      }
    }
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
    return [...this.open.map(({ server }) => server), ...this.leaving];
  }

  private leave(server: Server): void {
    this.leaving.add(server);
    void server.stop().then(() => this.leaving.delete(server));
  }

  private serve(listener: HttpListener): Server {
    const { hostname, port, tls } = listener;
    try {
      return Bun.serve({
        hostname,
        port,
        // Else Bun shares the port with another daemon that has it, and each gets a part of the reports.
        reusePort: false,
        idleTimeout: this.idleTimeout,
        development: false,
        // Bodies are bounded where they are read, so that the answer can say so.
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        ...(tls ? { tls: { ...tls.options, cert: tls.credentials.cert, key: tls.credentials.key } } : {}),
        ...this.handlers,
      });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Error(`cannot listen on ${formatListener(listener)}: ${code ?? message}`);
    }
  }

  private warnOfDates(tls: Tls): void {
    const problem = dateProblem(tls, this.ports.clock.now());
    if (problem) this.ports.log.warn(problem);
  }
}
