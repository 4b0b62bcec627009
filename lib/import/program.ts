/** `trackalert --import FILE…`: teaches the memory from what was recorded, and tells how that went. */
import { ConfigError, type Isolation, loadConfig, type Loaded } from "../configuration/load-config.ts";
import { SnapshotFile } from "../counters/snapshot-file.ts";
import { storeInPlace } from "../history/place.ts";
import { IN_MEMORY } from "../history/settings.ts";
import { StoreError } from "../history/store.ts";
import { escapeControls, Log } from "../log/log.ts";
import { type HttpClient, HttpFailure } from "../net/http-client.ts";
import { unreachableTcp } from "../net/tcp.ts";
import { ProgressBar } from "../replay/progress-bar.ts";
import type { Progress } from "../replay/run.ts";
import { VirtualClock } from "../replay/virtual-clock.ts";
import { InUseError, StateLock } from "../sqlite/lock.ts";
import { type Clock, stopwatch } from "../time/clock.ts";
import { ContentError } from "../traffic/content.ts";
import { type FileOptions, ImportFile } from "./file.ts";
import { ImportError, ImportRun } from "./run.ts";
import { formatSummary } from "./summary.ts";
import { WatchedStore } from "./watched-store.ts";

export interface ImportOptions extends Omit<FileOptions, "now"> {
  /** The configuration's file. */
  config: string;
  /** Tells every line that the policy logs. */
  verbose: boolean;
  clock: Clock;
  print: (line: string) => void;
  printAside: (line: string) => void;
  /** Draws on the terminal; undefined when there is none. */
  draw?: ((text: string) => void) | undefined;
  /** Told from time to time. */
  progress?: (progress: Progress) => void;
  /** Ends the import at the next report. */
  signal?: AbortSignal | undefined;
}

const EXIT_FAILED = 1;
/** Milliseconds of real time between two snapshots of the counters. */
const SAVE_COUNTERS = 60_000;

const NOT_SENT = "requests are not sent in an import";
/** Of everything outside there is nothing. @param raised told the type of each alert */
const isolation = (raised: (type: string) => void): Isolation => ({
  http: { request: () => Promise.reject(new HttpFailure(NOT_SENT)) } satisfies HttpClient,
  tcp: unreachableTcp(NOT_SENT),
  webhooks: { send: () => undefined, drain: () => Promise.resolve() },
  alerts: { raised: ({ type }) => raised(type), ended: () => {}, summarized: () => {} },
  keepsAlerts: () => false,
  lasting: true,
});

/** @throws {ConfigError} @returns the exit code */
export async function importFiles(names: readonly string[], options: ImportOptions): Promise<number> {
  const { print, printAside, signal } = options;
  const work = new Import(options);
  const begun = stopwatch();
  let code = 0;
  try {
    await work.run(names);
    if (signal?.aborted) throw new ImportError("it was broken off");
  } catch (error) {
    const known = [ImportError, ContentError, InUseError, StoreError].some((kind) => error instanceof kind);
    if (!known) throw error;
    printAside(escapeControls(`import: ${(error as Error).message}`));
    if (work.isBegun) printAside("what was taken stays, and the same command goes on from there");
    code = EXIT_FAILED;
  }
  for (const line of work.summary) print(line);
  const seconds = (stopwatch() - begun) / 1000;
  printAside(
    `real time ${seconds.toFixed(1)} s, ${Math.round(work.reports / seconds).toLocaleString("en")} reports a second`,
  );
  return code;
}

class Import {
  private files: ImportFile[] = [];
  private ran: ImportRun | undefined;
  /** How many would have been raised, by type. */
  private readonly alerts = new Map<string, number>();
  private snapshot: SnapshotFile | undefined;
  private countersSaved = stopwatch();
  private readonly fileOptions: FileOptions;

  constructor(private readonly options: ImportOptions) {
    const { format, year, parseDevice, clock } = options;
    this.fileOptions = { format, year, parseDevice, now: clock.now() };
  }

  get isBegun(): boolean {
    return this.ran !== undefined;
  }

  get reports(): number {
    return this.ran?.reports ?? 0;
  }

  /** What has come of it, in lines. */
  get summary(): string[] {
    return this.ran ? formatSummary(this.files, this.ran, this.alerts) : [];
  }

  async run(names: readonly string[]): Promise<void> {
    const start = await this.firstTime(names);
    const clock = new VirtualClock(start ?? this.fileOptions.now);
    const log = this.log();
    const loaded = await this.load(clock, log);
    await using opened = new AsyncDisposableStack();
    opened.defer(() => loaded.engine.close());
    const { config } = loaded;
    const { history } = loaded.engine;
    if (!history) throw new ConfigError(`${this.options.config}: there is no history to learn (newHistory)`);
    const { place } = history.settings;
    if (place.kind === "sqlite" && place.path === IN_MEMORY) {
      throw new ConfigError(`${history.settings.where}it is in memory: what is learnt would be gone (newHistory)`);
    }
    if (config.stateDir !== undefined) opened.use(StateLock.take(config.stateDir));
    const store = new WatchedStore(
      storeInPlace(history.settings, { clock: this.options.clock, log, stateDir: config.stateDir }),
    );
    await history.open(store);
    opened.defer(() => void history.cut());
    const known = await history.ask({ ask: "imported" }, { beside: false });
    if ("problem" in known) throw new ImportError(store.problem ?? known.problem);
    for (const name of names) {
      this.files.push(opened.use(await naming(name, ImportFile.open(name, known.answer, this.fileOptions))));
    }
    this.files = withoutCopies(this.files, this.options.printAside);
    for (const file of this.files) await naming(file.name, file.fill());
    // What an import that was broken off has saved of the counters is of this time.
    clock.jumpTo(earliest(this.files) ?? clock.now());
    this.snapshot =
      config.stateDir === undefined
        ? undefined
        : SnapshotFile.open(config.stateDir, loaded.counters, { clock, log, imports: true });
    const bar = this.options.draw && new ProgressBar(this.options.draw, clock.now());
    const progress = (progress: Progress): void => {
      bar?.update(progress);
      this.options.progress?.(progress);
    };
    this.ran = new ImportRun({
      loaded,
      history,
      store,
      clock,
      log,
      progress,
      committed: () => this.saveCounters(),
      files: this.files,
      signal: this.options.signal,
    });
    try {
      await this.ran.run();
      await this.snapshot?.save();
    } finally {
      bar?.clear();
    }
  }

  /** Now and then: it may take long. They are never further than what is committed. */
  private async saveCounters(): Promise<void> {
    if (stopwatch() < this.countersSaved + SAVE_COUNTERS) return;
    await this.snapshot?.save();
    this.countersSaved = stopwatch();
  }

  /** When the first report was made: where virtual time begins. */
  private async firstTime(names: readonly string[]): Promise<number | undefined> {
    let first: number | undefined;
    for (const name of names) {
      await using file = await naming(name, ImportFile.open(name, [], this.fileOptions));
      await naming(name, file.fill());
      first = earliest([file], first);
    }
    return first;
  }

  private log(): Log {
    const { verbose, printAside } = this.options;
    return new Log({ verbose, sink: (line) => verbose && printAside(line) });
  }

  /** Runs the configuration, which may wait, too. */
  private async load(clock: VirtualClock, log: Log): Promise<Loaded> {
    let ended = false;
    const outside = isolation((type) => this.alerts.set(type, (this.alerts.get(type) ?? 0) + 1));
    const loading = loadConfig(this.options.config, { clock, log, isolation: outside }).finally(() => (ended = true));
    // It is awaited below.
    loading.catch(() => {});
    while (!ended) await (clock.pending > 0 ? clock.step() : clock.settle());
    return loading;
  }
}

/** The time of the first report of all; undefined when there is none. */
function earliest(files: readonly ImportFile[], before = Infinity): number | undefined {
  const first = Math.min(before, ...files.map(({ time }) => time));
  return first === Infinity ? undefined : first;
}

/** One that is the same as another, or its beginning, is not taken twice. */
function withoutCopies(files: readonly ImportFile[], tell: (line: string) => void): ImportFile[] {
  return files.filter((file, i) => {
    const other = files.find((one, j) => one !== file && holds(one, file) && !(holds(file, one) && i < j));
    if (other) tell(escapeControls(`${file.name}: is in ${other.name}, too, and is not taken twice`));
    return !other;
  });
}

const WHOLE_HEAD = 65_536;

/** Whether all that is known of the second is in the first. */
const holds = ({ head }: ImportFile, { head: part }: ImportFile): boolean =>
  head.subarray(0, part.length).equals(part) && (part.length < WHOLE_HEAD || head.length === part.length);

const naming = <T>(name: string, reading: Promise<T>): Promise<T> =>
  reading.catch((error: unknown) => {
    throw error instanceof ContentError ? new ContentError(`${name}: ${error.message}`) : error;
  });
