import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Counters } from "../../lib/counters/counters.ts";
import type { FieldShape } from "../../lib/counters/field.ts";
import { SnapshotFile } from "../../lib/counters/snapshot-file.ts";
import { SnapshotWriter } from "../../lib/counters/snapshot.ts";
import { Log } from "../../lib/log/log.ts";
import { add, addDb, contentOf, COUNT_MIN, countersOf, HLL, INT, keysOf, totalOf } from "../support/counters.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { JumpingClock } from "../support/jumping-clock.ts";
import { property, Random } from "../support/random.ts";

const START = Date.UTC(2026, 2, 1);
const FIELDS = { sum: INT, different: HLL, often: COUNT_MIN };

/** Counts all sorts of things: few and many values, several windows. */
function fill(random: Random, counters: Counters, operations: number): void {
  const db = counters.dbs.get("db")!;
  for (let i = 0; i < operations; i++) {
    const key = random.chance(0.2) ? "busy" : random.text(12);
    const field = random.pick(Object.keys(FIELDS));
    add(db, key, field, field === "sum" ? random.below(100) - 20 : `value ${random.below(300)}`, random.below(5));
  }
}

/** The file that a snapshot is. @param meanwhile what happens after so many steps */
function snapshotOf(counters: Counters, time: number, meanwhile = (): void => {}): Buffer {
  const writer = new SnapshotWriter(counters, time);
  const pieces: Buffer[] = [];
  for (;;) {
    const next = writer.next(() => true);
    pieces.push(...next.pieces);
    if (next.last) return Buffer.concat(pieces);
    meanwhile();
  }
}

interface Opened {
  logs: string[];
  counters: Counters;
}

/** What a start with this file finds. The key of its hashes is another one than that of the file. */
function load(
  folder: string,
  file: Buffer,
  time = START,
  fields: Record<string, FieldShape> = FIELDS,
  window = 60,
): Opened {
  writeFileSync(join(folder, "counters.bin"), file);
  const clock = new JumpingClock(time);
  const counters = new Counters(clock);
  addDb(counters, fields, window);
  const logs: string[] = [];
  SnapshotFile.open(folder, counters, { clock, log: new Log({ sink: (line) => logs.push(line) }) });
  return { logs, counters };
}

const dbOf = ({ counters }: Opened) => counters.dbs.get("db")!;

/** A snapshot with something of everything, and what is in it. */
function sample(operations = 300): { file: Buffer; content: unknown } {
  const counters = countersOf(new JumpingClock(START));
  const db = addDb(counters, FIELDS);
  fill(new Random(7), counters, operations);
  const content = contentOf(db);
  return { file: snapshotOf(counters, START), content };
}

describe("a snapshot", () => {
  for (const seed of [1, 2, 3]) {
    test(`gives back what there was, in the order of last use, and goes on counting the same values (${seed})`, async () => {
      using folder = temporaryFolder();
      const random = new Random(seed);
      const clock = new JumpingClock(START);
      const counters = countersOf(clock);
      const db = addDb(counters, FIELDS);
      for (let minute = 0; minute < 9; minute++) {
        await clock.advanceTo(START + minute * 60_000);
        fill(random, counters, 200);
      }
      const file = snapshotOf(counters, clock.now());
      const opened = load(folder.path, file, clock.now());
      expect(opened.logs).toEqual([]);
      const again = dbOf(opened);
      expect(contentOf(again)).toEqual(contentOf(db));
      for (const some of [db, again]) for (let i = 0; i < 30; i++) add(some, "busy", "different", `value ${i}`);
      expect(contentOf(again)).toEqual(contentOf(db));
    });
  }

  property("is what there was when it began, whatever happens while it is written", 6, (random) => {
    using folder = temporaryFolder();
    const counters = countersOf(new JumpingClock(START));
    const db = addDb(counters, FIELDS);
    db.maxKeys = 60;
    fill(random, counters, 300);
    const before = new Map(contentOf(db) as [string, unknown][]);
    const keys = [...before.keys()];
    const used = new Set<string>();
    const file = snapshotOf(counters, START, () => {
      const key = random.pick(keys);
      if (random.chance(0.1)) fill(random, counters, 1);
      if (random.chance(0.3)) add(db, key, "sum", 1);
      if (random.chance(0.1)) db.reset(Buffer.from(key), 0, Buffer.byteLength(key));
      used.add(key);
    });
    const opened = load(folder.path, file);
    expect(opened.logs).toEqual([]);
    const after = new Map(contentOf(dbOf(opened)) as [string, unknown][]);
    expect(new Map([...after].toSorted())).toEqual(new Map([...before].toSorted()));
    // Those that nothing happened to have kept their order.
    const untouched = (all: Iterable<string>): string[] => [...all].filter((key) => !used.has(key));
    const left = untouched(keysOf(db));
    expect(untouched(after.keys()).filter((key) => left.includes(key))).toEqual(left.filter((key) => before.has(key)));
  });

  test("grows older while the daemon is away, and only then", async () => {
    using folder = temporaryFolder();
    const clock = new JumpingClock(START);
    const counters = countersOf(clock);
    const db = addDb(counters, FIELDS);
    add(db, "joe", "sum", 1);
    await clock.advanceTo(START + 120_000);
    add(db, "joe", "sum", 2);
    const file = snapshotOf(counters, clock.now());
    const sumAfter = (milliseconds: number): number =>
      totalOf(dbOf(load(folder.path, file, START + 120_000 + milliseconds)), "joe", "sum");
    expect([0, 239_999, 240_000, 359_999, 360_000].map(sumAfter)).toEqual([3, 3, 2, 2, 0]);
    // A clock that was set back.
    expect(sumAfter(-86_400_000)).toBe(3);
    expect(dbOf(load(folder.path, file, START + 480_000)).size).toBe(0);
  });

  test("of a daemon whose clock was set while it ran is as old as it is", async () => {
    using folder = temporaryFolder();
    const clock = new JumpingClock(0);
    const counters = countersOf(clock);
    add(addDb(counters, FIELDS), "joe", "sum", 1);
    clock.jump(START);
    await clock.advanceTo(30_000);
    const file = snapshotOf(counters, clock.now());
    expect(totalOf(dbOf(load(folder.path, file, clock.now() + 300_000)), "joe", "sum")).toBe(1);
    expect(totalOf(dbOf(load(folder.path, file, clock.now() + 330_000)), "joe", "sum")).toBe(0);
  });
});

describe("a file that cannot be used is said in one line, and the db begins empty:", () => {
  test("cut anywhere", () => {
    using folder = temporaryFolder();
    const { file, content } = sample();
    expect(file.length).toBeGreaterThan(5000);
    for (let end = 0; end < file.length; end += 100) {
      const opened = load(folder.path, file.subarray(0, end));
      expect([end, opened.logs.length, dbOf(opened).size]).toEqual([end, 1, 0]);
      expect(opened.logs[0]).toMatch(
        /^counters: \S+\/counters\.bin cannot be used: it is (no snapshot of counters|damaged|cut off); all begin empty$/,
      );
    }
    expect(contentOf(dbOf(load(folder.path, file)))).toEqual(content);
  });

  property("with a byte that is another one", 60, (random) => {
    using folder = temporaryFolder();
    const file = Buffer.from(small);
    const at = random.below(file.length);
    file[at] = file[at]! ^ (1 << random.below(8));
    const opened = load(folder.path, file);
    expect([at, opened.logs.length, dbOf(opened).size]).toEqual([at, 1, 0]);
  });

  property("of any bytes behind a right checksum", 60, (random) => {
    using folder = temporaryFolder();
    // Frames of random content, after those that a file has to begin with.
    const frame = (content: Uint8Array): Buffer => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(content.length, 0);
      header.writeUInt32LE(Bun.hash.crc32(content), 4);
      return Buffer.concat([header, content]);
    };
    const framesEnd = random.pick([16, firstFrames(1), firstFrames(2)]);
    const content = Uint8Array.of(random.below(5), ...random.bytes(1 + random.below(200)));
    const opened = load(folder.path, Buffer.concat([small.subarray(0, framesEnd), frame(content)]));
    expect([opened.logs.length, dbOf(opened).size]).toEqual([1, 0]);
  });

  test("of a newer version", () => {
    using folder = temporaryFolder();
    const file = Buffer.from(small);
    file.writeUInt32LE(2, 12);
    const opened = load(folder.path, file);
    expect(opened.logs).toEqual([
      `counters: ${folder.path}/counters.bin cannot be used: it is of version 2, this program reads 1; all begin empty`,
    ]);
    expect(dbOf(opened).size).toBe(0);
  });

  test.each<[string, Record<string, FieldShape>, number, string]>([
    ["another kind", { sum: HLL }, 60, '"db" has no such fields any more: "sum" (int)'],
    ["another window", { sum: INT }, 30, '"db" had 6 windows of 60 s, and begins empty'],
  ])("of a db that has %s now", (_, fields, window, problem) => {
    using folder = temporaryFolder();
    const counters = countersOf(new JumpingClock(START));
    add(addDb(counters, { sum: INT }), "joe", "sum", 1);
    const opened = load(folder.path, snapshotOf(counters, START), START, fields, window);
    expect(opened.logs).toEqual([`counters: ${folder.path}/counters.bin: ${problem}`]);
    expect(dbOf(opened).size).toBe(0);
  });

  test("of a db that is none any more", () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "counters.bin"), small);
    const clock = new JumpingClock(START);
    const logs: string[] = [];
    SnapshotFile.open(folder.path, countersOf(clock), { clock, log: new Log({ sink: (line) => logs.push(line) }) });
    expect(logs).toEqual([`counters: ${folder.path}/counters.bin: "db" is none of the configuration's`]);
  });

  test("a folder in its place, or one that may not be read", () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "counters.bin"));
    const clock = new JumpingClock(START);
    const logs: string[] = [];
    SnapshotFile.open(folder.path, countersOf(clock), { clock, log: new Log({ sink: (line) => logs.push(line) }) });
    expect(logs.length).toBe(1);
    expect(logs[0]).toContain("counters.bin cannot be");
  });
});

test("fields that are the same are kept when others are added", () => {
  using folder = temporaryFolder();
  const counters = countersOf(new JumpingClock(START));
  const db = addDb(counters, { different: HLL, sum: INT });
  for (let i = 0; i < 20; i++) add(db, `user${i}`, "different", i);
  add(db, "user3", "sum", 5);
  const fields = { another: COUNT_MIN, different: HLL, other: INT, sum: INT };
  const opened = load(folder.path, snapshotOf(counters, START), START, fields);
  expect(opened.logs).toEqual([]);
  expect(keysOf(dbOf(opened)).length).toBe(20);
  const totals = Object.keys(fields).map((name) => totalOf(dbOf(opened), "user3", name));
  expect(totals).toEqual([0, 1, 0, 5]);
});

test.each<[string, Record<string, FieldShape>, string]>([
  ["a field that is gone", { different: HLL, often: COUNT_MIN }, '"sum" (int)'],
  ["one of another kind", { sum: HLL, different: HLL, often: COUNT_MIN }, '"sum" (int)'],
  ["one of many values that is gone", { sum: INT, often: COUNT_MIN }, '"different" (hll of 6 bits)'],
  ["one of another exactness", { ...FIELDS, different: { kind: "hll", bits: 8 } }, '"different" (hll of 6 bits)'],
  ["one that was counted by value", { sum: INT, different: HLL }, '"often" (countmin of 2 × 55)'],
])("%s costs the others nothing, and is said in one line", (_, fields, gone) => {
  using folder = temporaryFolder();
  const counters = countersOf(new JumpingClock(START));
  const db = addDb(counters, FIELDS);
  fill(new Random(7), counters, 500);
  const opened = load(folder.path, snapshotOf(counters, START), START, fields);
  expect(opened.logs).toEqual([`counters: ${folder.path}/counters.bin: "db" has no such fields any more: ${gone}`]);
  expect(keysOf(dbOf(opened))).toEqual(keysOf(db));
  for (const [name, shape] of Object.entries(fields)) {
    const same = Bun.deepEquals(shape, FIELDS[name as keyof typeof FIELDS]);
    for (const key of keysOf(db)) expect(totalOf(dbOf(opened), key, name)).toBe(same ? totalOf(db, key, name) : 0);
  }
});

test("a db that is smaller now keeps the keys used last", () => {
  using folder = temporaryFolder();
  const counters = countersOf(new JumpingClock(START));
  const db = addDb(counters, FIELDS);
  for (let i = 0; i < 20; i++) add(db, `user${i}`, "sum", i);
  writeFileSync(join(folder.path, "counters.bin"), snapshotOf(counters, START));
  const clock = new JumpingClock(START);
  const again = countersOf(clock);
  addDb(again, FIELDS).maxKeys = 5;
  SnapshotFile.open(folder.path, again, { clock, log: new Log({ sink: () => {} }) });
  expect(keysOf(again.dbs.get("db")!)).toEqual(["user15", "user16", "user17", "user18", "user19"]);
});

const small = sample(40).file;

/** Where so many frames of the small file end. */
function firstFrames(count: number): number {
  let end = 16;
  for (let i = 0; i < count; i++) end += 8 + small.readUInt32LE(end);
  return end;
}

describe("the file", () => {
  const open = (stateDir: string, clock: JumpingClock, counters: Counters, logs: string[] = []): SnapshotFile =>
    SnapshotFile.open(stateDir, counters, { clock, log: new Log({ sink: (line) => logs.push(line) }) });
  /** Waits for something that the disk decides. */
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await Bun.sleep(1);
  };

  test("is written every minute when something has changed, for its owner alone, beside and renamed", async () => {
    using folder = temporaryFolder();
    const stateDir = join(folder.path, "state");
    const path = join(stateDir, "counters.bin");
    const clock = new JumpingClock(START);
    const counters = countersOf(clock);
    const db = addDb(counters, FIELDS);
    const snapshot = open(stateDir, clock, counters);
    await clock.advanceTo(START + 60_000);
    await until(() => clock.pending === 1);
    expect(existsSync(path)).toBeFalse();
    add(db, "joe", "sum", 1);
    await clock.advanceTo(START + 119_999);
    expect(existsSync(path)).toBeFalse();
    await clock.advanceTo(START + 120_000);
    await until(() => clock.pending === 1);
    expect(readdirSync(stateDir)).toEqual(["counters.bin"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
    const { ino } = statSync(path);
    await clock.advanceTo(START + 180_000);
    await until(() => clock.pending === 1);
    expect(statSync(path).ino).toBe(ino);
    add(db, "joe", "sum", 1);
    await snapshot.close();
    expect(clock.pending).toBe(0);
    const again = countersOf(clock);
    addDb(again, FIELDS);
    open(stateDir, clock, again);
    expect(totalOf(again.dbs.get("db")!, "joe", "sum")).toBe(2);
  });

  test("that cannot be written is said once, and again when it can", async () => {
    using folder = temporaryFolder();
    const logs: string[] = [];
    const clock = new JumpingClock(START);
    const counters = countersOf(clock);
    const db = addDb(counters, FIELDS);
    const stateDir = join(folder.path, "state");
    writeFileSync(stateDir, "no folder");
    const snapshot = open(stateDir, clock, counters, logs);
    logs.length = 0;
    for (let minute = 1; minute <= 3; minute++) {
      add(db, "joe", "sum", 1);
      await clock.advanceTo(START + minute * 60_000);
      await until(() => clock.pending === 1);
    }
    expect(logs.length).toBe(1);
    expect(logs[0]).toMatch(/^counters: \S+\/counters\.bin cannot be written: /);
    rmSync(stateDir);
    await snapshot.close();
    expect(logs.slice(1)).toEqual([`counters: ${join(stateDir, "counters.bin")} is written again`]);
    expect(db.watcher).toBeUndefined();
  });

  test("keeps the former snapshot until the next one is whole", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "counters.bin");
    const clock = new JumpingClock(START);
    writeFileSync(path, small);
    const counters = countersOf(clock);
    const db = addDb(counters, FIELDS);
    const snapshot = open(folder.path, clock, counters);
    mkdirSync(`${path}.new`);
    add(db, "joe", "sum", 1);
    await snapshot.close();
    expect(readFileSync(path).equals(small)).toBeTrue();
    chmodSync(path, 0o600);
  });

  test("is written in slices, between which others have their turn", async () => {
    using folder = temporaryFolder();
    const clock = new JumpingClock(START);
    const counters = countersOf(clock);
    const db = addDb(counters, FIELDS);
    for (let i = 0; i < 30_000; i++) add(db, `user${i}`, "different", i);
    let slices = 0;
    const sliced = (): void => void slices++;
    const snapshot = SnapshotFile.open(folder.path, counters, { clock, log: new Log({ sink: () => {} }), sliced });
    let turns = 0;
    let over = false;
    const closing = snapshot.close().then(() => (over = true));
    while (!over) {
      turns++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closing;
    expect(slices).toBeGreaterThan(5);
    expect(turns).toBeGreaterThan(5);
  });
});
