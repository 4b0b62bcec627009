/** HTTP listeners: each request passes the ACL, finds its route, shows its password, and is answered. */
import type { Listener } from "../config.ts";
import { formatListener } from "../config.ts";
import { Connections } from "../stats/connections.ts";
import { Access } from "./access.ts";
import * as answers from "./answers.ts";
import { type CommandContext, Commands } from "./commands.ts";
import { routeOf } from "./route.ts";

/** Seconds without a byte after which a connection is closed, between requests and in the middle of one. */
const IDLE_TIMEOUT = 30;

export class HttpServer {
  private readonly servers: Bun.Server<undefined>[] = [];
  private readonly access: Access;
  private readonly commands: Commands;

  constructor(private readonly context: CommandContext) {
    this.access = new Access(context.config);
    this.commands = new Commands(context);
    const ports = (): number[] => this.addresses.map(({ port }) => port);
    context.metrics.add(new Connections({ ports, instead: () => this.inFlight }));
  }

  /** Requests that are being answered. */
  get inFlight(): number {
    let total = 0;
    for (const server of this.servers) total += server.pendingRequests;
    return total;
  }

  /** The addresses that are listened on, with the real port where 0 was asked for. */
  get addresses(): Listener[] {
    return this.servers.map(({ hostname, port }) => ({ hostname: hostname!, port: port! }));
  }

  /** @throws {Error} when the address cannot be bound, with the reason */
  listen(listener: Listener): void {
    try {
      const server = Bun.serve({
        hostname: listener.hostname,
        port: listener.port,
        // Else Bun shares the port with another daemon that has it, and each gets a part of the reports.
        reusePort: false,
        idleTimeout: IDLE_TIMEOUT,
        development: false,
        // Bodies are bounded where they are read, so that the answer can say so.
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        fetch: (request, bun) => this.handle(request, bun),
        error: (error) => this.unexpected(error),
      });
      this.servers.push(server);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Error(`cannot listen on ${formatListener(listener)}: ${code ?? message}`);
    }
  }

  /** Stops accepting. @returns when what is in flight has been answered */
  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** Closes all connections, whatever they wait for. */
  async cut(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop(true)));
  }

  private handle(request: Request, server: Bun.Server<undefined>): Response | Promise<Response> {
    const { clock, config, log, metrics } = this.context;
    const arrived = clock.monotonic();
    const peer = server.requestIP(request)?.address ?? "";
    if (!this.access.admits(peer)) return answers.notInAcl(peer);
    const path = routeOf(request.url);
    const route = this.commands.find(request.method, path);
    if (!route) return answers.notFound();
    if (route.needsPassword && !this.access.authorizes(request.headers.get("authorization"))) {
      log.warn(`unauthorized request for ${path} from ${peer}`);
      return answers.unauthorized();
    }
    if (this.inFlight > config.maxWebserverConns) {
      metrics.refusedRequests.increment();
      return answers.busy();
    }
    route.calls?.add(arrived);
    return route.answer(request, arrived, async (running) => {
      server.timeout(request, 0);
      try {
        return await running;
      } finally {
        server.timeout(request, IDLE_TIMEOUT);
      }
    });
  }

  private unexpected(error: Error): Response {
    // The peer went away in the middle of its request: nobody to answer.
    if (error.name !== "AbortError") this.context.log.error(`internal error: ${error.stack ?? error.message}`);
    return answers.failure(500, "Internal error");
  }
}
