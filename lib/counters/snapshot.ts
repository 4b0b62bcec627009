/**
 * Counters over restarts: `counters.bin` in the state directory, written beside and renamed.
 *
 * ```
 *   "TACOUNT1"   CRC-32 of what follows   { length, header in JSON, { length, row } … , 0 } for each db
 *   a row:  age of its newest window, length of the key, key, then for each field its windows, newest first:
 *           a whole number for an int, { how many words, words } for the others
 * ```
 * Whole numbers are of 32 bits, everything is little-endian.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import type { Log } from "../log/log.ts";
import { fromBytes } from "../text/byte-string.ts";
import { type Clock, stopwatch } from "../time/clock.ts";
import type { StringStatsDB } from "./string-stats-db.ts";

const MAGIC = "TACOUNT1";
const FILE = "counters.bin";
/** Milliseconds of a slice: reports wait for no longer. */
const SLICE = 2;
/** Bytes that are collected before they are written. */
const CHUNK = 256 * 1024;
/** Where the checksum stands, and what it is of. */
const CHECKSUM = MAGIC.length;
const BODY = CHECKSUM + 4;

/** What a db was like when it was written. */
interface Header {
  name: string;
  window: number;
  windows: number;
  fields: [name: string, kind: string][];
  hllBits: number;
  countMin: { width: number; depth: number };
  seed: number;
  /** Seconds since 1970. */
  written: number;
}

/** The file is damaged, or none of this kind. */
class DamagedSnapshot extends Error {}

export class Snapshot {
  private readonly file: string;

  constructor(
    private readonly stateDir: string,
    private readonly ports: { clock: Clock; log: Log },
  ) {
    this.file = join(stateDir, FILE);
  }

  /** Puts into the dbs what the file holds of them. What cannot be used is logged, and a db then begins empty. */
  load(dbs: readonly StringStatsDB[]): void {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") this.ports.log.warn(`${this.file}: not read: ${code}: counters begin empty`);
      return;
    }
    try {
      this.read(bytes, dbs);
    } catch (error) {
      if (!(error instanceof DamagedSnapshot || error instanceof RangeError || error instanceof SyntaxError))
        throw error;
      const reason = error instanceof DamagedSnapshot ? error.message : "damaged";
      this.ports.log.warn(`${this.file}: ${reason}: counters begin empty`);
    }
  }

  /** Whether it was written later than now is: an import has the time of its reports. */
  isOfFuture(): boolean {
    try {
      using file = new DisposableStack();
      const descriptor = openSync(this.file, "r");
      file.defer(() => closeSync(descriptor));
      const start = Buffer.alloc(CHUNK);
      const header = new Reader(start.subarray(0, readSync(descriptor, start)), BODY).part();
      const { written } = JSON.parse(header.toString("utf8")) as Header;
      return written > this.ports.clock.now() / 1000;
    } catch {
      // One that is not there, or not well, is seen to when it is loaded.
      return false;
    }
  }

  /**
   * Writes all dbs. A failure is logged, and the former file stays.
   * @param sliced whether others run in between: a row is written as it is when its turn comes
   */
  async write(dbs: readonly StringStatsDB[], { sliced }: { sliced: boolean }): Promise<void> {
    const temporary = `${this.file}.new`;
    let descriptor: number | undefined;
    try {
      mkdirSync(this.stateDir, { recursive: true, mode: 0o700 });
      descriptor = openSync(temporary, "w", 0o600);
      const checksum = await this.writeBody(descriptor, dbs, sliced);
      const start = Buffer.alloc(BODY);
      start.write(MAGIC, "latin1");
      start.writeUInt32LE(checksum, CHECKSUM);
      writeSync(descriptor, start, 0, BODY, 0);
      if (!sliced) fsyncSync(descriptor);
      closeSync(descriptor);
      descriptor = undefined;
      renameSync(temporary, this.file);
    } catch (error) {
      if (descriptor !== undefined) {
        closeSync(descriptor);
        rmSync(temporary, { force: true });
      }
      this.ports.log.error(`${this.file}: not written: ${(error as NodeJS.ErrnoException).code ?? error}`);
    }
  }

  /** @returns the checksum */
  private async writeBody(descriptor: number, dbs: readonly StringStatsDB[], sliced: boolean): Promise<number> {
    let parts: Uint8Array[] = [];
    let [size, position, checksum] = [0, BODY, 0];
    const flush = (): void => {
      const chunk = Buffer.concat(parts);
      checksum = Bun.hash.crc32(chunk, checksum);
      writeSync(descriptor, chunk, 0, chunk.length, position);
      position += chunk.length;
      [parts, size] = [[], 0];
    };
    let slice = stopwatch();
    const put = async (bytes: Uint8Array): Promise<void> => {
      parts.push(uint32(bytes.length), bytes);
      size += bytes.length;
      if (size >= CHUNK) flush();
      if (!sliced || stopwatch() - slice < SLICE) return;
      await new Promise<void>((resolve) => this.ports.clock.after(0, resolve));
      slice = stopwatch();
    };
    for (const db of dbs) {
      await put(Buffer.from(JSON.stringify(headerOf(db, this.ports.clock.now()))));
      for (let number = 0; number < db.end; number++) {
        const row = db.readRow(number);
        if (row) await put(encodeRow(row));
      }
      parts.push(uint32(0));
    }
    flush();
    return checksum;
  }

  private read(bytes: Buffer, dbs: readonly StringStatsDB[]): void {
    const magic = bytes.toString("latin1", 0, MAGIC.length);
    if (magic !== MAGIC) {
      throw new DamagedSnapshot(magic.startsWith("TACOUNT") ? "written by a newer version" : "no snapshot of counters");
    }
    if (Bun.hash.crc32(bytes.subarray(BODY)) !== bytes.readUInt32LE(CHECKSUM)) throw new DamagedSnapshot("damaged");
    const reader = new Reader(bytes, BODY);
    while (!reader.atEnd) {
      const header = JSON.parse(reader.part().toString("utf8")) as Header;
      const db = dbs.find(({ name }) => name === header.name);
      const problem = db && mismatch(header, db);
      if (problem)
        this.ports.log.warn(`${this.file}: counters of ${JSON.stringify(header.name)} begin empty: ${problem}`);
      this.readRows(reader, header, problem ? undefined : db);
    }
  }

  private readRows(reader: Reader, header: Header, db: StringStatsDB | undefined): void {
    if (db) db.options.seed = header.seed;
    const passed = Math.max(0, Math.floor((this.ports.clock.now() / 1000 - header.written) / header.window));
    for (let part = reader.part(); part.length > 0; part = reader.part()) {
      if (!db) continue;
      const { key, age, fields } = decodeRow(part, header);
      const kept = db.fields.map(({ name, kind }) => {
        const at = header.fields.findIndex(([former, formerKind]) => former === name && formerKind === kind);
        return isSketchEqual(kind, header, db) ? fields[at] : undefined;
      });
      db.writeRow(key, age + passed, kept);
    }
  }
}

const headerOf = (db: StringStatsDB, now: number): Header => {
  const { name, window, windows, hllBits, countMin, seed } = db.options;
  const fields = db.fields.map(({ name, kind }): [string, string] => [name, kind]);
  return { name, window, windows, fields, hllBits, countMin, seed, written: now / 1000 };
};

function mismatch({ window, windows }: Header, { options }: StringStatsDB): string | undefined {
  if (window === options.window && windows === options.windows) return undefined;
  return `they had ${windows} windows of ${window} s, and now have ${options.windows} of ${options.window} s`;
}

/** What was sketched otherwise cannot be taken over. */
const isSketchEqual = (kind: string, header: Header, { options }: StringStatsDB): boolean =>
  kind === "int" ||
  (kind === "hll" && header.hllBits === options.hllBits) ||
  (kind === "countmin" && Bun.deepEquals(header.countMin, options.countMin));

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

type Row = NonNullable<ReturnType<StringStatsDB["readRow"]>>;

function encodeRow({ key, age, fields }: Row): Buffer {
  const parts: Uint8Array[] = [uint32(age), uint32(key.length), Buffer.from(key, "latin1")];
  for (const windows of fields) {
    for (const value of windows) {
      if (typeof value === "number") parts.push(new Uint8Array(new Int32Array([value]).buffer));
      else parts.push(uint32(value.length), new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    }
  }
  return Buffer.concat(parts);
}

function decodeRow(bytes: Buffer, { windows, fields }: Header): Row {
  const reader = new Reader(bytes, 0);
  const age = reader.number();
  const key = fromBytes(reader.part());
  return {
    key,
    age,
    fields: fields.map(([, kind]) =>
      kind === "int"
        ? Array.from({ length: windows }, () => reader.integer())
        : Array.from({ length: windows }, () => reader.words()),
    ),
  };
}

/** Reads on from a position; what would pass the end is damage. */
class Reader {
  constructor(
    private readonly bytes: Buffer,
    private at: number,
  ) {}

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  number(): number {
    return this.take(4).readUInt32LE();
  }

  integer(): number {
    return this.take(4).readInt32LE();
  }

  /** As long as the number before it says. */
  part(): Buffer {
    return this.take(this.number());
  }

  words(): Uint32Array {
    const bytes = this.take(this.number() * 4);
    return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }

  private take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new DamagedSnapshot("damaged");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}
