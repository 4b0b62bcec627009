/** counters.bin in the state directory: taken in at the start, written every minute and at the stop. */
import { closeSync, mkdirSync, openSync, readSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { Log } from "../log/log.ts";
import { type CancelTimer, type Clock, stopwatch } from "../time/clock.ts";
import type { Counters } from "./counters.ts";
import {
  FRAME_HEADER_BYTES,
  LaterSnapshotError,
  PREFIX_BYTES,
  SnapshotError,
  SnapshotReader,
  SnapshotWriter,
} from "./snapshot.ts";

const FILE = "counters.bin";
/** Milliseconds from the end of one snapshot to the next. */
const INTERVAL = 60_000;
/** Milliseconds of work on a snapshot after which others get their turn; with what is begun by then it stays below 2. */
const SLICE = 1.5;

interface SnapshotOptions {
  clock: Clock;
  log: Log;
  /** Told how many milliseconds each slice took. */
  sliced?: (milliseconds: number) => void;
  /**
   * For an import, whose clock is that of the reports: nothing is written unless it is asked for, and a snapshot of later counts
   * is left as it is.
   */
  imports?: boolean;
}

export class SnapshotFile {
  private readonly path: string;
  /** {@link Counters.changes} when the last snapshot began. */
  private saved = 0;
  /** Whether there is a snapshot of later counts. */
  private isLater = false;
  private failing = false;
  private timer: CancelTimer | undefined;
  private saving: Promise<void> = Promise.resolve();

  private constructor(
    stateDir: string,
    private readonly counters: Counters,
    private readonly options: SnapshotOptions,
  ) {
    this.path = join(stateDir, FILE);
    this.load();
  }

  /**
   * Takes in what is there, which empties the dbs first, and writes from now on. What cannot be used is said in a line of the
   * log.
   */
  static open(stateDir: string, counters: Counters, options: SnapshotOptions): SnapshotFile {
    const file = new SnapshotFile(stateDir, counters, options);
    if (!options.imports) file.arm();
    return file;
  }

  /** Writes a last time. */
  async close(): Promise<void> {
    this.timer?.();
    this.timer = undefined;
    await this.saving;
    await this.save();
  }

  private arm(): void {
    this.timer = this.options.clock.after(INTERVAL, () => {
      this.saving = this.save().then(() => {
        if (this.timer) this.arm();
      });
    });
  }

  /** Writes a snapshot unless nothing has changed. */
  async save(): Promise<void> {
    const { counters, path } = this;
    const { clock, log } = this.options;
    const { changes } = counters;
    if (changes === this.saved || this.isLater) return;
    const writer = new SnapshotWriter(counters, clock.now());
    const beside = `${path}.new`;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const file = await open(beside, "w", 0o600);
      try {
        await this.write(writer, file);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(beside, path);
      this.saved = changes;
      if (this.failing) log.notice(`counters: ${path} is written again`);
      this.failing = false;
    } catch (error) {
      writer.abandon();
      if (!this.failing) log.error(`counters: ${path} cannot be written: ${(error as Error).message}`);
      this.failing = true;
    }
  }

  private async write(writer: SnapshotWriter, file: FileHandle): Promise<void> {
    for (;;) {
      const started = stopwatch();
      const { pieces, last } = writer.next(() => stopwatch() - started >= SLICE);
      this.options.sliced?.(stopwatch() - started);
      for (const piece of pieces) await writeWhole(file, piece);
      if (last) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private load(): void {
    const { counters, path } = this;
    const { clock, log, imports = false } = this.options;
    let file;
    try {
      file = openSync(path, "r");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") log.error(`counters: ${path} cannot be read: ${code}; all begin empty`);
      return;
    }
    try {
      const reader = new SnapshotReader(counters, clock.now(), imports);
      readAll(file, reader);
      for (const problem of reader.refused) log.warn(`counters: ${path}: ${problem}`);
    } catch (error) {
      this.isLater = error instanceof LaterSnapshotError;
      if (this.isLater) return;
      for (const db of counters.dbs.values()) db.clear();
      log.error(`counters: ${path} cannot be used: ${(error as Error).message}; all begin empty`);
    } finally {
      this.saved = counters.changes;
      closeSync(file);
    }
  }
}

/** @throws {SnapshotError} */
function readAll(file: number, reader: SnapshotReader): void {
  reader.readPrefix(readPiece(file, PREFIX_BYTES));
  while (!reader.ended) {
    const header = readPiece(file, FRAME_HEADER_BYTES);
    if (header.length < FRAME_HEADER_BYTES) throw new SnapshotError("it is cut off");
    reader.readFrame(header, readPiece(file, SnapshotReader.lengthOf(header)));
  }
}

/** Bytes that are read at once, so that no length that a damaged file claims is believed. */
const PIECE = 1_048_576;

/** So many bytes, or as many as there are. */
function readPiece(file: number, length: number): Buffer {
  const pieces: Buffer[] = [];
  for (let left = length; left > 0;) {
    const piece = Buffer.allocUnsafe(Math.min(left, PIECE));
    const read = readSync(file, piece, 0, piece.length, null);
    if (read === 0) break;
    pieces.push(piece.subarray(0, read));
    left -= read;
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

async function writeWhole(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
}
