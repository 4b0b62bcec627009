/** Requests: each passes the ACL, finds its route, shows its password, and is answered. */
import { Connections } from "../stats/connections.ts";
import type { Ongoing } from "../time/ongoing.ts";
import { Access } from "./access.ts";
import * as answers from "./answers.ts";
import { type CommandContext, Commands } from "./commands.ts";
import { IDLE_TIMEOUT, Listeners } from "./listeners.ts";
import { routeOf } from "./route.ts";

/** Requests in flight unless setMaxWebserverConns() says otherwise. */
const MOST_IN_FLIGHT = 10_000;

export class HttpServer {
  readonly listeners: Listeners;
  private readonly access: Access;
  private readonly commands: Commands;

  constructor(private readonly context: CommandContext) {
    this.access = new Access(context.config);
    this.commands = new Commands(context);
    const fetch = (request: Request, bun: Bun.Server<undefined>): Response | Promise<Response> =>
      this.handle(request, bun);
    this.listeners = new Listeners({ fetch, error: (error) => this.unexpected(error) }, context);
    const ports = (): number[] => this.listeners.addresses.map(({ port }) => port);
    context.metrics.add(new Connections({ ports, instead: () => this.inFlight.count }));
  }

  /** What occupies the policy, until it has ended: a client that goes away does not end it. */
  get inFlight(): Ongoing {
    return this.commands.inFlight;
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
    if (route.refuse && this.inFlight.count >= (config.maxWebserverConns ?? MOST_IN_FLIGHT)) {
      metrics.refusedRequests.increment();
      return route.refuse();
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
