/** Requests: each passes the ACL, finds its route, shows its password, and is answered. */
import { Level } from "../log/log.ts";
import { Connections } from "../stats/connections.ts";
import type { Ongoing } from "../time/ongoing.ts";
import { Access } from "./access.ts";
import * as answers from "./answers.ts";
import { type CommandContext, Commands } from "./commands.ts";
import { IDLE_TIMEOUT, Listeners } from "./listeners.ts";
import { routeOf } from "./route.ts";

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
    const { clock, flood, metrics } = this.context;
    const arrived = clock.monotonic();
    const peer = server.requestIP(request)?.address ?? "";
    if (!this.access.admits(peer)) {
      metrics.aclDenied.increment();
      flood.write(Level.warning, `request of ${peer}, which is not in the ACL`, "acl");
      return answers.notInAcl(peer);
    }
    const path = routeOf(request.url);
    const route = this.commands.find(request.method, path);
    if (!route) return answers.notFound();
    if (route.needsPassword && !this.access.authorizes(request.headers.get("authorization"))) {
      flood.write(Level.warning, `unauthorized request for ${path} from ${peer}`, `http ${peer}`);
      return answers.unauthorized();
    }
    if (route.refuse && this.commands.full) {
      metrics.refusedRequests.increment();
      return route.refuse();
    }
    route.calls?.add(arrived);
    const wait = async <T>(running: Promise<T>): Promise<T> => {
      server.timeout(request, 0);
      try {
        return await running;
      } finally {
        server.timeout(request, IDLE_TIMEOUT);
      }
    };
    return route.answer(request, { peer, arrived, wait });
  }

  private unexpected(error: Error): Response {
    // The peer went away in the middle of its request: nobody to answer.
    if (error.name !== "AbortError") this.context.log.error(`internal error: ${error.stack ?? error.message}`);
    return answers.failure(500, "Internal error");
  }
}
