/** What the prelude (counters.lua) asks of the host. */
import type { Counters } from "../../counters/counters.ts";
import { DistinctField } from "../../counters/distinct-field.ts";
import { FrequencyField } from "../../counters/frequency-field.ts";
import { IntField } from "../../counters/int-field.ts";
import { LONGEST_NETWORK, writeNetwork } from "../../counters/network-key.ts";
import type { AnyField, StatsDb } from "../../counters/stats-db.ts";
import { toByteString, toText } from "../../text/byte-string.ts";
import type { Call, HostFunction, Returned } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import { LuaError, type LuaTable } from "../state.ts";
import { Type } from "../wasm.ts";

const MOST_KEYS = 100_000_000;
/** What a 32-bit counter of countmin holds. */
const MOST_OF_A_VALUE = 0x7fffffff;
/** Characters of a name that a policy made up. */
const LONGEST_REPORTED = 200;

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
  /** What {@link find} has answered. */
  private readonly found = new Map<StatsDb, [number: number, fields: LuaTable]>();
  private readonly addressKey = Buffer.alloc(LONGEST_NETWORK);
  /** The key of the call: so many bytes, and where they begin. */
  private keyBytes: Uint8Array = this.addressKey;
  private keyAt = 0;
  private keyLength = 0;

  constructor(
    private readonly counters: Counters,
    private readonly complaints: Complaints,
  ) {}

  /** @param allowed whether what is for the configuration may act now; if not, it has told that */
  functions(allowed: (name: string) => boolean): Record<string, HostFunction> {
    const setting = (
      name: string,
      least: number,
      most: number,
      set: (db: StatsDb, n: number) => void,
    ): HostFunction => ({
      name,
      level: 2,
      self: 1,
      body: (call) => {
        if (!allowed(name)) return;
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
      enable_replication: asking("twEnableReplication", () => void allowed("twEnableReplication")),
    };
  }

  /** Answers the number of a db and the numbers of its fields by name; nothing when there is no such db. */
  private find(call: Call): Returned {
    const name = call.text(1);
    const db = this.counters.dbs.get(name);
    if (!db) {
      const shown = JSON.stringify(name.slice(0, LONGEST_REPORTED));
      return this.complaints.tellOnce(`getStringStatsDB: no db is named ${shown}: newStringStatsDB() makes one`);
    }
    let found = this.found.get(db);
    if (!found) {
      const fields: LuaTable = new Map();
      for (const field of db.fields) fields.set(toByteString(field.name), this.targets.push({ db, field }) - 1);
      this.found.set(db, (found = [this.dbs.push(db) - 1, fields]));
    }
    return found;
  }

  /** Arguments: the db, what was given for a field, and the name of the function. */
  private noField(call: Call): Returned {
    const name = toText(call.bytes(3));
    if (call.state.api.lua_type(call.thread, 2) !== Type.string) {
      throw new LuaError(`bad argument #2 to '${name}' (string expected, got ${call.state.typeName(call.thread, 2)})`);
    }
    const { shape } = this.dbs[call.number(1)]!;
    const field = JSON.stringify(call.text(2).slice(0, LONGEST_REPORTED));
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
      this.keyLength = writeNetwork(heap, at, length, length === 4 ? db.v4Prefix : db.v6Prefix, this.addressKey);
      return;
    }
    this.keyBytes = heap;
    this.keyAt = at;
    this.keyLength = length;
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
