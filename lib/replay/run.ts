/** Runs one fixture: a real configuration on a virtual clock, with everything outside it captured. */
import { toJson } from "../alerts/alert.ts";
import { ConfigError, type Isolation, loadConfig, type Loaded } from "../configuration/load-config.ts";
import type { AlertRecord } from "../history/alert-record.ts";
import { InlineStore } from "../history/sqlite/inline.ts";
import { escapeControls, Log } from "../log/log.ts";
import type { ParseDevice } from "../login-tuple.ts";
import { type HttpClient, HttpFailure, type HttpRequest } from "../net/http-client.ts";
import { TcpFailure, type TcpNetwork } from "../net/tcp.ts";
import { toText } from "../text/byte-string.ts";
import { Background } from "../time/background.ts";
import type { ReportEvent } from "../traffic/report-file.ts";
import type { WebHookSink } from "../webhooks/delivery.ts";
import { problemOf } from "../webhooks/hook.ts";
import type { EndpointCall, Fixture, HttpAnswer } from "./fixture.ts";
import { HttpAnswers } from "./http-answers.ts";
import { type Cause, describeCause, describeReport, formatLogLine, Outcome, type SentEvent } from "./outcome.ts";
import { PolicyCalls } from "./policy-calls.ts";
import { Reports } from "./sources.ts";
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

const NOT_ASKED = new HttpFailure("requests are not sent while reports only teach (learn)");

/** @throws {FixtureError} for reports that cannot be replayed */
export async function runFixture(fixture: Fixture, options: RunOptions): Promise<Outcome> {
  const outcome = new Outcome(fixture);
  const before = process.env["TZ"];
  process.env["TZ"] = fixture.tz;
  try {
    await using learnt = await Reports.learnt(fixture, options.parseDevice);
    await using reports = await Reports.open(fixture, options.parseDevice);
    const start = Math.min(learnt.time, fixture.start);
    await new Run(fixture, outcome, { ...options, start }).run(learnt, reports);
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
  /** Reports and timers so far. */
  private events = 0;
  /** Whether reports only teach for now: nothing is told, captured or expected. */
  private learning = false;
  private loaded: Loaded | undefined;
  /** Alerts with what they go on being counted in: what is expected of a count is that of the end. */
  private readonly alerts: [event: SentEvent, counted: AlertRecord][] = [];
  private calls!: PolicyCalls;

  constructor(
    private readonly fixture: Fixture,
    private readonly outcome: Outcome,
    private readonly options: RunOptions & { start: number },
  ) {
    this.clock = new VirtualClock(options.start);
    this.log = new Log({
      verbose: true,
      sink: (line, level) => {
        this.tell(() => `log ${formatLogLine(line, level)}`);
        if (!this.learning) outcome.addLogLine(line, level);
      },
    });
  }

  /** @param learnt what only teaches before the start */
  async run(learnt: Reports, reports: Reports): Promise<void> {
    const { fixture, clock, log, outcome } = this;
    const loaded = (this.loaded = await this.load());
    const { config, policy, engine, stats } = loaded;
    const calls = (this.calls = new PolicyCalls({ loaded, clock, log, outcome }));
    await engine.history?.open(new InlineStore(clock));
    engine.tasks.onBroken = ({ message }) => void (outcome.failure = message);
    const background = new Background({
      clock,
      warn: log.warn,
      most: () => config.backgroundTasks,
      run: (name) => this.runBackground(name),
    });
    try {
      await this.learn(learnt);
      const before = new Map([...config.customStats].map((name) => [name, stats.custom.of(name).all]));
      try {
        config.schedules.start((schedule) => background.add(schedule));
        await this.feed(reports);
        if (fixture.until === undefined) await this.finish(() => calls.pending === 0);
        else await clock.advanceTo(fixture.until, () => this.passed(reports));
        let stopped = false;
        const stopping = background.stop().then(() => (stopped = true));
        await this.finish(() => calls.pending === 0 && stopped);
        await stopping;
      } finally {
        for (const name of config.customStats) {
          outcome.customStats.set(name, stats.custom.of(name).all - (before.get(name) ?? 0));
        }
      }
    } finally {
      outcome.end = clock.now();
      for (const [event, counted] of this.alerts) event.body = JSON.stringify(toJson(counted));
      outcome.configured.endpoints = new Set(policy.endpoints.keys());
      outcome.configured.background = new Set(policy.background.keys());
      outcome.configured.webhooks = new Set(config.webhooks.hooks.map(({ name }) => name));
      await engine.history?.cut();
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

  /** Lets the policy's memory learn, up to the start. */
  private async learn(reports: Reports): Promise<void> {
    const { clock, calls } = this;
    this.learning = true;
    for (let report = reports.next(); report; report = reports.next()) {
      while (clock.next <= report.time) {
        await clock.step();
        this.goOn();
      }
      clock.jumpTo(report.time);
      calls.report(report);
      this.goOn();
      if (reports.isHungry) await reports.fill();
    }
    await clock.advanceTo(this.fixture.start, () => this.goOn());
    await this.finish(() => calls.pending === 0);
    this.learning = false;
  }

  /** Gives everything that comes from outside to the policy at its time: after what was due then, reports first. */
  private async feed(reports: Reports): Promise<void> {
    const { clock } = this;
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
        this.report(report!);
        if (reports.isHungry) await reports.fill();
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

  private report(event: ReportEvent): void {
    this.outcome.reports++;
    this.loaded!.metrics.reports.increment();
    this.tell(() => `report ${describeReport(event)} (${event.file}:${event.line})`);
    this.calls.report(event);
  }

  private callEndpoint(call: EndpointCall): void {
    this.tell(() => `endpoint ${call.name}`);
    this.calls.callEndpoint(call);
  }

  private async runBackground(name: string): Promise<void> {
    if (!this.loaded!.policy.background.has(name)) return;
    this.outcome.addBackgroundRun(name);
    this.tell(() => `background ${name}`);
    await this.calls.runBackground(name);
  }

  private whoWaits(): string {
    return this.loaded ? this.calls.whoWaits() : describeCause("configuration");
  }

  /** Stands in for everything outside. */
  private isolation(): Isolation {
    const { clock, outcome } = this;
    const asked = ({ method, url }: HttpRequest, answer: HttpAnswer | undefined): void => {
      const request = `${method} ${url.href}`;
      this.tell(() => `http ${request}: ${answer?.status ?? "not answered"}`);
      if (!answer) outcome.addUnanswered(request, this.now());
    };
    const webhooks: WebHookSink = {
      send: (hook, data) => {
        const { name } = hook;
        const problem = problemOf(hook, data);
        if (problem) return problem;
        this.tell(() => `webhook ${name} ${escapeControls(toText(data))}`);
        if (!this.learning) outcome.addWebHook(name, data, this.now());
        return undefined;
      },
      drain: () => Promise.resolve(),
    };
    const answers = new HttpAnswers(this.fixture.http, { clock, asked });
    const http: HttpClient = {
      request: (request) => (this.learning ? Promise.reject(NOT_ASKED) : answers.request(request)),
    };
    const unreachable = (target: string): Promise<never> => {
      if (this.learning) return Promise.reject(new TcpFailure("a replay reaches no other server"));
      this.tell(() => `tcp ${target}: not answered`);
      outcome.addUnanswered(`tcp ${target}`, this.now());
      // A turn of the clock, so that who tries in a loop is noticed.
      return new Promise((_, reject) => {
        clock.after(0, () => reject(new TcpFailure("a replay reaches no other server")));
      });
    };
    const tcp: TcpNetwork = { connect: (host, port) => unreachable(`${host}:${port}`), lookup: unreachable };
    const raised = (alert: AlertRecord, counted: AlertRecord): void => {
      const body = JSON.stringify(toJson(alert));
      this.tell(() => `alert ${body}`);
      const event = this.learning ? undefined : outcome.alerts.add(alert.type, body, this.now());
      if (event) this.alerts.push([event, counted]);
    };
    return {
      http,
      tcp,
      webhooks,
      // What ends is told to receivers alone.
      alerts: {
        raised,
        ended: () => {},
        summarized: (summary) => this.tell(() => `summary ${JSON.stringify(toJson(summary))}`),
      },
      keepsAlerts: () => !this.learning,
    };
  }

  /** The time, and on whose behalf Lua runs. */
  private now(): { time: number; cause: Cause } {
    return { time: this.clock.now(), cause: this.calls?.cause ?? "configuration" };
  }

  private tell(what: () => string): void {
    if (!this.learning) this.options.story?.(this.clock.now(), what());
  }
}
