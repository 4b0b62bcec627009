import { describe, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Counters } from "../../lib/counters/counters.ts";
import type { FieldKind } from "../../lib/counters/string-stats-db.ts";
import { Log } from "../../lib/log/log.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { temporaryFolder } from "../support/daemon.ts";

const START = Date.UTC(2026, 2, 1);
const FIELDS: [string, FieldKind][] = [
  ["n", "int"],
  ["v", "hll"],
  ["c", "countmin"],
];
const bytes = (text: string): ByteString => text as ByteString;

function start(folder: string, { now = START, fields = FIELDS, window = 60, seed = 1 } = {}) {
  const clock = new VirtualClock(now);
  const lines: string[] = [];
  const log = new Log({ sink: (line) => lines.push(line) });
  const counters = new Counters({ clock, log, metrics: new Metrics(), seed });
  const db = counters.create("db", window, 5, new Map(fields))!;
  counters.open(folder);
  const get = (key: string, name: string, value?: string): number =>
    db.get(
      bytes(key),
      db.fields.find((field) => field.name === name)!,
      value as ByteString,
    );
  return { clock, counters, db, lines, get };
}

function fill({ db }: ReturnType<typeof start>): void {
  const [n, v, c] = db.fields;
  for (let key = 0; key < 20; key++) {
    db.addNumber(bytes(`key\0\xff${key}`), n!, key + 1);
    for (let i = 0; i < key * 10; i++) {
      db.addValue(bytes(`key\0\xff${key}`), v!, bytes(`value ${i}`));
      db.addValue(bytes(`key\0\xff${key}`), c!, bytes(`value ${i % 100}`));
    }
  }
}

const all = ({ get }: ReturnType<typeof start>): number[] =>
  Array.from({ length: 20 }, (_, i) => `key\0\xff${i}`).flatMap((key) => [
    get(key, "n"),
    get(key, "v"),
    get(key, "c"),
    get(key, "c", "value 7"),
  ]);

test("what was counted is there after a restart, and ages meanwhile", async () => {
  using folder = temporaryFolder();
  const first = start(folder.path);
  fill(first);
  const before = all(first);
  await first.counters.close();
  expect(statSync(join(folder.path, "counters.bin")).mode & 0o777).toBe(0o600);
  const second = start(folder.path, { now: START + 60_000, seed: 99 });
  expect(second.lines).toEqual([]);
  expect(all(second)).toEqual(before);
  const field = second.db.fields[1]!;
  second.db.addValue(bytes("key\0\xff3"), field, bytes("value 0"));
  expect(second.get("key\0\xff3", "v")).toBe(30);
  await second.counters.close();
  const late = start(folder.path, { now: START + 6 * 60_000 });
  expect(late.get("key\0\xff9", "n")).toBe(0);
  // Counted in the second life, a minute after the others.
  await late.counters.close();
});

test("a snapshot is written every minute, and a clock that was set back makes nothing younger than it is", async () => {
  using folder = temporaryFolder();
  const first = start(folder.path);
  fill(first);
  await first.clock.advanceTo(START + 60_001);
  while (!(await Bun.file(join(folder.path, "counters.bin")).exists()))
    await first.clock.advanceTo(first.clock.now() + 1);
  const back = start(folder.path, { now: START - 86_400_000 });
  expect(all(back)).toEqual(all(first));
  await first.counters.close();
  await back.counters.close();
});

test("fields that are the same are kept when others are added, other windows begin empty and say so", async () => {
  using folder = temporaryFolder();
  const first = start(folder.path);
  fill(first);
  await first.counters.close();
  const more = start(folder.path, {
    fields: [
      ["x", "hll"],
      ["n", "int"],
      ["v", "int"],
    ],
  });
  expect([more.get("key\0\xff7", "n"), more.get("key\0\xff7", "v"), more.get("key\0\xff7", "x")]).toEqual([8, 0, 0]);
  expect(more.lines).toEqual([]);
  const other = start(folder.path, { window: 30 });
  expect(other.db.size).toBe(0);
  expect(other.lines).toEqual([expect.stringContaining("5 windows of 60 s, and now have 5 of 30 s")]);
});

describe("a file that cannot be used", () => {
  test("cut at every hundredth byte, or with a byte that has changed, is one line of the log and an empty db", async () => {
    using folder = temporaryFolder();
    const first = start(folder.path);
    fill(first);
    await first.counters.close();
    const file = join(folder.path, "counters.bin");
    const whole = readFileSync(file);
    for (let end = 0; end < whole.length; end += 100) {
      writeFileSync(file, whole.subarray(0, end));
      const { db, lines } = start(folder.path);
      expect([end, db.size, lines.length]).toEqual([end, 0, 1]);
      const changed = Buffer.from(whole);
      changed[end] = changed[end]! ^ 0x10;
      writeFileSync(file, changed);
      const other = start(folder.path);
      expect([end, other.db.size, other.lines.length]).toEqual([end, 0, 1]);
    }
  });

  test("of a newer version, or of another program, is named", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "counters.bin");
    for (const [text, problem] of [
      ["TACOUNT9 and more", "written by a newer version"],
      ["#!/bin/sh\necho", "no snapshot of counters"],
    ] as const) {
      writeFileSync(file, text);
      expect(start(folder.path).lines).toEqual([`${file}: ${problem}: counters begin empty`]);
    }
  });

  test("that cannot be written costs no counter", async () => {
    using folder = temporaryFolder();
    const { counters, lines, db } = start(join(folder.path, "file"));
    writeFileSync(join(folder.path, "file"), "");
    db.addNumber(bytes("k"), db.fields[0]!, 1);
    await counters.close();
    expect(lines).toEqual([expect.stringMatching(/not written: (EEXIST|ENOTDIR)/)]);
    expect(db.size).toBe(1);
  });
});
