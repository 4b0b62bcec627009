/** The reports of one file, read ahead and handed out in the order of their times. */
import { BodyError, type LoginTuple, type ParseDevice, readLoginTuple } from "../login-tuple.ts";
import { BYTE_ORDER_MARK } from "../text/byte-string.ts";
import { JsonError } from "../text/json.ts";
import { Heap } from "../time/heap.ts";
import type { Content } from "./content.ts";
import type { ReadLine } from "./format.ts";
import { type Line, readLines } from "./line-reader.ts";
import { timeOf } from "./receipt.ts";

/** A report and its time. */
export interface ReportEvent {
  /** Milliseconds since 1970. */
  time: number;
  tuple: LoginTuple;
  /** How often it came. */
  count: number;
  /** Where it was read. */
  file: string;
  line: number;
}

/** Reports that are read ahead to bring them in order: senders with several threads post them slightly out of it. */
export const LOOK_AHEAD = 10_000;
/** Reports that are read at once, and bytes of lines that may be read ahead. */
const PIECE = 1000;
const MOST_AHEAD = 64 * 1024 * 1024;

interface ReportFileOptions {
  read: ReadLine;
  parseDevice: ParseDevice;
  /** Seconds since 1970: for reports without a time that come first. Others have that of the one before. */
  start: number;
  /** Told what is wrong with a line, and may throw; if not, the line is left out. */
  refuse: (line: Line, problem: string) => void;
  /** Told of each line, before its report can be taken, if it is one; answers whether the report is wanted. */
  lineRead?: (line: Line, event: ReportEvent | undefined) => boolean;
  /** Bytes that are passed over. */
  from?: number;
}

/** Whole milliseconds in which the time, in seconds, has been reached; the subtrahend is what doubles may be off. */
const toMilliseconds = (t: number): number => Math.ceil(t * 1000 - 0.001);

export class ReportFile implements AsyncDisposable {
  private readonly window = new Heap<{ event: ReportEvent; size: number; end: number }>();
  private readonly lines: AsyncGenerator<Line>;
  private bytesAhead = 0;
  /** Bytes of the content up to the last line that was read, and to the last one whose report was handed out. */
  private readTo = 0;
  private takenTo = 0;
  private ended = false;
  private previous: number;

  constructor(
    private readonly file: string,
    private readonly content: Content,
    private readonly options: ReportFileOptions,
  ) {
    this.lines = readLines(content, options.from);
    this.previous = options.start;
  }

  /** The time of the next report; Infinity when there is none. */
  get time(): number {
    return this.window.time;
  }

  /** Whether more is to be read before one is taken. */
  get isHungry(): boolean {
    return !this.ended && this.window.size < LOOK_AHEAD && this.bytesAhead < MOST_AHEAD;
  }

  /** Bytes on the disk: those whose reports have been handed out, about, and all. */
  get taken(): number {
    const isAhead = this.window.size > 0 && this.readTo > 0;
    return this.content.taken * (isAhead ? this.takenTo / this.readTo : 1);
  }

  get size(): number {
    return this.content.size;
  }

  /** Reads ahead as far as needed, and somewhat further. @throws {ContentError}, and what `refuse` throws */
  async fill(): Promise<void> {
    while (!this.ended && this.window.size < LOOK_AHEAD + PIECE && this.bytesAhead < MOST_AHEAD) {
      const { value, done } = await this.lines.next();
      if (done) this.ended = true;
      else this.add(value);
    }
  }

  /** The next report. */
  take(): ReportEvent {
    const { event, size, end } = this.window.pop()!;
    this.bytesAhead -= size;
    this.takenTo = Math.max(this.takenTo, end);
    return event;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lines.return(undefined);
    await this.content[Symbol.asyncDispose]();
  }

  private add(line: Line): void {
    const { lineRead = () => true } = this.options;
    this.readTo = line.end;
    const event = this.read(line);
    if (!lineRead(line, event) || !event) return;
    const size = line.text.length;
    this.bytesAhead += size;
    this.window.push(event.time, { event, size, end: line.end });
  }

  private read(line: Line): ReportEvent | undefined {
    const { read, parseDevice, refuse } = this.options;
    if (line.tooLong) return void refuse(line, "longer than 1 MiB, as no report is");
    try {
      const recorded = read(line.text);
      if (!recorded) return undefined;
      const tuple = readLoginTuple(recorded.body, this.previous, parseDevice);
      this.previous = timeOf(recorded.body, tuple.t);
      return { time: toMilliseconds(this.previous), tuple, count: recorded.count, file: this.file, line: line.number };
    } catch (error) {
      if (!(error instanceof JsonError || error instanceof BodyError)) throw error;
      refuse(line, explain(line, error));
      return undefined;
    }
  }
}

function explain({ number, text, open }: Line, error: Error): string {
  if (number === 1 && text.startsWith(BYTE_ORDER_MARK)) return "begins with a byte order mark: save it without one";
  const half = open && error instanceof JsonError ? " (the last line has no end: is it half a line?)" : "";
  return `${error.message}${half}`;
}
