/** The routes and what each answers. */
import type { BUILT_IN_COMMANDS, Config } from "../config.ts";
import type { Log } from "../log/log.ts";
import { BodyError, type LoginTuple, type ParseDevice, readEndpointArgs, readLoginTuple } from "../login-tuple.ts";
import type { Engine } from "../lua/engine.ts";
import { endpointLabel, policyFailed } from "../lua/policy-failure.ts";
import type { Policy } from "../lua/policy.ts";
import type { Reference } from "../lua/state.ts";
import { type Cell, Gauge } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { Stats } from "../stats/stats.ts";
import type { Tally } from "../stats/tallies.ts";
import { type ByteString, fromBytes } from "../text/byte-string.ts";
import { JsonError, parseJson } from "../text/json.ts";
import type { Clock } from "../time/clock.ts";
import { Limit } from "../time/limit.ts";
import { Ongoing } from "../time/ongoing.ts";
import * as answers from "./answers.ts";
import { BodyTooLarge, readBody } from "./body.ts";
import { prefersGzip } from "./encoding.ts";
import { endOfTurn } from "./turn.ts";

interface Route {
  methods: readonly string[];
  needsPassword: boolean;
  /** Where its calls are counted, for a command. */
  calls?: Tally;
  /** The answer when too many requests are in flight. Probes have none: who watches the daemon must see that it is busy. */
  refuse?: () => Response;
  /** @param arrived when the request came, in milliseconds on the monotonic clock */
  answer(request: Request, arrived: number, wait: WaitForPolicy): Response | Promise<Response>;
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
  stats: Stats;
  parseDevice: ParseDevice;
  /** Given each report that is accepted, and its time of receipt in seconds since 1970, for `--record`. */
  record: ((body: ByteString, tuple: LoginTuple, receivedAt: number) => void) | undefined;
  /** Whether the daemon is up. */
  ready: () => boolean;
}

const GET = ["GET", "HEAD"];
const POST = ["POST"];
const COMMAND_PREFIX = "/command/";

/** The route table. Custom endpoints are looked up live: the console may add some. */
export class Commands {
  /** Reports and calls of custom endpoints. */
  readonly inFlight = new Ongoing();
  private readonly routes: Map<string, Route>;
  private readonly reports: Limit;
  private readonly received: Cell;

  constructor(private readonly context: CommandContext) {
    const { config, metrics, ready, stats } = context;
    this.reports = new Limit(() => config.reportTasks);
    this.received = metrics.reports.cell();
    // Shown from the start: a rate has nothing to say of the first one if it comes out of nowhere.
    for (const label of REFUSALS) metrics.rejectedReports.declare(label);
    metrics.add(
      new Gauge("trackalert_web_queue_size", "Requests that wait for their turn to run.", () => this.reports.waiting),
    );
    const timed = (answer: () => Response): Route["answer"] => {
      return (_request, arrived) => {
        const begun = stats.perf.begin(arrived);
        const response = answer();
        stats.perf.end(begun);
        return response;
      };
    };
    const probe = (answer: () => Response): Route => ({
      methods: ["GET"],
      needsPassword: false,
      answer: timed(answer),
    });
    const commands: Record<(typeof BUILT_IN_COMMANDS)[number], Route> = {
      report: { methods: POST, needsPassword: true, refuse: answers.busy, answer: this.report },
      stats: { methods: GET, needsPassword: true, refuse: answers.busy, answer: timed(() => this.stats()) },
      readyz: probe(() => (ready() ? answers.empty() : answers.failure(503, "Not ready"))),
      livez: probe(answers.empty),
    };
    for (const [name, route] of Object.entries(commands)) route.calls = stats.commands.of(name);
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
          answer: async ({ headers }) =>
            answers.metrics(await metrics.format(), prefersGzip(headers.get("accept-encoding"))),
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
    const answer: Route["answer"] = (...visit) => this.callEndpoint(name, endpoint, ...visit);
    const calls = this.context.stats.commands.of(name);
    return { methods: POST, needsPassword: true, calls, refuse: answers.endpointBusy, answer };
  }

  private readonly report: Route["answer"] = async (request, arrived, wait) => {
    const { clock, engine, parseDevice, policy, record, stats } = this.context;
    // Counted here and not around the promise of the answer: another promise would cost each report.
    this.inFlight.begin();
    try {
      let tuple;
      try {
        const bytes = await readBody(request);
        await endOfTurn();
        const body = fromBytes(bytes);
        const receivedAt = clock.now() / 1000;
        tuple = readLoginTuple(parseJson(body), receivedAt, parseDevice);
        record?.(body, tuple, receivedAt);
      } catch (error) {
        return this.refuseReport(error);
      }
      this.received.value++;
      const { report } = policy;
      let begun = arrived;
      try {
        const running = this.reports.run(() => {
          begun = stats.perf.begin(arrived);
          return report === undefined ? undefined : engine.runReport(report, tuple);
        });
        if (running) await wait(running);
      } catch (error) {
        policyFailed(this.context, "report", "report function", error);
      } finally {
        stats.perf.end(begun);
      }
      return answers.reportAccepted();
    } finally {
      this.inFlight.end();
    }
  };

  private refuseReport(error: unknown): Response {
    const { log, metrics } = this.context;
    const { label, status, reason, headers } = refusal(error);
    metrics.rejectedReports.increment(label);
    log.info(`report refused: ${reason}`);
    return answers.failure(status, reason, headers);
  }

  private async callEndpoint(
    name: string,
    endpoint: Reference,
    ...[request, arrived, wait]: Parameters<Route["answer"]>
  ): Promise<Response> {
    const { engine, stats } = this.context;
    this.inFlight.begin();
    try {
      let args;
      try {
        args = readEndpointArgs(parseJson(fromBytes(await readBody(request))));
      } catch (error) {
        const { status, reason, headers } = refusal(error);
        return answers.endpointFailure(status, reason, headers);
      }
      const begun = stats.perf.begin(arrived);
      try {
        const running = engine.runEndpoint(endpoint, args);
        const { success, attributes } = running instanceof Promise ? await wait(running) : running;
        return answers.json(JSON.stringify({ success, r_attrs: Object.fromEntries(attributes) }));
      } catch (error) {
        policyFailed(this.context, endpointLabel(name), `custom endpoint ${name}`, error);
        return answers.endpointFailure(500, (error as Error).message);
      } finally {
        stats.perf.end(begun);
      }
    } finally {
      this.inFlight.end();
    }
  }

  private stats(): Response {
    const { metrics, stats } = this.context;
    const cpu = process.cpuUsage();
    const answer = {
      reports: metrics.reports.get(),
      "user-msec": Math.round(cpu.user / 1000),
      "sys-msec": Math.round(cpu.system / 1000),
      uptime: stats.uptime,
      perfstats: Object.fromEntries(stats.perf.recent()),
      commandstats: Object.fromEntries(stats.commands.recent()),
      customstats: Object.fromEntries(stats.custom.recent()),
    };
    return answers.json(JSON.stringify(answer));
  }
}

/** Kinds for `trackalert_reports_rejected_total`. */
const REFUSALS = ["json", "field", "too_large"] as const;

interface Refusal {
  status: number;
  reason: string;
  label: (typeof REFUSALS)[number];
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
