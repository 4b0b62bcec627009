/** The routes and what each answers. */
import { fromBytes } from "../byte-string.ts";
import type { Clock } from "../clock.ts";
import type { BUILT_IN_COMMANDS, Config, Policy } from "../config.ts";
import { JsonError, parseJson } from "../json.ts";
import { Limit } from "../limit.ts";
import type { Log } from "../log.ts";
import { BodyError, type ParseDevice, readEndpointArgs, readLoginTuple } from "../login-tuple.ts";
import type { Engine } from "../lua/engine.ts";
import type { Reference } from "../lua/state.ts";
import type { Metrics } from "../metrics.ts";
import { policyFailed } from "../policy-failure.ts";
import * as answers from "./answers.ts";
import { BodyTooLarge, readBody } from "./body.ts";
import { endOfTurn } from "./turn.ts";

interface Route {
  methods: readonly string[];
  needsPassword: boolean;
  answer(request: Request, wait: WaitForPolicy): Response | Promise<Response>;
}

/** Waits for a policy that is parked, during which the connection is not taken for idle. */
type WaitForPolicy = <T>(running: Promise<T>) => Promise<T>;

export interface CommandContext {
  config: Config;
  policy: Policy;
  engine: Engine;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  parseDevice: ParseDevice;
  /** Whether the daemon is up. */
  ready: () => boolean;
}

const GET = ["GET", "HEAD"];
const POST = ["POST"];
const COMMAND_PREFIX = "/command/";

/** The route table. Custom endpoints are looked up live: the console may add some. */
export class Commands {
  private readonly routes: Map<string, Route>;
  private readonly started: number;
  private readonly reports: Limit;

  constructor(private readonly context: CommandContext) {
    const { clock, config, metrics, ready } = context;
    this.started = clock.monotonic();
    this.reports = new Limit(() => config.reportTasks);
    const get = (answer: () => Response): Route => ({ methods: ["GET"], needsPassword: false, answer });
    const commands: Record<(typeof BUILT_IN_COMMANDS)[number], Route> = {
      report: { methods: POST, needsPassword: true, answer: this.report },
      stats: { methods: GET, needsPassword: true, answer: () => this.stats() },
      readyz: get(() => (ready() ? answers.empty() : answers.failure(503, "Not ready"))),
      livez: get(answers.empty),
    };
    this.routes = new Map<string, Route>([
      ...Object.entries(commands).map(([name, route]) => [COMMAND_PREFIX + name, route] as const),
      ["/readyz", commands.readyz],
      ["/livez", commands.livez],
      [
        "/metrics",
        {
          methods: ["GET"],
          get needsPassword() {
            return config.metricsNeedPassword;
          },
          answer: () => answers.metrics(metrics.format()),
        },
      ],
      // Reserved for the status page; who has no password need not know that there is none.
      ["/", { methods: ["GET"], needsPassword: true, answer: answers.notFound }],
    ]);
  }

  find(method: string, path: string): Route | undefined {
    const route = this.routes.get(path) ?? this.findEndpoint(path);
    return route?.methods.includes(method) ? route : undefined;
  }

  private findEndpoint(path: string): Route | undefined {
    if (!path.startsWith(COMMAND_PREFIX)) return undefined;
    const name = path.slice(COMMAND_PREFIX.length);
    const endpoint = this.context.policy.endpoints.get(name);
    if (endpoint === undefined) return undefined;
    const answer: Route["answer"] = (request, wait) => this.callEndpoint(name, endpoint, request, wait);
    return { methods: POST, needsPassword: true, answer };
  }

  private readonly report: Route["answer"] = async (request, wait) => {
    const { clock, engine, log, metrics, parseDevice, policy } = this.context;
    let tuple;
    try {
      const body = await readBody(request);
      await endOfTurn();
      tuple = readLoginTuple(parseJson(fromBytes(body)), clock.now() / 1000, parseDevice);
    } catch (error) {
      const refused = refusal(error);
      metrics.rejectedReports.increment(refused.label);
      log.info(`report refused: ${refused.reason}`);
      return answers.failure(refused.status, refused.reason, refused.headers);
    }
    metrics.reports.increment();
    const { report } = policy;
    if (report === undefined) return answers.reportAccepted();
    try {
      const running = this.reports.run(() => engine.runReport(report, tuple));
      if (running) await wait(running);
    } catch (error) {
      policyFailed(this.context, "report", "report function", error);
    }
    return answers.reportAccepted();
  };

  private async callEndpoint(
    name: string,
    endpoint: Reference,
    request: Request,
    wait: WaitForPolicy,
  ): Promise<Response> {
    let args;
    try {
      args = readEndpointArgs(parseJson(fromBytes(await readBody(request))));
    } catch (error) {
      const { status, reason, headers } = refusal(error);
      return answers.endpointFailure(status, reason, headers);
    }
    try {
      const running = this.context.engine.runEndpoint(endpoint, args);
      const { success, attributes } = running instanceof Promise ? await wait(running) : running;
      return answers.json(JSON.stringify({ success, r_attrs: Object.fromEntries(attributes) }));
    } catch (error) {
      policyFailed(this.context, name, `custom endpoint ${name}`, error);
      return answers.endpointFailure(500, (error as Error).message);
    }
  }

  private stats(): Response {
    const { clock, metrics } = this.context;
    const cpu = process.cpuUsage();
    const stats = {
      reports: metrics.reports.get(),
      "user-msec": Math.round(cpu.user / 1000),
      "sys-msec": Math.round(cpu.system / 1000),
      uptime: Math.floor((clock.monotonic() - this.started) / 1000),
    };
    return answers.json(JSON.stringify(stats));
  }
}

interface Refusal {
  status: number;
  reason: string;
  /** For `trackalert_reports_rejected_total`. */
  label: string;
  headers?: Record<string, string>;
}

/** @throws what is no fault of the body's, such as a connection that broke */
function refusal(error: unknown): Refusal {
  const { message } = error as Error;
  if (error instanceof JsonError) return { status: 400, reason: message, label: "json" };
  if (error instanceof BodyError) return { status: 400, reason: message, label: "field" };
  if (error instanceof BodyTooLarge) {
    return { status: 413, reason: message, label: "too_large", headers: { connection: "close" } };
  }
  throw error;
}
