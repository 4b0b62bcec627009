/** Calls the policy's functions in a replay, and remembers on whose behalf each of them runs. */
import type { Loaded } from "../configuration/load-config.ts";
import { escapeControls, type Log } from "../log/log.ts";
import { readEndpointArgs } from "../login-tuple.ts";
import { backgroundLabel, endpointLabel, policyFailed } from "../lua/policy-failure.ts";
import { parseJson } from "../text/json.ts";
import type { Clock } from "../time/clock.ts";
import { Limit } from "../time/limit.ts";
import type { ReportEvent } from "../traffic/report-file.ts";
import type { EndpointCall } from "./fixture.ts";
import { type Cause, describeCause, type Outcome } from "./outcome.ts";

/** Functions that were stopped because they computed for too long: after so many the replay would not end in a day. */
const MOST_STOPPED = 10;
const STOPPED = /stopped after \S+ s on the processor/;

interface PolicyCallsOptions {
  loaded: Loaded;
  clock: Clock;
  log: Log;
  outcome: Outcome;
}

export class PolicyCalls {
  /** Reports and endpoints that wait. */
  pending = 0;
  /** On whose behalf Lua runs when it is called; what waits is in {@link parked}, by the number of its run. */
  private starting: Cause = "configuration";
  private readonly parked = new Map<number, Cause>();
  private readonly limit: Limit;
  private stopped = 0;

  constructor(private readonly options: PolicyCallsOptions) {
    this.limit = new Limit(() => options.loaded.config.reportTasks);
  }

  /** On whose behalf Lua runs. */
  get cause(): Cause {
    const run = this.options.loaded.engine.tasks.runNumber ?? 0;
    return this.parked.get(run) ?? this.starting;
  }

  /** Some of those that wait, in words. */
  whoWaits(): string {
    const causes = new Set([...this.parked.values()].map(describeCause));
    return [...causes].slice(0, 3).join(", ") || "a background function";
  }

  report(event: ReportEvent): void {
    const { engine, policy } = this.options.loaded;
    const { report } = policy;
    if (report === undefined) return;
    const failed = (error: unknown): void => this.failed("report", "report function", event, error);
    try {
      const running = this.limit.run(() => this.onBehalfOf(event, () => engine.runReport(report, event.tuple)));
      if (running) this.await(running.catch(failed));
    } catch (error) {
      failed(error);
    }
  }

  callEndpoint(call: EndpointCall): void {
    const { loaded, outcome } = this.options;
    const { engine, policy } = loaded;
    const { name } = call;
    const { endpoints, used } = outcome;
    const endpoint = policy.endpoints.get(name);
    if (endpoint === undefined) {
      endpoints.set(call, { failed: "the configuration has no custom endpoint of this name" });
      return;
    }
    used.endpoints.add(name);
    const run = async (): Promise<void> => {
      try {
        const args = readEndpointArgs(parseJson(call.body));
        const { success, attributes } = await this.onBehalfOf(call, () => engine.runEndpoint(endpoint, args));
        endpoints.set(call, { success, attributes: new Map(attributes) });
      } catch (error) {
        this.failed(endpointLabel(name), `custom endpoint ${name}`, call, error);
        endpoints.set(call, { failed: (error as Error).message });
      }
    };
    this.await(run());
  }

  async runBackground(name: string): Promise<void> {
    const { engine, policy } = this.options.loaded;
    const background = policy.background.get(name);
    if (background === undefined) return;
    const cause = { background: name };
    try {
      await this.onBehalfOf(cause, () => engine.runBackground(background));
    } catch (error) {
      this.failed(backgroundLabel(name), `background function ${name}`, cause, error);
    }
  }

  /** Starts a function of the policy, and remembers for whom it runs in case it waits. */
  private onBehalfOf<T>(cause: Cause, start: () => T | Promise<T>): T | Promise<T> {
    this.starting = cause;
    const run = this.options.loaded.engine.tasks.lastRunNumber + 1;
    const running = start();
    if (!(running instanceof Promise)) return running;
    this.parked.set(run, cause);
    return running.finally(() => this.parked.delete(run));
  }

  private await(running: Promise<void>): void {
    this.pending++;
    void running.finally(() => this.pending--);
  }

  private failed(label: string, what: string, cause: Cause, error: unknown): void {
    const { outcome, clock, log, loaded } = this.options;
    // What is no fault of the policy's has been told to onBroken, and ends the replay.
    if (outcome.failure !== undefined) return;
    const { message } = error as Error;
    outcome.addError(`${what}: ${escapeControls(message)}`, { time: clock.now(), cause });
    if (STOPPED.test(message) && ++this.stopped === MOST_STOPPED) {
      outcome.failure = `${MOST_STOPPED} functions were stopped, the last for ${describeCause(cause)}: ${message}`;
    }
    policyFailed({ ...loaded, log }, label, what, error);
  }
}
