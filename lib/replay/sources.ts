/** Where the reports of a replay come from, merged into one stream in the order of their times. */
import { BodyError, type LoginTuple, type ParseDevice, readLoginTuple } from "../login-tuple.ts";
import { BYTE_ORDER_MARK } from "../text/byte-string.ts";
import { JsonError, parseJson } from "../text/json.ts";
import type { Fixture, InlineReport, ReportFile } from "./fixture.ts";
import { Heap } from "./heap.ts";
import { LineReader } from "./line-reader.ts";
import { formatInstant, LONGEST_REPLAY } from "./times.ts";
import { FixtureError } from "./yaml-value.ts";

/** A report and its time. */
export interface ReportEvent {
  /** Milliseconds since 1970. */
  time: number;
  tuple: LoginTuple;
  /** Where it was read. */
  file: string;
  line: number;
}

/** One stream of reports in the order of their times. */
interface Source extends Disposable {
  /** The time of the next report; Infinity when there is none. */
  readonly time: number;
  /** How much of it has been taken and how much there was, in bytes or what comes near. */
  readonly taken: number;
  readonly size: number;
  /** Reads what is needed for the first report. */
  prepare(): void;
  take(): ReportEvent;
}

/** Reports that are read ahead to bring them in order: senders with several threads post them slightly out of it. */
const LOOK_AHEAD = 10_000;
/** Bytes of a report that the fixture holds, for the progress: what recorded ones have. */
const TYPICAL_SIZE = 400;

/** Reports of all sources; of those at the same time, the source that the fixture names first comes first. */
export class Reports implements Disposable {
  private readonly sources: Source[];
  private readonly total: number;
  private readonly opened: DisposableStack;

  /** @throws {FixtureError} for a report that cannot be replayed, as do the other functions here */
  constructor(fixture: Fixture, parseDevice: ParseDevice) {
    using opened = new DisposableStack();
    this.sources = fixture.reports.map((from) =>
      opened.use(
        "body" in from ? new Repetition(fixture, from, parseDevice) : new FileSource(fixture, from, parseDevice),
      ),
    );
    for (const source of this.sources) source.prepare();
    this.opened = opened.move();
    this.total = sum(this.sources, ({ size }) => size);
  }

  /** From 0 to 1. */
  get progress(): number {
    return this.total === 0 ? 1 : sum(this.sources, ({ taken }) => taken) / this.total;
  }

  /** The next report; undefined after the last. */
  next(): ReportEvent | undefined {
    let first: Source | undefined;
    for (const source of this.sources) {
      if (source.time < (first?.time ?? Infinity)) first = source;
    }
    return first?.take();
  }

  [Symbol.dispose](): void {
    this.opened.dispose();
  }
}

const sum = <T>(items: T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

/** Whole milliseconds in which the time, in seconds, has been reached; the subtrahend is what doubles may be off. */
const toMilliseconds = (t: number): number => Math.ceil(t * 1000 - 0.001);

/** The reports of a JSONL file. */
class FileSource implements Source {
  private readonly lines: LineReader;
  private readonly window = new Heap<ReportEvent>();
  private ended = false;
  /** Milliseconds by which all are moved. */
  private shift = 0;
  /** Seconds: for a report without `t`. */
  private previous: number;
  private last = -Infinity;

  constructor(
    private readonly fixture: Fixture,
    private readonly from: ReportFile,
    private readonly parseDevice: ParseDevice,
  ) {
    this.lines = new LineReader(from.file);
    this.previous = fixture.start / 1000;
  }

  prepare(): void {
    const { from, fixture } = this;
    for (let i = 0; i < LOOK_AHEAD && !this.ended; i++) this.readOne();
    if (from.toStart && this.window.size > 0) this.shift = fixture.start - this.window.time;
  }

  get time(): number {
    return this.window.time + this.shift;
  }

  get size(): number {
    return this.lines.size;
  }

  get taken(): number {
    return this.lines.taken;
  }

  take(): ReportEvent {
    const event = this.window.pop()!;
    if (this.shift !== 0) {
      event.time += this.shift;
      event.tuple.t += this.shift / 1000;
    }
    this.check(event);
    if (!this.ended) this.readOne();
    return event;
  }

  [Symbol.dispose](): void {
    this.lines[Symbol.dispose]();
  }

  private check({ time, line }: ReportEvent): void {
    const { start, until } = this.fixture;
    const { file } = this.from;
    const at = formatInstant(Math.min(Math.max(time, -8.64e15), 8.64e15));
    const wrong = (problem: string): FixtureError => new FixtureError(file, line, `t: ${at} ${problem}`);
    if (time < this.last) throw wrong(`is out of order by more than ${LOOK_AHEAD} reports: sort the file by t`);
    if (time < start) throw wrong("is before `start`: set `start`, or move all reports with `shift: to-start`");
    if (until !== undefined && time > until) throw wrong("is after `until`");
    if (time > start + LONGEST_REPLAY) throw wrong("is more than ten years after `start`: t is in seconds");
    this.last = time;
  }

  private readOne(): void {
    const { lines, from } = this;
    const text = lines.next();
    if (text === undefined) {
      this.ended = true;
      return;
    }
    try {
      const tuple = readLoginTuple(parseJson(text), this.previous, this.parseDevice);
      this.previous = tuple.t;
      const time = toMilliseconds(tuple.t);
      this.window.push(time, { time, tuple, file: from.file, line: lines.line });
    } catch (error) {
      if (!(error instanceof JsonError || error instanceof BodyError)) throw error;
      const mark = lines.line === 1 && text.startsWith(BYTE_ORDER_MARK);
      if (mark) throw new FixtureError(from.file, 1, "begins with a byte order mark: save it without one");
      const half = lines.open && error instanceof JsonError ? " (the last line has no end: is it half a line?)" : "";
      throw new FixtureError(from.file, lines.line, `${error.message}${half}`);
    }
  }
}

/** A report of the fixture itself, as often as it says. */
class Repetition implements Source {
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
    return { time, tuple: { ...tuple, t }, file: this.fixture.file, line: this.report.line };
  }

  prepare(): void {}

  [Symbol.dispose](): void {}
}
