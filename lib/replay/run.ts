/** Runs one fixture: a real configuration on a virtual clock, with everything outside it captured. */
import { ConfigError, loadConfig, type Loaded } from "../configuration/load-config.ts";
import { escapeControls, Log } from "../log/log.ts";
import { type ParseDevice, readEndpointArgs } from "../login-tuple.ts";
import { backgroundLabel, endpointLabel, policyFailed } from "../lua/policy-failure.ts";
import type { HttpRequest } from "../net/http-client.ts";
import { toText } from "../text/byte-string.ts";
import { parseJson } from "../text/json.ts";
import { Background } from "../time/background.ts";
import { Limit } from "../time/limit.ts";
import type { WebHookSink } from "../webhooks/delivery.ts";
import type { EndpointCall, Fixture, HttpAnswer } from "./fixture.ts";
import { HttpAnswers } from "./http-answers.ts";
import { type Cause, describeCause, describeReport, formatLogLine, Outcome } from "./outcome.ts";
import { type ReportEvent, Reports } from "./sources.ts";
import { StandstillError, VirtualClock } from "./virtual-clock.ts";

/** How far a replay has come. */
export interface Progress {
  /** From 0 to 1. */
  share: number;
  reports: number;
  /** Milliseconds since 1970. */
  time: number;
}

interface RunOptions {
  parseDevice: ParseDevice;
  /** Told of each thing that happens, at its virtual time. */
  story?: ((time: number, what: string) => void) | undefined;
  /** Told from time to time. */
  progress?: ((progress: Progress) => void) | undefined;
}

/** Events between two looks at the progress. */
const PROGRESS_EVERY = 1000;
/** Milliseconds in which the configuration, and after the end what still runs, may end, and how many waits it may take. */
const LONGEST_END = 86_400_000;
const MOST_STEPS_AT_END = 1_000_000;

/** Functions that were stopped because they computed for too long: after so many the replay would not end in a day. */
const MOST_STOPPED = 10;
const STOPPED = /stopped after \S+ s on the processor/;

/** @throws {FixtureError} for reports that cannot be replayed */
export async function runFixture(fixture: Fixture, options: RunOptions): Promise<Outcome> {
  const outcome = new Outcome(fixture);
  const before = process.env["TZ"];
  process.env["TZ"] = fixture.tz;
  try {
    await new Run(fixture, outcome, options).run();
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof StandstillError)) throw error;
    outcome.failure = error.message;
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
  return outcome;
}

class Run {
  private readonly clock: VirtualClock;
  private readonly log: Log;
  /** On whose behalf Lua runs when it is called; what waits is in {@link parked}, by the number of its run. */
  private starting: Cause = "configuration";
  private readonly parked = new Map<number, Cause>();
  /** Reports and endpoints that wait. */
  private pending = 0;
  /** Reports and timers so far. */
  private events = 0;
  private stopped = 0;
  private loaded!: Loaded;

  constructor(
    private readonly fixture: Fixture,
    private readonly outcome: Outcome,
    private readonly options: RunOptions,
  ) {
    this.clock = new VirtualClock(fixture.start);
    this.log = new Log({
      verbose: true,
      sink: (line, level) => {
        this.tell(() => `log ${formatLogLine(line, level)}`);
        outcome.addLogLine(line, level);
      },
    });
  }

  async run(): Promise<void> {
    const { fixture, clock, log, outcome } = this;
    using reports = new Reports(fixture, this.options.parseDevice);
    this.loaded = await this.load();
    const { config, policy, engine, stats } = this.loaded;
    engine.tasks.onBroken = ({ message }) => void (outcome.failure = message);
    const background = new Background({
      clock,
      warn: log.warn,
      most: () => config.backgroundTasks,
      run: (name) => this.runBackground(name),
    });
    try {
      config.schedules.start((schedule) => background.add(schedule));
      await this.feed(reports);
      if (fixture.until === undefined) await this.finish(() => this.pending === 0);
      else await clock.advanceTo(fixture.until, () => this.passed(reports));
      let stopped = false;
      const stopping = background.stop().then(() => (stopped = true));
      await this.finish(() => this.pending === 0 && stopped);
      await stopping;
    } finally {
      outcome.end = clock.now();
      for (const name of config.customStats) outcome.customStats.set(name, stats.custom.of(name).all);
      outcome.configured.endpoints = new Set(policy.endpoints.keys());
      outcome.configured.background = new Set(policy.background.keys());
      outcome.configured.webhooks = new Set(config.webhooks.hooks.map(({ name }) => name));
      engine.close();
    }
  }

  /** Runs the configuration, which may wait, too. */
  private async load(): Promise<Loaded> {
    const { fixture, clock, log } = this;
    let ended = false;
    const loading = loadConfig(fixture.config, { clock, log, isolation: this.isolation() }).finally(
      () => (ended = true),
    );
    // It is awaited below, unless it waits without an end.
    loading.catch(() => {});
    // Its file is read in real time, before anything waits for the clock.
    while (!ended && clock.pending === 0) await clock.settle();
    await this.finish(() => ended);
    return loading;
  }

  /** Gives everything that comes from outside to the policy at its time: after what was due then, reports first. */
  private async feed(reports: Reports): Promise<void> {
    const { clock } = this;
    const limit = new Limit(() => this.loaded.config.reportTasks);
    const calls = this.fixture.endpoints.toSorted((a, b) => a.at - b.at);
    let report = reports.next();
    while (report !== undefined || calls.length > 0) {
      const isReport = report !== undefined && !(calls.length > 0 && calls[0]!.at < report.time);
      const time = isReport ? report!.time : calls[0]!.at;
      while (clock.next <= time) {
        await clock.step();
        this.passed(reports);
      }
      clock.jumpTo(time);
      if (isReport) {
        this.report(report!, limit);
        report = reports.next();
      } else this.callEndpoint(calls.shift()!);
      this.passed(reports);
    }
  }

  /**
   * To be called after each event.
   * @throws {StandstillError} when the replay cannot go on
   */
  private passed(reports: Reports): void {
    const { clock, fixture, outcome, options } = this;
    this.goOn();
    if (++this.events % PROGRESS_EVERY !== 0) return;
    const { start, until } = fixture;
    const time = clock.now();
    const share = until === undefined ? reports.progress : (time - start) / (until - start);
    options.progress?.({ share, reports: outcome.reports, time });
  }

  private goOn(): void {
    const { failure } = this.outcome;
    if (failure !== undefined) throw new StandstillError(failure);
  }

  /**
   * Lets time pass until all that was begun is done.
   * @throws {StandstillError} when that takes too long
   */
  private async finish(done: () => boolean): Promise<void> {
    const { clock } = this;
    const end = clock.now() + LONGEST_END;
    await clock.settle();
    for (let steps = 0; !done(); steps++) {
      if (clock.next > end || steps > MOST_STEPS_AT_END) {
        throw new StandstillError(`still waiting: ${this.whoWaits()}`);
      }
      await clock.step();
      this.goOn();
    }
  }

  private whoWaits(): string {
    if (!this.loaded) return describeCause("configuration");
    const causes = new Set([...this.parked.values()].map(describeCause));
    return [...causes].slice(0, 3).join(", ") || "a background function";
  }

  private report(event: ReportEvent, limit: Limit): void {
    const { engine, policy, metrics } = this.loaded;
    this.outcome.reports++;
    metrics.reports.increment();
    this.tell(() => `report ${describeReport(event)} (${event.file}:${event.line})`);
    const { report } = policy;
    if (report === undefined) return;
    const failed = (error: unknown): void => this.failed("report", "report function", event, error);
    try {
      const running = limit.run(() => this.onBehalfOf(event, () => engine.runReport(report, event.tuple)));
      if (running) this.await(running.catch(failed));
    } catch (error) {
      failed(error);
    }
  }

  private callEndpoint(call: EndpointCall): void {
    const { engine, policy } = this.loaded;
    const { name } = call;
    const { endpoints, used } = this.outcome;
    const endpoint = policy.endpoints.get(name);
    this.tell(() => `endpoint ${name}`);
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

  private async runBackground(name: string): Promise<void> {
    const { engine, policy } = this.loaded;
    const background = policy.background.get(name);
    if (background === undefined) return;
    const cause = { background: name };
    this.outcome.addBackgroundRun(name);
    this.tell(() => `background ${name}`);
    try {
      await this.onBehalfOf(cause, () => engine.runBackground(background));
    } catch (error) {
      this.failed(backgroundLabel(name), `background function ${name}`, cause, error);
    }
  }

  /** Starts a function of the policy, and remembers for whom it runs in case it waits. */
  private onBehalfOf<T>(cause: Cause, start: () => T | Promise<T>): T | Promise<T> {
    this.starting = cause;
    const run = this.loaded.engine.tasks.lastRunNumber + 1;
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
    // What is no fault of the policy's has been told to onBroken, and ends the replay.
    if (this.outcome.failure !== undefined) return;
    const { message } = error as Error;
    this.outcome.addError(`${what}: ${escapeControls(message)}`, { time: this.clock.now(), cause });
    if (STOPPED.test(message) && ++this.stopped === MOST_STOPPED) {
      this.outcome.failure = `${MOST_STOPPED} functions were stopped, the last for ${describeCause(cause)}: ${message}`;
    }
    policyFailed({ ...this.loaded, log: this.log }, label, what, error);
  }

  /** Stands in for everything outside. */
  private isolation(): { http: HttpAnswers; webhooks: WebHookSink } {
    const { clock, outcome } = this;
    const asked = ({ method, url }: HttpRequest, answer: HttpAnswer | undefined): void => {
      const request = `${method} ${url.href}`;
      this.tell(() => `http ${request}: ${answer?.status ?? "not answered"}`);
      if (!answer) outcome.addUnanswered(request, this.now());
    };
    const webhooks: WebHookSink = {
      send: ({ name }, data) => {
        this.tell(() => `webhook ${name} ${escapeControls(toText(data))}`);
        outcome.addWebHook(name, data, this.now());
      },
      drain: () => Promise.resolve(),
    };
    return { http: new HttpAnswers(this.fixture.http, { clock, asked }), webhooks };
  }

  /** The time, and on whose behalf Lua runs. */
  private now(): { time: number; cause: Cause } {
    const run = this.loaded?.engine.tasks.runNumber ?? 0;
    return { time: this.clock.now(), cause: this.parked.get(run) ?? this.starting };
  }

  private tell(what: () => string): void {
    this.options.story?.(this.clock.now(), what());
  }
}
