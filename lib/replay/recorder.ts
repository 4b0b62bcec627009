/** `--record FILE`: appends each accepted report to a file, one JSON object a line, ready to replay. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";

import type { Log } from "../log/log.ts";
import type { LoginTuple } from "../login-tuple.ts";
import { Counter } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import { type ByteString, fromBytes } from "../text/byte-string.ts";
import { isObject, type JsonObject, parseJson } from "../text/json.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import { LONGEST_LINE } from "../traffic/line-reader.ts";
import { RECEIVED_AT } from "../traffic/receipt.ts";
import { Redaction } from "./redaction.ts";

/** Milliseconds, or bytes, after which what has come is written: each write waits for the disk, so they are not many. */
const BATCH_TIME = 200;
const BATCH_SIZE = 64 * 1024;
/** Bytes that may wait for the disk; above it reports are not recorded. */
const MOST_WAITING = 16 * 1024 * 1024;
const OWNER_ONLY = 0o600;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;

/** The file cannot be recorded to. */
export class RecordError extends Error {
  override name = "RecordError";
}

interface RecorderOptions {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  redact: boolean;
}

export class Recorder {
  private readonly file: string;
  private readonly redaction: Redaction | undefined;
  private readonly lost = new Counter("trackalert_record_lost_total", "Reports that could not be recorded.");
  /** The next batch and its bytes. It grows while the one before it is written. */
  private lines: string[] = [];
  private size = 0;
  private writing = false;
  /** Bytes that have not been written, the next batch included. */
  private waiting = 0;
  private cancelTimer: CancelTimer | undefined;
  /** What is done with the file, one after another. */
  private work: Promise<void> = Promise.resolve();
  private handle: FileHandle | undefined;
  private failing = false;

  private constructor(
    file: string,
    private readonly options: RecorderOptions,
  ) {
    this.file = resolve(file);
    this.redaction = options.redact ? new Redaction() : undefined;
    options.metrics.add(this.lost);
  }

  /** @throws {RecordError} */
  static async open(file: string, options: RecorderOptions): Promise<Recorder> {
    const recorder = new Recorder(file, options);
    recorder.handle = await recorder.openFile();
    return recorder;
  }

  /**
   * Takes a report over. Never throws: what cannot be recorded is counted and said.
   * @param body as it came
   * @param receivedAt seconds since 1970; its time if it says none itself
   */
  record(body: ByteString, tuple: LoginTuple, receivedAt: number): void {
    if (this.waiting > MOST_WAITING) return this.lose(1, "the disk is too slow");
    let line;
    try {
      line = this.redaction ? redactedLine(this.redaction, body, tuple, receivedAt) : lineOf(body, tuple.t, receivedAt);
    } catch (error) {
      return this.lose(1, (error as Error).message);
    }
    // Redaction writes numbers anew, at length, and a replay would refuse the whole file.
    if (line.length - 1 > LONGEST_LINE) return this.lose(1, "a report is longer than a replay reads");
    this.lines.push(line);
    this.size += line.length;
    this.waiting += line.length;
    if (this.size >= BATCH_SIZE && !this.writing) this.flush();
    else this.cancelTimer ??= this.options.clock.after(BATCH_TIME, () => this.flush());
  }

  /** Opens the file anew: it may have been moved away. */
  reopen(): void {
    this.flush();
    this.next(async () => {
      try {
        const handle = await this.openFile();
        await this.handle?.close();
        this.handle = handle;
      } catch (error) {
        // The one that is open still takes reports.
        this.options.log.error((error as Error).message);
      }
    });
  }

  /** Writes what has come. */
  async close(): Promise<void> {
    this.flush();
    await this.work;
    await this.handle?.close();
    this.handle = undefined;
  }

  private flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const { lines } = this;
    if (lines.length === 0) return;
    this.lines = [];
    this.size = 0;
    this.next(() => this.write(lines));
  }

  private next(work: () => Promise<void>): void {
    this.work = this.work.then(work);
  }

  private async write(lines: string[]): Promise<void> {
    const bytes = Buffer.from(lines.join(""), "latin1");
    this.writing = true;
    try {
      await this.append(bytes);
      if (this.failing) this.options.log.notice(`--record ${this.file}: reports are recorded again`);
      this.failing = false;
    } catch (error) {
      this.lose(lines.length, (error as NodeJS.ErrnoException).code ?? (error as Error).message);
    } finally {
      this.waiting -= bytes.length;
      this.writing = false;
      if (this.size >= BATCH_SIZE) this.flush();
    }
  }

  /** Appends whole or not at all, so that there is no half line for others to follow. */
  private async append(bytes: Buffer): Promise<void> {
    const handle = this.handle!;
    const { size } = await handle.stat();
    try {
      for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
      await handle.datasync();
    } catch (error) {
      await handle.truncate(size).catch(() => {});
      throw error;
    }
  }

  /** Says so once, until it works again. */
  private lose(count: number, why: string): void {
    for (let i = 0; i < count; i++) this.lost.increment();
    if (!this.failing) this.options.log.error(`--record ${this.file}: reports are not recorded: ${why}`);
    this.failing = true;
  }

  /** @throws {RecordError} */
  private async openFile(): Promise<FileHandle> {
    const { file } = this;
    let handle: FileHandle | undefined;
    try {
      handle = await open(file, FLAGS, OWNER_ONLY);
      if (!(await handle.stat()).isFile()) throw new RecordError(`--record ${file}: is no regular file`);
      const end = await this.findEnd(handle);
      // One that was there may have been open to all.
      await handle.chmod(OWNER_ONLY);
      await this.endLastLine(handle, end);
      return handle;
    } catch (error) {
      await handle?.close();
      if (error instanceof RecordError) throw error;
      throw new RecordError(`--record ${file}: cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    }
  }

  /**
   * Looks at the end of the file.
   * @returns what stands behind the last line end, and where
   * @throws {RecordError} when the last line is no report: the file is for something else
   */
  private async findEnd(handle: FileHandle): Promise<{ rest: ByteString; at: number }> {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(Math.min(size, 2 * LONGEST_LINE));
    await handle.read(tail, 0, tail.length, size - tail.length);
    const text = fromBytes(tail);
    const end = text.lastIndexOf("\n") + 1;
    const rest = text.slice(end) as ByteString;
    const last = text.slice(0, end).split("\n").at(-2);
    const isRecording = last === undefined ? size === rest.length : isReport(last as ByteString);
    if (!isRecording || !(rest === "" || rest.startsWith("{"))) {
      throw new RecordError(`--record ${this.file}: holds something else than reports`);
    }
    return { rest, at: size - rest.length };
  }

  /** Half a line, which a crash has left, is cut off; one that only lacks its end gets it. */
  private async endLastLine(handle: FileHandle, { rest, at }: { rest: ByteString; at: number }): Promise<void> {
    if (rest === "") return;
    if (isReport(rest)) return void (await handle.write("\n"));
    await handle.truncate(at);
    this.options.log.warn(`--record ${this.file}: half a line at its end, ${rest.length} bytes, was cut off`);
  }
}

function isReport(text: ByteString): boolean {
  try {
    return isObject(parseJson(text));
  } catch {
    return false;
  }
}

function redactedLine(redaction: Redaction, body: ByteString, { remote, t }: LoginTuple, receivedAt: number): string {
  const report = redaction.redact(parseJson(body) as JsonObject, remote);
  return `${JSON.stringify({ ...report, t, [RECEIVED_AT]: receivedAt })}\n`;
}

/** The body as one line, with the time of receipt, and as `t` where there is none. Of two fields of a name the last counts. */
function lineOf(body: ByteString, t: number, receivedAt: number): string {
  const line = body.replace(/[\r\n]+/g, " ").trim();
  const open = line.slice(0, -1).trimEnd();
  const time = t === receivedAt ? `"t":${t},` : "";
  return `${open}${open === "{" ? "" : ","}${time}"${RECEIVED_AT}":${receivedAt}}\n`;
}
