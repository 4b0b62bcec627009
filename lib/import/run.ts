/** Runs the policy over recorded reports, on their own time, so that the memory learns from them. */
import type { Loaded } from "../configuration/load-config.ts";
import type { History } from "../history/history.ts";
import { escapeControls, type Log } from "../log/log.ts";
import { backgroundLabel, policyFailed } from "../lua/policy-failure.ts";
import type { Progress } from "../replay/run.ts";
import type { VirtualClock } from "../replay/virtual-clock.ts";
import { Background } from "../time/background.ts";
import { stopwatch } from "../time/clock.ts";
import { Limit } from "../time/limit.ts";
import type { ReportEvent } from "../traffic/report-file.ts";
import type { ImportFile } from "./file.ts";
import type { WatchedStore } from "./watched-store.ts";

/** What was learnt is committed after so many reports, or milliseconds of real time. */
const COMMIT_REPORTS = 5000;
/** Bytes that are not committed, about: far from where the oldest would be let go. */
const COMMIT_BYTES = 16 * 1024 ** 2;
const COMMIT_TIME = 250;
/** Reports between two looks at the progress, the time and whether to stop. */
const LOOK_EVERY = 100;
/** Milliseconds of virtual time, and waits, in which what still runs after the last report may end. */
const LONGEST_END = 3_600_000;
const MOST_STEPS_AT_END = 100_000;
/** Errors of the policy that are told. */
const MOST_ERRORS = 5;

/** The import cannot go on. What was committed stays, and the next one goes on from there. */
export class ImportError extends Error {
  override name = "ImportError";
}

interface RunOptions {
  loaded: Loaded;
  history: History;
  store: WatchedStore;
  clock: VirtualClock;
  log: Log;
  files: readonly ImportFile[];
  /** Told after each commit, when all that was taken is durable: for what is to be no further than that. */
  committed?: (() => Promise<void>) | undefined;
  progress?: ((progress: Progress) => void) | undefined;
  /** Ends it at the next report. */
  signal?: AbortSignal | undefined;
}

export class ImportRun {
  reports = 0;
  /** Of the policy, and what the first of them said. */
  readonly errors = { count: 0, first: [] as string[] };
  /** Milliseconds since 1970 of the first and the last report. */
  first: number | undefined;
  last: number | undefined;
  private readonly limit: Limit;
  private readonly background: Background;
  /** Reports that wait. */
  private pending = 0;
  private broken: string | undefined;
  private sinceCommit = 0;
  private committedAt = stopwatch();

  constructor(private readonly options: RunOptions) {
    const { loaded, clock, log } = options;
    this.limit = new Limit(() => loaded.config.reportTasks);
    this.background = new Background({
      clock,
      warn: log.warn,
      most: () => loaded.config.backgroundTasks,
      run: (name) => this.runBackground(name),
    });
    loaded.engine.tasks.onBroken = ({ message }) => void (this.broken = message);
  }

  /** @throws {ImportError}, {ContentError} */
  async run(): Promise<void> {
    const { loaded, clock, history, signal } = this.options;
    history.commitOnFlush();
    loaded.config.schedules.start((schedule) => this.background.add(schedule));
    let next = await this.next();
    while (next && !signal?.aborted) {
      const { event, file } = next;
      await this.passTo(event.time);
      clock.jumpTo(event.time);
      this.first ??= event.time;
      this.last = event.time;
      this.take(event, file);
      if (this.pending > 0) await this.settle();
      if (this.reports % LOOK_EVERY === 0) await this.look();
      next = await this.next();
    }
    await this.end();
    await this.commit();
  }

  /** The first of all files. */
  private async next(): Promise<{ event: ReportEvent; file: ImportFile } | undefined> {
    let first: ImportFile | undefined;
    for (const file of this.options.files) {
      if (file.isHungry) await file.fill();
      if (file.time < (first?.time ?? Infinity)) first = file;
    }
    return first && { event: first.take(), file: first };
  }

  /** Lets all happen that is due until then. */
  private async passTo(time: number): Promise<void> {
    const { clock } = this.options;
    while (clock.next <= time) {
      await clock.step();
      await this.settle();
    }
  }

  /** Time stands still while anybody waits for the store. */
  private async settle(): Promise<void> {
    const { clock, store } = this.options;
    await clock.settle();
    while (store.isBusy) {
      await store.answered;
      await clock.settle();
    }
  }

  private take(event: ReportEvent, file: ImportFile): void {
    const { engine, policy, metrics } = this.options.loaded;
    const { report } = policy;
    let left = event.count;
    const ended = (): void => {
      if (--left === 0) file.done(event);
    };
    for (let i = 0; i < event.count; i++) {
      this.reports++;
      this.sinceCommit++;
      metrics.reports.increment();
      if (report === undefined) {
        ended();
        continue;
      }
      const failed = (error: unknown): void => this.failed("report", "report function", error);
      try {
        const running = this.limit.run(() => engine.runReport(report, event.tuple));
        if (running) this.await(running.catch(failed).then(ended));
        else ended();
      } catch (error) {
        failed(error);
        ended();
      }
    }
  }

  private await(running: Promise<void>): void {
    this.pending++;
    void running.finally(() => this.pending--);
  }

  private async runBackground(name: string): Promise<void> {
    const { engine, policy } = this.options.loaded;
    const background = policy.background.get(name);
    if (background === undefined) return;
    try {
      await engine.runBackground(background);
    } catch (error) {
      this.failed(backgroundLabel(name), `background function ${name}`, error);
    }
  }

  private failed(label: string, what: string, error: unknown): void {
    if (this.broken !== undefined) return;
    this.errors.count++;
    if (this.errors.first.length < MOST_ERRORS) {
      this.errors.first.push(escapeControls(`${what}: ${(error as Error).message}`));
    }
    policyFailed({ ...this.options.loaded, log: this.options.log }, label, what, error);
  }

  private async look(): Promise<void> {
    const { files, progress, clock } = this.options;
    if (this.broken !== undefined) throw new ImportError(this.broken);
    const sum = (of: (file: ImportFile) => number): number => files.reduce((total, file) => total + of(file), 0);
    const share = sum((file) => file.progress.taken) / sum((file) => file.progress.size);
    progress?.({ share, reports: this.reports, time: clock.now() });
    const { sinceCommit, committedAt, options } = this;
    const isMuch = sinceCommit >= COMMIT_REPORTS || options.history.waitingBytes > COMMIT_BYTES;
    if (isMuch || stopwatch() > committedAt + COMMIT_TIME) await this.commit();
  }

  /** Makes durable what was learnt, and how far each file was taken, in one. @throws {ImportError} */
  private async commit(): Promise<void> {
    const { history, store, files, committed } = this.options;
    for (const { imported, former } of files) {
      history.write({ write: "imported", imported, former: former?.head ?? imported.head });
    }
    if (!(await history.flush())) throw new ImportError(store.problem ?? `${store.name} cannot be used`);
    await committed?.();
    this.sinceCommit = 0;
    this.committedAt = stopwatch();
  }

  /** Starts nothing more, and lets what runs end. */
  private async end(): Promise<void> {
    const { clock } = this.options;
    let stopped = false;
    void this.background.stop().then(() => (stopped = true));
    const end = clock.now() + LONGEST_END;
    await this.settle();
    for (let steps = 0; this.pending > 0 || !stopped; steps++) {
      if (clock.next > end || steps > MOST_STEPS_AT_END) {
        throw new ImportError("a function of the policy still waits an hour after the last report");
      }
      await clock.step();
      await this.settle();
    }
  }
}
