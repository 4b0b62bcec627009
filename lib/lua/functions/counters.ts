/** Counters: making dbs, and what the prelude (counters.lua) asks of the host. */
import { formatAddress, maskBytes } from "../../address.ts";
import { type ByteString, toByteString, toText } from "../../byte-string.ts";
import { LARGEST_BLOCK } from "../../counters/blocks.ts";
import { formatDbs } from "../../counters/console.ts";
import { countMinShape } from "../../counters/count-min.ts";
import type { Counters } from "../../counters/counters.ts";
import { DistinctField } from "../../counters/distinct-field.ts";
import type { FieldShape } from "../../counters/field.ts";
import { FrequencyField } from "../../counters/frequency-field.ts";
import { IntField } from "../../counters/int-field.ts";
import type { AnyField, StatsDb } from "../../counters/stats-db.ts";
import type { Log } from "../../log.ts";
import type { Call, HostFunction, Returned } from "../call.ts";
import type { ConsoleOutput } from "../console-output.ts";
import { LuaError, type LuaTable } from "../state.ts";
import { Type } from "../wasm.ts";

/** Bounds that keep a record within reason. */
const MOST_WINDOWS = 1000;
const MOST_FIELDS = 64;
const LONGEST_WINDOW = 366 * 86_400;
const MOST_KEYS = 100_000_000;
/** Bytes of the name of a db or field. */
const LONGEST_NAME = 200;
/** What a 32-bit counter of countmin holds. */
const MOST_OF_A_VALUE = 0x7fffffff;
/** A policy may make names up; so many are reported. */
const MOST_REPORTED = 1000;

/** For the configuration: dbs, and how exact they are. */
export function counterConfiguration(counters: Counters, output: ConsoleOutput): HostFunction[] {
  let bits = 6;
  let countMin = countMinShape(0.05, 0.2);
  const shapeOf = (kind: string): FieldShape | undefined => {
    if (kind === "int") return { kind };
    if (kind === "hll") return { kind, bits };
    return kind === "countmin" ? { kind, ...countMin } : undefined;
  };
  const create = (call: Call): void => {
    const name = readName(call, 1);
    const window = call.integer(2, 1, LONGEST_WINDOW);
    const windows = call.integer(3, 1, MOST_WINDOWS);
    const fields = readFields(call, shapeOf);
    if (counters.dbs.has(name)) throw call.wrong(1, `a db is named ${JSON.stringify(name)} already`);
    counters.create({ name, window, windows, fields });
  };
  return [
    { name: "newStringStatsDB", body: create },
    {
      name: "newShardedStringStatsDB",
      body(call) {
        if (call.has(5)) call.integer(5, 1, 1e9);
        create(call);
      },
    },
    { name: "setHLLBits", body: (call) => void (bits = call.integer(1, 4, 16)) },
    {
      name: "setCountMinBits",
      body(call) {
        const [eps, gamma] = [readShare(call, 1), readShare(call, 2)];
        const shape = countMinShape(eps, gamma);
        const size = shape.width * shape.depth;
        if (size > LARGEST_BLOCK) throw call.wrong(1, `that takes ${size} counters a window, ${LARGEST_BLOCK} at most`);
        countMin = shape;
      },
    },
    { name: "showStringStatsDBs", body: () => output.print(toByteString(formatDbs(counters))) },
  ];
}

function readName(call: Call, position: number): string {
  const bytes = call.bytes(position);
  const name = toText(bytes);
  if (bytes === "" || bytes.length > LONGEST_NAME || toByteString(name) !== bytes) {
    throw call.wrong(position, `name of 1 to ${LONGEST_NAME} bytes of UTF-8 expected`);
  }
  return name;
}

/** In the order of their names: that of a Lua table differs from run to run. */
function readFields(call: Call, shapeOf: (kind: string) => FieldShape | undefined): Map<string, FieldShape> {
  const table = call.table(4);
  if (table.size === 0 || table.size > MOST_FIELDS) throw call.wrong(4, `1 to ${MOST_FIELDS} fields expected`);
  const fields = [...table].map(([key, kind]): [string, FieldShape] => {
    const name = typeof key === "string" ? toText(key) : String(key);
    const field = JSON.stringify(name);
    const shape = typeof kind === "string" ? shapeOf(kind) : undefined;
    if (typeof key !== "string" || key.length > LONGEST_NAME || toByteString(name) !== key) {
      throw call.wrong(4, `the name of field ${field} is no text of at most ${LONGEST_NAME} bytes`);
    }
    if (!shape) throw call.wrong(4, `field ${field} must be "int", "hll" or "countmin"`);
    return [name, shape];
  });
  return new Map(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function readShare(call: Call, position: number): number {
  const share = call.number(position);
  if (!(share > 0 && share <= 1)) throw call.wrong(position, `number over 0, at most 1 expected, got ${share}`);
  return share;
}

/** A field of a db. Lua knows it by a number. */
interface Target {
  db: StatsDb;
  field: AnyField;
}

/**
 * What counters.lua asks. Dbs and fields are numbers there, from 1; 0 is a db that counts nothing. A negative number says that
 * the key is an address, its bytes.
 */
export class CounterCalls {
  private readonly dbs: (StatsDb | undefined)[] = [undefined];
  private readonly targets: (Target | undefined)[] = [undefined];
  private readonly reported = new Set<string>();
  private readonly addressKey = Buffer.alloc(64);
  /** The key of the call: so many bytes, and where they begin. */
  private keyBytes: Uint8Array = this.addressKey;
  private keyAt = 0;
  private keyLength = 0;

  constructor(
    private readonly counters: Counters,
    private readonly log: Log,
  ) {}

  /** @param forConfiguration makes a function act in the configuration and on the console alone */
  functions(forConfiguration: (definition: HostFunction) => HostFunction): Record<string, HostFunction> {
    const setting = (name: string, least: number, most: number, set: (db: StatsDb, n: number) => void): HostFunction =>
      forConfiguration({
        name,
        level: 2,
        self: 1,
        body: (call) => {
          const n = call.integer(2, least, most);
          const db = this.dbs[call.number(1)];
          if (db) set(db, n);
        },
      });
    const asking = (name: string, body: (call: Call) => Returned): HostFunction => ({ name, level: 2, body });
    return {
      find: asking("getStringStatsDB", (call) => this.find(call)),
      no_field: asking("", (call) => this.noField(call)),
      add: asking("twAdd", (call) => this.add(call)),
      subtract: asking("twSub", (call) => this.subtract(call)),
      total: asking("twGet", (call) => this.ask(call, "twGet")),
      current: asking("twGetCurrent", (call) => this.ask(call, "twGetCurrent")),
      windows: asking("twGetWindows", (call) => this.windows(call)),
      reset: asking("twReset", (call) => this.reset(call)),
      reset_field: asking("twResetField", (call) => this.resetField(call)),
      size: asking("twGetSize", (call) => this.dbs[call.number(1)]?.size ?? 0),
      v4_prefix: asking("twGetv4Prefix", (call) => this.dbs[call.number(1)]?.v4Prefix ?? 32),
      v6_prefix: asking("twGetv6Prefix", (call) => this.dbs[call.number(1)]?.v6Prefix ?? 128),
      set_max_size: setting("twSetMaxSize", 1, MOST_KEYS, (db, n) => (db.maxKeys = n)),
      set_v4_prefix: setting("twSetv4Prefix", 0, 32, (db, n) => (db.v4Prefix = n)),
      set_v6_prefix: setting("twSetv6Prefix", 0, 128, (db, n) => (db.v6Prefix = n)),
      // There is no thread that expires keys, and nobody to replicate to.
      set_expire_sleep: setting("twSetExpireSleep", 0, 1e9, () => {}),
      enable_replication: forConfiguration(asking("twEnableReplication", () => {})),
    };
  }

  /** Answers the number of a db and the numbers of its fields by name; nothing when there is no such db. */
  private find(call: Call): Returned {
    const name = call.text(1);
    const db = this.counters.dbs.get(name);
    if (!db) {
      if (!this.reported.has(name) && this.reported.size < MOST_REPORTED) {
        this.reported.add(name);
        const shown = JSON.stringify(name.slice(0, LONGEST_NAME));
        this.log.error(`getStringStatsDB: no db is named ${shown}: newStringStatsDB() makes one`);
      }
      return;
    }
    const fields: LuaTable = new Map();
    for (const field of db.fields) fields.set(toByteString(field.name), this.targets.push({ db, field }) - 1);
    return [this.dbs.push(db) - 1, fields];
  }

  /** Arguments: the db, what was given for a field, and the name of the function. */
  private noField(call: Call): Returned {
    const name = toText(call.bytes(3));
    if (call.state.api.lua_type(call.thread, 2) !== Type.string) {
      throw new LuaError(`bad argument #2 to '${name}' (string expected, got ${call.state.typeName(call.thread, 2)})`);
    }
    const { shape } = this.dbs[call.number(1)]!;
    const field = JSON.stringify(call.text(2).slice(0, LONGEST_NAME));
    throw new LuaError(`${name}: db ${JSON.stringify(shape.name)} has no field ${field}`);
  }

  /** Arguments: the field, the key, the value, and for countmin how often. */
  private add(call: Call): void {
    const number = this.fieldNumber(call);
    const target = this.targets[Math.abs(number)];
    if (target) this.count(call, "twAdd", number, target, 1);
  }

  private subtract(call: Call): void {
    const number = this.fieldNumber(call);
    const target = this.targets[Math.abs(number)];
    if (!target) return;
    if (target.field instanceof DistinctField) throw wrongUse("twSub", target, "nothing can be taken away");
    this.count(call, "twSub", number, target, -1);
  }

  private count(call: Call, name: string, number: number, target: Target, sign: 1 | -1): void {
    const { db, field } = target;
    if (field instanceof IntField) {
      const n = sign * readAmount(call, 3, name, target, Number.MAX_SAFE_INTEGER);
      const record = this.findOrAdd(call, number, db);
      return field.add(record, db.newestSlot(record), n);
    }
    this.hashValue(call, 3, name, target);
    const { low, high } = db.hash;
    const n = sign * (call.has(4) ? readAmount(call, 4, name, target, MOST_OF_A_VALUE) : 1);
    const record = this.findOrAdd(call, number, db);
    field.addValue(record, db.newestSlot(record), low, high, n);
  }

  /** Arguments: the field, the key, and for countmin perhaps a value. */
  private ask(call: Call, name: "twGet" | "twGetCurrent"): number {
    const number = this.fieldNumber(call);
    const target = this.targets[Math.abs(number)];
    if (!target) return 0;
    const { db, field } = target;
    const isOfValue = field instanceof FrequencyField && call.has(3);
    if (isOfValue) this.hashValue(call, 3, name, target);
    const { low, high } = db.hash;
    const record = this.findRecord(call, number, db);
    if (record === 0) return 0;
    if (name === "twGet") return isOfValue ? field.totalOf(record, low, high) : field.total(record);
    const slot = db.newestSlot(record);
    return isOfValue ? field.inSlotOf(record, slot, low, high) : field.inSlot(record, slot);
  }

  private windows(call: Call): LuaTable {
    const number = this.fieldNumber(call);
    const target = this.targets[Math.abs(number)];
    if (!target) return new Map();
    const { db, field } = target;
    const isOfValue = field instanceof FrequencyField && call.has(3);
    if (isOfValue) this.hashValue(call, 3, "twGetWindows", target);
    const { low, high } = db.hash;
    const record = this.findRecord(call, number, db);
    const counts =
      record === 0
        ? Array.from({ length: db.shape.windows }, () => 0)
        : db
            .slots(record)
            .map((slot) => (isOfValue ? field.inSlotOf(record, slot, low, high) : field.inSlot(record, slot)));
    return new Map(counts.map((count, i) => [i + 1, count]));
  }

  /** Arguments: the db, and the key. */
  private reset(call: Call): boolean {
    const number = this.fieldNumber(call);
    const db = this.dbs[Math.abs(number)];
    if (!db) return false;
    this.readKey(call, number < 0, db);
    return db.reset(this.keyBytes, this.keyAt, this.keyLength);
  }

  /** Arguments: the field, and the key. */
  private resetField(call: Call): void {
    const number = this.fieldNumber(call);
    const target = this.targets[Math.abs(number)];
    const record = target ? this.findRecord(call, number, target.db) : 0;
    if (record === 0) return;
    target!.field.clear(record);
    target!.db.changes++;
  }

  private fieldNumber(call: Call): number {
    return call.state.api.lua_tonumberx(call.thread, 1, 0);
  }

  private findRecord(call: Call, number: number, db: StatsDb): number {
    this.readKey(call, number < 0, db);
    return db.find(this.keyBytes, this.keyAt, this.keyLength);
  }

  private findOrAdd(call: Call, number: number, db: StatsDb): number {
    this.readKey(call, number < 0, db);
    return db.findOrAdd(this.keyBytes, this.keyAt, this.keyLength);
  }

  /** The second argument: a string or number, or the bytes of an address, which stands for its network. */
  private readKey({ state, thread }: Call, isAddress: boolean, db: StatsDb): void {
    const at = state.locate(thread, 2);
    const length = state.locatedLength;
    const heap = state.heap();
    if (isAddress) {
      this.keyBytes = this.addressKey;
      this.keyAt = 0;
      this.keyLength = length === 4 ? writeIPv4(heap, at, db.v4Prefix, this.addressKey) : this.writeIPv6(heap, at, db);
      return;
    }
    this.keyBytes = heap;
    this.keyAt = at;
    this.keyLength = length;
  }

  private writeIPv6(heap: Buffer, at: number, { v6Prefix }: StatsDb): number {
    const network = maskBytes(heap.toString("latin1", at, at + 16) as ByteString, v6Prefix);
    return this.addressKey.write(`${formatAddress(network)}/${v6Prefix}`, "latin1");
  }

  /** Hashes a value into the hash of the db. A whole number is the same with a fraction of 0. @throws {LuaError} */
  private hashValue({ state, thread }: Call, position: number, name: string, target: Target): void {
    const isNumber = state.api.lua_type(thread, position) === Type.number;
    const at = state.locate(thread, position);
    if (at === 0) {
      const expected = `string, number or ComboAddress expected, got ${state.typeName(thread, position)}`;
      throw wrongUse(name, target, expected);
    }
    const heap = state.heap();
    const length = state.locatedLength;
    const fraction = isNumber && heap.toString("latin1", at + length - 2, at + length) === ".0" ? 2 : 0;
    target.db.hash.hash(heap, at, length - fraction);
  }
}

/** A whole number; what is behind the point is cut off, as the reference does. */
function readAmount({ state, thread }: Call, position: number, name: string, target: Target, most: number): number {
  const value = state.number(thread, position);
  if (value === undefined) {
    throw wrongUse(name, target, `number expected, got ${state.typeName(thread, position)}`);
  }
  const whole = Math.trunc(value);
  if (!(Math.abs(whole) <= most)) throw wrongUse(name, target, `number of at most ${most} expected, got ${value}`);
  return whole;
}

const wrongUse = (name: string, { db, field }: Target, problem: string): LuaError =>
  new LuaError(
    `${name}: db ${JSON.stringify(db.shape.name)}, field ${JSON.stringify(field.name)} (${field.shape.kind}): ${problem}`,
  );

/** Writes `192.0.2.0/24`. @returns its length */
function writeIPv4(heap: Buffer, at: number, prefix: number, to: Buffer): number {
  let length = 0;
  const write = (number: number): void => {
    if (number >= 100) to[length++] = 0x30 + Math.floor(number / 100);
    if (number >= 10) to[length++] = 0x30 + (Math.floor(number / 10) % 10);
    to[length++] = 0x30 + (number % 10);
  };
  for (let i = 0; i < 4; i++) {
    if (i > 0) to[length++] = 0x2e;
    const left = Math.min(Math.max(prefix - i * 8, 0), 8);
    write(heap[at + i]! & (0xff00 >> left));
  }
  to[length++] = 0x2f;
  write(prefix);
  return length;
}
