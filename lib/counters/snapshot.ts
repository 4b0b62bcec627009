/**
 * The snapshot: all dbs as a file. Little-endian, strings behind their length in 16 bits.
 *
 * ```
 *   ┌───────────────┬─────────┐ ┌────────┬────────┬──────┬─────────┐
 *   │ TRKACOUNTERS  │ version │ │ length │ CRC-32 │ kind │ content │ … frames until one of kind "end"
 *   │ 12 bytes      │ u32     │ │ u32    │ u32    │ u8   │         │
 *   └───────────────┴─────────┘ └────────┴────────┴──────┴─────────┘
 *   begin  time f64, system's time f64, 8 bytes of the hashes' key
 *   db     name, window u32, windows u16, fields u16, each: name, kind u8, two parameters u32
 *   keys   of the last db, oldest first, each: used meanwhile u8, key, window u32, its fields (see their `write`)
 *   end    nothing
 * ```
 * Length and checksum are those of kind and content.
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { Counters } from "./counters.ts";
import { DistinctField } from "./distinct-field.ts";
import type { FieldShape } from "./field.ts";
import { FrequencyField } from "./frequency-field.ts";
import { IntField } from "./int-field.ts";
import { HASH_KEY_BYTES } from "./keyed-hash.ts";
import { SketchedField } from "./sketched-field.ts";
import type { DbShape, StatsDb } from "./stats-db.ts";
import { Walk } from "./walk.ts";

const MAGIC = Buffer.from("TRKACOUNTERS");
const VERSION = 1;
export const PREFIX_BYTES = MAGIC.length + 4;
/** Bytes before kind and content of a frame. */
export const FRAME_HEADER_BYTES = 8;
/** Bytes after which keys go into another frame. */
const FRAME_BYTES = 262_144;

const Kind = { begin: 0, db: 1, keys: 2, end: 3 } as const;
const FIELD_KINDS = ["int", "hll", "countmin"] as const;

/** A snapshot of what is still to come in an import: not to be touched. */
export class LaterSnapshotError extends Error {
  override name = "LaterSnapshotError";
}

/** Why a snapshot, or a db of it, cannot be used. */
export class SnapshotError extends Error {
  override name = "SnapshotError";
}

/** Writes dbs in pieces, each of which is quickly made. */
export class SnapshotWriter {
  private readonly ready: Buffer[] = [];
  /** Kind and content of the frame that is being made. */
  private readonly frame = new ByteWriter(FRAME_BYTES + 65_536);
  private readonly dbs: StatsDb[];
  private walk: Walk | undefined;

  /** @param systemTime milliseconds since 1970 */
  constructor(counters: Counters, systemTime: number) {
    const { frame } = this;
    this.dbs = [...counters.dbs.values()];
    frame.bytes(MAGIC);
    frame.u32(VERSION);
    this.ready.push(frame.take());
    frame.u8(Kind.begin);
    frame.f64(counters.time());
    frame.f64(systemTime);
    frame.bytes(counters.hashKey);
    this.endFrame();
  }

  /**
   * Makes some more of the file.
   * @param enough asked after each key: whether to leave it at that for now
   * @returns what is to be written, and whether it was the last
   */
  next(enough: () => boolean): { pieces: Buffer[]; last: boolean } {
    const [db] = this.dbs;
    if (db) this.writeKeys(db, enough);
    else {
      this.frame.u8(Kind.end);
      this.endFrame();
    }
    return { pieces: this.ready.splice(0), last: !db };
  }

  /** To be called when not all of it was made. */
  abandon(): void {
    this.walk?.end();
  }

  private writeKeys(db: StatsDb, enough: () => boolean): void {
    const walk = (this.walk ??= this.begin(db));
    while (walk.step()) {
      if (this.frame.length >= FRAME_BYTES) {
        this.endFrame();
        this.frame.u8(Kind.keys);
      }
      if (enough()) return;
    }
    this.endFrame();
    this.walk = undefined;
    this.dbs.shift();
  }

  private begin(db: StatsDb): Walk {
    const { frame } = this;
    frame.u8(Kind.db);
    writeShape(db.shape, frame);
    this.endFrame();
    frame.u8(Kind.keys);
    return new Walk(db, (record, used) => {
      frame.u8(used ? 1 : 0);
      frame.string(db.table.key(record));
      frame.u32(db.table.window(record));
      for (const field of db.fields) field.write(record, frame);
    });
  }

  private endFrame(): void {
    const content = this.frame.take();
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    header.writeUInt32LE(content.length, 0);
    header.writeUInt32LE(crc32(content), 4);
    this.ready.push(header, content);
  }
}

/** Takes a field of a record in, or reads on over it. */
type FieldReader = (record: number, from: ByteReader) => void;

/** Takes a snapshot in, frame by frame. */
export class SnapshotReader {
  /** Whether all of it has been read. */
  ended = false;
  /** What is left out, and why. */
  readonly refused: string[] = [];
  private begun = false;
  /** Where the keys go, and what takes their fields in, in the order they were written; without a db they are left out. */
  private db: StatsDb | undefined;
  private readers: FieldReader[] = [];
  /** Keys that were used while they were written. */
  private used: Buffer[] = [];

  /**
   * @param systemTime milliseconds since 1970
   * @param past whether a time before that of the snapshot is meant, as in an import; else the clock was set back
   */
  constructor(
    private readonly counters: Counters,
    private readonly systemTime: number,
    private readonly past: boolean,
  ) {}

  /** @throws {SnapshotError} when it is none, or a newer one */
  readPrefix(prefix: Buffer): void {
    if (prefix.length < PREFIX_BYTES || !prefix.subarray(0, MAGIC.length).equals(MAGIC)) {
      throw new SnapshotError("it is no snapshot of counters");
    }
    const version = prefix.readUInt32LE(MAGIC.length);
    if (version !== VERSION) throw new SnapshotError(`it is of version ${version}, this program reads ${VERSION}`);
  }

  /** @returns bytes of kind and content of a frame, from its header */
  static lengthOf(header: Buffer): number {
    return header.readUInt32LE(0);
  }

  /** @throws {SnapshotError} when it is damaged */
  readFrame(header: Buffer, content: Buffer): void {
    const whole = content.length > 0 && content.length === SnapshotReader.lengthOf(header);
    if (!whole || header.readUInt32LE(4) !== crc32(content)) throw new SnapshotError("it is damaged");
    const reader = new ByteReader(content);
    try {
      const kind = reader.u8();
      if (this.ended || (kind === Kind.begin) === this.begun) throw new SnapshotError("its frames are out of order");
      if (kind === Kind.begin) this.begin(reader);
      else if (kind === Kind.db) this.beginDb(readShape(reader));
      else if (kind === Kind.keys) this.readKeys(reader);
      else if (kind === Kind.end && reader.isAtEnd) this.end();
      else throw new SnapshotError(`it has a frame of kind ${kind}`);
    } catch (error) {
      if (error instanceof RangeError) throw new SnapshotError(`it is damaged: ${error.message}`);
      throw error;
    }
  }

  /** The time since the file was written has passed for the counters too. */
  private begin(reader: ByteReader): void {
    const time = reader.f64();
    const passed = this.systemTime - reader.f64();
    if (this.past && passed < 0) throw new LaterSnapshotError("it was written later");
    const asleep = Math.max(0, passed);
    if (!Number.isFinite(time + asleep)) throw new SnapshotError("it has no time");
    this.counters.restart(time + asleep, reader.bytes(HASH_KEY_BYTES));
    this.begun = true;
  }

  private beginDb(shape: DbShape): void {
    this.touchUsed();
    const db = this.counters.dbs.get(shape.name);
    const { windows } = shape;
    const same = db?.shape.window === shape.window && db.shape.windows === windows ? db : undefined;
    const changed: string[] = [];
    const readers = Array.from(shape.fields, ([name, was]): FieldReader => {
      const field = same?.fields.find((candidate) => candidate.name === name);
      if (field && Bun.deepEquals(field.shape, was)) {
        return (record, from) => {
          field.clear(record);
          field.read(record, from);
        };
      }
      changed.push(`${JSON.stringify(name)} (${formatField(was)})`);
      return (_, from) => skipField(was, windows, from);
    });
    this.db = changed.length < shape.fields.size ? same : undefined;
    this.readers = readers;
    const of = JSON.stringify(shape.name);
    if (!db) this.refused.push(`${of} is none of the configuration's`);
    else if (!same) this.refused.push(`${of} had ${windows} windows of ${shape.window} s, and begins empty`);
    else if (changed.length > 0) this.refused.push(`${of} has no such fields any more: ${changed.join(", ")}`);
  }

  private readKeys(reader: ByteReader): void {
    const { db, readers } = this;
    if (!db) return;
    const now = db.window;
    while (!reader.isAtEnd) {
      const used = reader.u8() !== 0;
      const key = reader.string();
      const window = reader.u32();
      const record = db.findOrAdd(key, 0, key.length);
      for (const read of readers) read(record, reader);
      db.table.setWindow(record, window);
      if (used) this.used.push(key);
      else if (now - window >= db.shape.windows) db.reset(key, 0, key.length);
    }
  }

  private touchUsed(): void {
    for (const key of this.used.splice(0)) this.db?.find(key, 0, key.length);
  }

  private end(): void {
    this.touchUsed();
    this.ended = true;
  }
}

const crc32 = (bytes: Buffer): number => Bun.hash.crc32(bytes);

function writeShape({ name, window, windows, fields }: DbShape, to: ByteWriter): void {
  to.string(Buffer.from(name));
  to.u32(window);
  to.u16(windows);
  to.u16(fields.size);
  for (const [field, shape] of fields) {
    to.string(Buffer.from(field));
    to.u8(FIELD_KINDS.indexOf(shape.kind));
    to.u32(shape.kind === "hll" ? shape.bits : shape.kind === "countmin" ? shape.width : 0);
    to.u32(shape.kind === "countmin" ? shape.depth : 0);
  }
}

function readShape(from: ByteReader): DbShape {
  const name = from.string().toString();
  const [window, windows] = [from.u32(), from.u16()];
  const fields = new Map<string, FieldShape>();
  for (let count = from.u16(); count > 0; count--) {
    const field = from.string().toString();
    const kind = FIELD_KINDS[from.u8()];
    const [first, second] = [from.u32(), from.u32()];
    if (kind === undefined) throw new SnapshotError(`it has a field of an unknown kind: ${JSON.stringify(field)}`);
    if (kind === "int") fields.set(field, { kind });
    else if (kind === "hll") fields.set(field, { kind, bits: first });
    else fields.set(field, { kind, width: first, depth: second });
  }
  return { name, window, windows, fields };
}

/** Reads on over a field that is not kept. */
function skipField(shape: FieldShape, windows: number, from: ByteReader): void {
  if (shape.kind === "int") IntField.skip(from);
  else if (shape.kind === "hll") SketchedField.skip(from, DistinctField.sizes(shape, windows));
  else SketchedField.skip(from, FrequencyField.sizes(shape, windows));
}

/** `hll of 6 bits`. */
function formatField(shape: FieldShape): string {
  if (shape.kind === "int") return shape.kind;
  return shape.kind === "hll" ? `hll of ${shape.bits} bits` : `countmin of ${shape.depth} × ${shape.width}`;
}
