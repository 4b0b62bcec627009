/** The routes and what each answers. */
import type { Alerts } from "../alerts/alerts.ts";
import type { BUILT_IN_COMMANDS, Config } from "../config.ts";
import type { LogFlood } from "../log/log-flood.ts";
import { formatFields, Level, type Log } from "../log/log.ts";
import {
  BodyError,
  fieldsOf,
  type LoginTuple,
  type ParseDevice,
  readEndpointArgs,
  readLoginTuple,
} from "../login-tuple.ts";
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
import { answerAlerts } from "./alerts.ts";
import * as answers from "./answers.ts";
import { type Announced, announced, BodyTooLarge, readBody } from "./body.ts";
import { ACCEPTED_CODINGS, CodingError, UnknownCoding } from "./content-coding.ts";
import { prefersGzip } from "./encoding.ts";
import { endOfTurn } from "./turn.ts";

interface Route {
  methods: readonly string[];
  needsPassword: boolean;
  /** Where its calls are counted, for a command. */
  calls?: Tally;
  /** The answer when too many requests are in flight. Probes have none: who watches the daemon must see that it is busy. */
  refuse?: () => Response;
  answer(request: Request, visit: Visit): Response | Promise<Response>;
}

/** What is known of a request besides itself. */
interface Visit {
  /** The address that it comes from. */
  peer: string;
  /** When it came, in milliseconds on the monotonic clock. */
  arrived: number;
  /** Waits for a policy that is parked, during which the connection is not taken for idle. */
  wait: <T>(running: Promise<T>) => Promise<T>;
}

export interface CommandContext {
  config: Config;
  policy: Policy;
  engine: Engine;
  alerts: Alerts;
  clock: Clock;
  log: Log;
  /** For what any peer may cause, again and again. */
  flood: LogFlood;
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
/** Requests in flight unless setMaxWebserverConns() says otherwise. */
const MOST_IN_FLIGHT = 10_000;
/** Bytes that the bodies of requests in flight may have together. */
const MOST_BYTES_IN_FLIGHT = 256 * 1024 * 1024;
const COMMAND_PREFIX = "/command/";

/** The route table. Custom endpoints are looked up live: the console may add some. */
export class Commands {
  /** Reports and calls of custom endpoints. */
  readonly inFlight = new Ongoing();
  private readonly routes: Map<string, Route>;
  private readonly reports: Limit;
  private readonly received: Cell;
  private bytesInFlight = 0;

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
      return (_request, { arrived }) => {
        const begun = stats.perf.begin(arrived);
        const response = answer();
        stats.perf.end(begun);
        return response;
      };
    };
    const probe = (answer: () => Response): Route => ({
      methods: GET,
      needsPassword: false,
      answer: timed(answer),
    });
    const commands: Record<(typeof BUILT_IN_COMMANDS)[number], Route> = {
      report: { methods: POST, needsPassword: true, refuse: answers.busy, answer: this.report },
      stats: { methods: GET, needsPassword: true, refuse: answers.busy, answer: timed(() => this.stats()) },
      alerts: { methods: GET, needsPassword: true, refuse: answers.busy, answer: this.alerts },
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
          methods: GET,
          get needsPassword() {
            return config.metricsNeedPassword;
          },
          answer: async ({ headers }) =>
            answers.metrics(await metrics.format(), prefersGzip(headers.get("accept-encoding"))),
        },
      ],
      // Reserved for the status page; who has no password need not know that there is none.
      ["/", { methods: GET, needsPassword: true, answer: answers.notFound }],
    ]);
  }

  find(method: string, path: string): Route | undefined {
    const takes = (route: Route | undefined): boolean => route?.methods.includes(method) ?? false;
    const route = this.routes.get(path);
    if (takes(route)) return route;
    const endpoint = this.findEndpoint(path);
    return takes(endpoint) ? endpoint : undefined;
  }

  /** Whether no more requests are taken that occupy the policy. */
  get full(): boolean {
    const most = this.context.config.maxWebserverConns ?? MOST_IN_FLIGHT;
    return this.inFlight.count >= most || this.bytesInFlight >= MOST_BYTES_IN_FLIGHT;
  }

  private findEndpoint(path: string): Route | undefined {
    if (!path.startsWith(COMMAND_PREFIX)) return undefined;
    const name = path.slice(COMMAND_PREFIX.length);
    const endpoint = this.context.policy.endpoints.get(name);
    if (endpoint === undefined) return undefined;
    const answer: Route["answer"] = (request, visit) => this.callEndpoint(name, endpoint, request, visit);
    const calls = this.context.stats.commands.of(name);
    return { methods: POST, needsPassword: true, calls, refuse: answers.endpointBusy, answer };
  }

  private readonly report: Route["answer"] = async (request, { peer, arrived, wait }) => {
    const { engine, policy, stats } = this.context;
    const body = this.begin(request);
    try {
      const bytes = await readBody(request, body);
      await endOfTurn();
      const tuple = this.take(bytes, peer);
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
    } catch (error) {
      return this.refuseReport(error);
    } finally {
      this.end(body);
    }
  };

  /** Reads, records and logs a report. @throws what {@link refusal} knows */
  private take(bytes: ArrayBuffer | Uint8Array, peer: string): LoginTuple {
    const { clock, log, parseDevice, record } = this.context;
    const body = fromBytes(bytes);
    const receivedAt = clock.now() / 1000;
    const ignored = (field: string, type: string): void => this.ignored(peer, field, type);
    const tuple = readLoginTuple(parseJson(body), receivedAt, parseDevice, ignored);
    record?.(body, tuple, receivedAt);
    if (log.verbose) log.debug(formatFields(`report of ${peer}`, fieldsOf(tuple)));
    return tuple;
  }

  /** Counted here and not around the promise of the answer: another promise would cost each report. */
  private begin(request: Request): Announced {
    const body = announced(request);
    this.inFlight.begin();
    this.bytesInFlight += body.most;
    return body;
  }

  private end({ most }: Announced): void {
    this.bytesInFlight -= most;
    this.inFlight.end();
  }

  private ignored(peer: string, field: string, type: string): void {
    const { flood, metrics } = this.context;
    metrics.ignoredFields.increment(field, type);
    flood.write(Level.info, `report of ${peer}: ${field} is ignored where it is of type ${type}`, `ignored ${peer}`);
  }

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
    request: Request,
    { arrived, wait }: Visit,
  ): Promise<Response> {
    const { engine, stats } = this.context;
    const body = this.begin(request);
    try {
      const args = readEndpointArgs(parseJson(fromBytes(await readBody(request, body))));
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
    } catch (error) {
      const { status, reason, headers } = refusal(error);
      return answers.endpointFailure(status, reason, headers);
    } finally {
      this.end(body);
    }
  }

  private readonly alerts: Route["answer"] = async ({ url }, { arrived, wait }) => {
    const { alerts, clock, stats } = this.context;
    const begun = stats.perf.begin(arrived);
    this.inFlight.begin();
    try {
      return await wait(answerAlerts(url, alerts, clock.now() / 1000));
    } finally {
      this.inFlight.end();
      stats.perf.end(begun);
    }
  };

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
const REFUSALS = ["json", "field", "too_large", "coding"] as const;

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
  if (error instanceof CodingError) return { status: 400, reason: message, label: "coding" };
  if (error instanceof UnknownCoding) {
    return { status: 415, reason: message, label: "coding", headers: { "accept-encoding": ACCEPTED_CODINGS } };
  }
  throw error;
}
