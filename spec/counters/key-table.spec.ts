import { describe, expect, test } from "bun:test";

import { Blocks } from "../../lib/counters/blocks.ts";
import { HEADER_WORDS, KeyTable } from "../../lib/counters/key-table.ts";
import { KeyedHash } from "../../lib/counters/keyed-hash.ts";
import { property, type Random } from "../support/random.ts";

const tableOf = (blocks: Blocks, recordWords = HEADER_WORDS): KeyTable =>
  new KeyTable(new KeyedHash(new Uint8Array(8)), blocks, recordWords);

const find = (table: KeyTable, key: Uint8Array): number => table.find(key, 0, key.length);

/** The table against a Map, whose order is that of last use. */
function compare(random: Random, recordWords: number, operations: number, alphabet: number): void {
  const blocks = new Blocks();
  const table = tableOf(blocks, recordWords);
  const model = new Map<string, number>();
  for (let i = 0; i < operations; i++) {
    const key = Buffer.from(`key ${random.below(alphabet)}`);
    const name = key.toString();
    const found = find(table, key);
    expect(found).toBe(model.get(name) ?? 0);
    if (found === 0) {
      const record = table.insert();
      expect([
        ...table.words(record).subarray(table.at(record) + HEADER_WORDS, table.at(record) + recordWords),
      ]).toEqual(Array.from({ length: recordWords - HEADER_WORDS }, () => 0));
      table.words(record).fill(i, table.at(record) + HEADER_WORDS, table.at(record) + recordWords);
      model.set(name, record);
    } else if (random.chance(0.3)) {
      table.remove(found);
      model.delete(name);
    } else {
      table.touch(found);
      model.delete(name);
      model.set(name, found);
    }
  }
  const records: number[] = [];
  for (let record = table.oldest; record !== 0; record = table.newer(record)) records.push(record);
  expect(records).toEqual([...model.values()]);
  expect([table.size, table.newest]).toEqual([model.size, records.at(-1) ?? 0]);
  for (const record of records) table.remove(record);
  expect([table.size, table.oldest, table.newest, blocks.used]).toEqual([0, 0, 0, 0]);
}

describe("keys in the order of last use", () => {
  property("are those of a model", 4, (random) => compare(random, HEADER_WORDS + 2, 3000, 400));
  property("also when few are left", 4, (random) => compare(random, HEADER_WORDS + 6, 1000, 3));
  property("also when a record is larger than a chunk", 1, (random) => compare(random, 70_000, 40, 10));
});

describe("a key", () => {
  test("of any bytes and length is told from all others, long ones by the hash of the whole", () => {
    const blocks = new Blocks();
    const table = tableOf(blocks);
    const keys = [
      ...["", "\0", "\0\0", "a", "a\0", "\xff"].map((text) => Buffer.from(text, "latin1")),
      ...[255, 256, 257, 258, 5000].map((length) => Buffer.alloc(length, "x")),
      Buffer.concat([Buffer.alloc(5000, "x"), Buffer.from("y")]),
    ];
    const records = keys.map((key) => {
      expect(find(table, key)).toBe(0);
      return table.insert();
    });
    expect(new Set(records).size).toBe(keys.length);
    expect(keys.map((key) => find(table, key))).toEqual(records);
    expect(blocks.used * 4).toBeLessThan(5000);
  });
});

test("ten thousand keys are all found, and room that became free is used again", () => {
  const blocks = new Blocks();
  const table = tableOf(blocks);
  const keys = Array.from({ length: 10_000 }, (_, i) => Buffer.from(`user${i}@example.com`));
  const insertAll = (): number[] => keys.map((key) => find(table, key) || table.insert());
  const records = insertAll();
  const memory = [table.memory, blocks.used];
  for (const record of records) table.remove(record);
  insertAll();
  expect([table.memory, blocks.used]).toEqual(memory);
  expect(keys.every((key) => find(table, key) !== 0)).toBeTrue();
});
