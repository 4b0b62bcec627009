import { countMinShape } from "../../lib/counters/count-min.ts";
import { Counters } from "../../lib/counters/counters.ts";
import { DistinctField } from "../../lib/counters/distinct-field.ts";
import type { FieldShape } from "../../lib/counters/field.ts";
import { FrequencyField } from "../../lib/counters/frequency-field.ts";
import { IntField } from "../../lib/counters/int-field.ts";
import { HASH_KEY_BYTES } from "../../lib/counters/keyed-hash.ts";
import type { StatsDb } from "../../lib/counters/stats-db.ts";
/** Counters for specs: keys and values as texts. */
import type { Clock } from "../../lib/time/clock.ts";

export const INT: FieldShape = { kind: "int" };
export const HLL: FieldShape = { kind: "hll", bits: 6 };
export const COUNT_MIN: FieldShape = { kind: "countmin", ...countMinShape(0.05, 0.2) };

/** Counters whose hashes are the same in each run. */
export const countersOf = (clock: Clock): Counters => new Counters(clock, new Uint8Array(HASH_KEY_BYTES));

export function addDb(counters: Counters, fields: Record<string, FieldShape>, window = 60, windows = 6): StatsDb {
  return counters.create({ name: "db", window, windows, fields: new Map(Object.entries(fields)) });
}

/** Counts a value, or so many of an int. */
export function add(db: StatsDb, key: string, name: string, value: string | number, times = 1): void {
  const field = db.fields.find((candidate) => candidate.name === name)!;
  const [bytes, valueBytes] = [Buffer.from(key), Buffer.from(String(value))];
  db.hash.hash(valueBytes, 0, valueBytes.length);
  const { low, high } = db.hash;
  const record = db.findOrAdd(bytes, 0, bytes.length);
  const slot = db.newestSlot(record);
  if (field instanceof IntField) field.add(record, slot, Number(value));
  else field.addValue(record, slot, low, high, times);
}

/** What there is of a key in each window, newest first, and then over all; undefined when there is no such key. */
export function countsOf(db: StatsDb, key: string, name: string, value?: string): number[] | undefined {
  const field = db.fields.find((candidate) => candidate.name === name)!;
  const bytes = Buffer.from(key);
  const valueBytes = Buffer.from(value ?? "");
  db.hash.hash(valueBytes, 0, valueBytes.length);
  const { low, high } = db.hash;
  const record = db.find(bytes, 0, bytes.length);
  if (record === 0) return undefined;
  if (field instanceof DistinctField || value === undefined) {
    return [...db.slots(record).map((slot) => field.inSlot(record, slot)), field.total(record)];
  }
  if (!(field instanceof FrequencyField)) throw new Error(`${name} counts no values`);
  return [...db.slots(record).map((slot) => field.inSlotOf(record, slot, low, high)), field.totalOf(record, low, high)];
}

export const totalOf = (db: StatsDb, key: string, name: string, value?: string): number =>
  countsOf(db, key, name, value)?.at(-1) ?? 0;

/** The keys, the one used longest ago first. */
export function keysOf(db: StatsDb): string[] {
  const keys: string[] = [];
  const { table } = db;
  for (let record = table.oldest; record !== 0; record = table.newer(record)) keys.push(table.key(record).toString());
  return keys;
}

/** All that a db holds, in the order of last use. */
export const contentOf = (db: StatsDb): unknown =>
  keysOf(db).map((key) => [key, db.fields.map(({ name }) => countsOf(db, key, name))]);
