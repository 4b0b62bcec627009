/** Where the reports of a replay come from, merged into one stream in the order of their times. */
import { type LoginTuple, type ParseDevice, readLoginTuple } from "../login-tuple.ts";
import { parseJson } from "../text/json.ts";
import { Content, ContentError } from "../traffic/content.ts";
import { readJsonLine } from "../traffic/json-line.ts";
import type { Line } from "../traffic/line-reader.ts";
import { LOOK_AHEAD, type ReportEvent, ReportFile } from "../traffic/report-file.ts";
import type { Fixture, InlineReport, RecordedReports } from "./fixture.ts";
import { formatInstant, LONGEST_REPLAY } from "./times.ts";
import { FixtureError } from "./yaml-value.ts";

/** One stream of reports in the order of their times. */
interface Source extends AsyncDisposable {
  /** The time of the next report; Infinity when there is none. */
  readonly time: number;
  /** How much of it has been taken and how much there was, in bytes or what comes near. */
  readonly taken: number;
  readonly size: number;
  /** Whether more is to be read before one is taken. */
  readonly isHungry: boolean;
  fill(): Promise<void>;
  take(): ReportEvent;
}

/** Bytes of a report that the fixture holds, for the progress: what recorded ones have. */
const TYPICAL_SIZE = 400;

/** Reports of all sources; of those at the same time, the source that the fixture names first comes first. */
export class Reports implements AsyncDisposable {
  private readonly total: number;

  private constructor(
    private readonly sources: Source[],
    private readonly opened: AsyncDisposableStack,
  ) {
    this.total = sum(sources, ({ size }) => size);
  }

  /** @throws {FixtureError} for a report that cannot be replayed, as do the other functions here */
  static open(fixture: Fixture, parseDevice: ParseDevice): Promise<Reports> {
    const problemOf = problemIn(fixture);
    return Reports.from(fixture.reports, (from) =>
      "body" in from
        ? new Repetition(fixture, from, parseDevice)
        : FileSource.open(from, { start: fixture.start, problemOf, parseDevice }),
    );
  }

  /** What only teaches, before the start. */
  static learnt({ learn, start }: Fixture, parseDevice: ParseDevice): Promise<Reports> {
    const problemOf = (time: number): string | undefined =>
      time < start ? undefined : "is not before `start`: what is learnt comes before it";
    return Reports.from(learn, (file) => FileSource.open({ file, toStart: false }, { start, problemOf, parseDevice }));
  }

  private static async from<T>(items: readonly T[], open: (from: T) => Source | Promise<Source>): Promise<Reports> {
    await using opened = new AsyncDisposableStack();
    const sources: Source[] = [];
    for (const item of items) sources.push(opened.use(await open(item)));
    return new Reports(sources, opened.move());
  }

  /** The time of the next report; Infinity when there is none. */
  get time(): number {
    return Math.min(...this.sources.map(({ time }) => time));
  }

  /** From 0 to 1. */
  get progress(): number {
    return this.total === 0 ? 1 : sum(this.sources, ({ taken }) => taken) / this.total;
  }

  /** Whether more is to be read before the next is taken. */
  get isHungry(): boolean {
    return this.sources.some(({ isHungry }) => isHungry);
  }

  async fill(): Promise<void> {
    for (const source of this.sources) if (source.isHungry) await source.fill();
  }

  /** The next report; undefined after the last. */
  next(): ReportEvent | undefined {
    let first: Source | undefined;
    for (const source of this.sources) {
      if (source.time < (first?.time ?? Infinity)) first = source;
    }
    return first?.take();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened.disposeAsync();
  }
}

const sum = <T>(items: T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

/** What is wrong with the time of a report, if so. */
type ProblemOf = (time: number) => string | undefined;

const problemIn =
  ({ start, until }: Fixture): ProblemOf =>
  (time) => {
    if (time < start) return "is before `start`: set `start`, or move all reports with `shift: to-start`";
    if (until !== undefined && time > until) return "is after `until`";
    return time > start + LONGEST_REPLAY ? "is more than ten years after `start`: t is in seconds" : undefined;
  };

interface FileSourceOptions {
  /** Milliseconds since 1970. */
  start: number;
  problemOf: ProblemOf;
  parseDevice: ParseDevice;
}

/** The reports of a JSONL file. */
class FileSource implements Source {
  /** Milliseconds by which all are moved. */
  private shift = 0;
  private last = -Infinity;

  private constructor(
    private readonly from: RecordedReports,
    private readonly problemOf: ProblemOf,
    private readonly reports: ReportFile,
  ) {}

  static async open(from: RecordedReports, { start, problemOf, parseDevice }: FileSourceOptions): Promise<FileSource> {
    const { file, toStart } = from;
    const refuse = ({ number }: Line, problem: string): never => {
      throw new FixtureError(file, number, problem);
    };
    const options = { read: readJsonLine, parseDevice, start: start / 1000, refuse };
    await using opened = new AsyncDisposableStack();
    const content = opened.use(await naming(file, Content.open(file)));
    const source = new FileSource(from, problemOf, new ReportFile(file, content, options));
    await source.fill();
    if (toStart && source.reports.time < Infinity) source.shift = start - source.reports.time;
    opened.move();
    return source;
  }

  get time(): number {
    return this.reports.time + this.shift;
  }

  get size(): number {
    return this.reports.size;
  }

  get taken(): number {
    return this.reports.taken;
  }

  get isHungry(): boolean {
    return this.reports.isHungry;
  }

  fill(): Promise<void> {
    return naming(this.from.file, this.reports.fill());
  }

  take(): ReportEvent {
    const event = this.reports.take();
    if (this.shift !== 0) {
      event.time += this.shift;
      event.tuple.t += this.shift / 1000;
    }
    this.check(event);
    return event;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reports[Symbol.asyncDispose]();
  }

  private check({ time, line }: ReportEvent): void {
    const { file } = this.from;
    const at = formatInstant(Math.min(Math.max(time, -8.64e15), 8.64e15));
    const wrong = (problem: string): FixtureError => new FixtureError(file, line, `t: ${at} ${problem}`);
    if (time < this.last) throw wrong(`is out of order by more than ${LOOK_AHEAD} reports: sort the file by t`);
    const problem = this.problemOf(time);
    if (problem) throw wrong(problem);
    this.last = time;
  }
}

/** Reading errors become those of the fixture, which name the file. */
const naming = <T>(file: string, reading: Promise<T>): Promise<T> =>
  reading.catch((error: unknown) => {
    throw error instanceof ContentError ? new FixtureError(file, 1, error.message) : error;
  });

/** A report of the fixture itself, as often as it says. */
class Repetition implements Source {
  readonly isHungry = false;
  private readonly tuple: LoginTuple;
  private done = 0;

  constructor(
    private readonly fixture: Fixture,
    private readonly report: InlineReport,
    parseDevice: ParseDevice,
  ) {
    this.tuple = readLoginTuple(parseJson(report.body), NaN, parseDevice);
  }

  get time(): number {
    const { at, every, repeat } = this.report;
    return this.done < repeat ? at + this.done * every : Infinity;
  }

  get size(): number {
    return this.report.repeat * TYPICAL_SIZE;
  }

  get taken(): number {
    return this.done * TYPICAL_SIZE;
  }

  take(): ReportEvent {
    const { time, tuple } = this;
    this.done++;
    const t = Number.isNaN(tuple.t) ? time / 1000 : tuple.t;
    return { time, tuple: { ...tuple, t }, count: 1, file: this.fixture.file, line: this.report.line };
  }

  async fill(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
