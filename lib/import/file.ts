/** A file that is imported: its reports, how far they have been taken, and what could not be read. */
import type { Imported } from "../history/store.ts";
import { escapeControls } from "../log/log.ts";
import { BodyError, type ParseDevice } from "../login-tuple.ts";
import type { ByteString } from "../text/byte-string.ts";
import { isObject } from "../text/json.ts";
import { Content } from "../traffic/content.ts";
import { dovecotReader } from "../traffic/dovecot.ts";
import type { LogFormat, ReadLine } from "../traffic/format.ts";
import { readJsonLine } from "../traffic/json-line.ts";
import type { Line } from "../traffic/line-reader.ts";
import { type ReportEvent, ReportFile } from "../traffic/report-file.ts";
import { sshdReader } from "../traffic/sshd.ts";
import { LogTimes } from "../traffic/timestamp.ts";
import { findImported, identify } from "./identity.ts";
import { Position, type Taking } from "./position.ts";

export interface FileOptions {
  /** Undefined: JSON. */
  format: LogFormat | undefined;
  /** Of the first line of a log that names none. */
  year: number | undefined;
  /** Milliseconds since 1970. */
  now: number;
  parseDevice: ParseDevice;
}

/** Reasons for skipped lines that are told of one file. */
const MOST_REASONS = 10;
/** Milliseconds that a report may be ahead of this host's clock. */
const AHEAD = 86_400_000;
/** Milliseconds since 1970: 2000-01-01T00:00:00Z. Before it no report was made. */
const EARLIEST = 946_684_800_000;

export class ImportFile implements AsyncDisposable {
  /** Lines that were read, reports that were taken, lines that could not be read. */
  lines = 0;
  taken = 0;
  skipped = 0;
  /** The first of those, and why. */
  readonly reasons: string[] = [];
  /** Whether the last line has no end yet, and is left for the next time. */
  unfinished = false;
  private readonly identity: ReturnType<typeof identify>;
  private readonly position: Position;
  private readonly underWay = new Map<ReportEvent, Taking>();
  private readonly reports: ReportFile;

  private constructor(
    readonly name: string,
    readonly head: Buffer,
    /** What is known of it from before. */
    readonly former: Imported | undefined,
    content: Content,
    private readonly options: FileOptions,
  ) {
    const { position: from, ahead } = former ?? { position: 0, ahead: [] };
    this.identity = identify(head);
    this.position = new Position(from, ahead);
    this.reports = new ReportFile(name, content, {
      read: this.reader(),
      parseDevice: options.parseDevice,
      start: NaN,
      refuse: (line, problem) => this.refuse(line, problem),
      lineRead: (line, event) => this.lineRead(line, event),
      from,
    });
  }

  /** @throws {ContentError} */
  static async open(name: string, imported: readonly Imported[], options: FileOptions): Promise<ImportFile> {
    await using opened = new AsyncDisposableStack();
    const content = opened.use(await Content.open(name));
    const head = await content.head();
    const file = new ImportFile(name, head, findImported(head, imported), content, options);
    opened.move();
    return file;
  }

  /** The time of the next report; Infinity when there is none. */
  get time(): number {
    return this.reports.time;
  }

  /** How much of it has been read and how much there is, in bytes on the disk. */
  get progress(): { taken: number; size: number } {
    return { taken: this.reports.taken, size: this.reports.size };
  }

  get isHungry(): boolean {
    return this.reports.isHungry;
  }

  /** @throws {ContentError} */
  fill(): Promise<void> {
    return this.reports.fill();
  }

  /** The next report, which counts as taken once it is {@link done}. */
  take(): ReportEvent {
    return this.reports.take();
  }

  done(event: ReportEvent): void {
    this.taken += event.count;
    this.position.done(this.underWay.get(event)!);
    this.underWay.delete(event);
  }

  /** What is to be known of it the next time. */
  get imported(): Imported {
    return { ...this.identity, ...this.position.current };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reports[Symbol.asyncDispose]();
  }

  private reader(): ReadLine {
    const { format, year, now } = this.options;
    if (format === undefined) return readWhole;
    const times = new LogTimes(now, year);
    // The year of later lines goes by the first, also when reading goes on in the middle.
    for (const line of this.head.toString("latin1").split("\n")) if (times.read(line)) break;
    return format === "dovecot" ? dovecotReader(times) : sshdReader(times);
  }

  private refuse(line: Line, problem: string): void {
    if (line.open) return;
    this.skipped++;
    if (this.reasons.length < MOST_REASONS) {
      this.reasons.push(escapeControls(`${this.name}:${this.placeOf(line)}: ${problem}`));
    }
  }

  /** Its number; where reading went on in the middle nobody has counted the lines before. */
  private placeOf({ number, start }: Line): string {
    return this.former ? `byte ${start}` : String(number);
  }

  private lineRead(line: Line, event: ReportEvent | undefined): boolean {
    // A log's line may have been cut anywhere, and read like a whole one.
    if (line.open && (event === undefined || this.options.format !== undefined)) {
      this.unfinished = true;
      return false;
    }
    if (this.position.isKnown(line)) {
      this.position.passKnown(line);
      return false;
    }
    this.lines++;
    const problem = event && this.problemOf(event);
    if (problem) this.refuse(line, problem);
    if (!event || problem) {
      this.position.pass(line);
      return false;
    }
    this.underWay.set(event, this.position.take(line));
    return true;
  }

  private problemOf({ time }: ReportEvent): string | undefined {
    if (Number.isNaN(time)) return "neither t nor @timestamp";
    if (time > this.options.now + AHEAD) return "t is in the future: it is in seconds";
    return time < EARLIEST ? "t is before the year 2000: it is in seconds since 1970" : undefined;
  }
}

const BLANK = /^\s*$/;
const [LOGIN, REMOTE] = ["login" as ByteString, "remote" as ByteString];

/** JSON that tells of a login: exports have lines about themselves, too. */
const readWhole: ReadLine = (line) => {
  if (line.length < 100 && BLANK.test(line)) return undefined;
  const recorded = readJsonLine(line);
  const { body } = recorded;
  if (isObject(body) && !(LOGIN in body || REMOTE in body)) throw new BodyError("neither login nor remote");
  return recorded;
};
