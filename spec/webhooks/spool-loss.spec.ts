/** What becomes of events when the spool's file goes, is damaged, or cannot be used, while the daemon runs. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import type { Attempt, Outcome } from "../../lib/webhooks/attempt.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { START, startDelivery, type TestDelivery } from "../support/webhooks.ts";

const HOOKS = { a: "http://a/", b: "http://b/" };
const FILE = "webhooks.sqlite";
const hang = (): Promise<Outcome> => new Promise(() => {});
const fail = async (): Promise<Outcome> => ({ kind: "failed", reason: "no" });
const MINUTE = 60_000;

/** Starts again in a folder. @returns the bodies that the spool had */
function bodiesIn(folder: string): string[] {
  using after = startDelivery({ hooks: HOOKS, folder, attempt: hang });
  const { events } = after.delivery;
  return [...events.queue].map((entry) => events.body(entry)!.toString()).toSorted();
}

test("a state directory that is moved away and back is used again, and stays locked", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "state");
  const away = join(folder.path, "away");
  {
    let works = false;
    const attempt = async (): Promise<Outcome> =>
      works ? { kind: "delivered" } : { kind: "failed", reason: "no", retryAfter: MINUTE };
    using test = startDelivery({ hooks: HOOKS, folder: path, attempt });
    test.send("a", "before");
    await test.delivery.drain();
    renameSync(path, away);
    writeFileSync(path, "in the way, so that no new one can be begun");
    test.send("b", "meanwhile");
    await test.clock.advanceTo(START + 50);
    expect(test.logs.at(-1)).toContain("events are kept in memory alone until it can");
    rmSync(path);
    renameSync(away, path);
    await test.clock.advanceTo(START + MINUTE + 50);
    expect(test.logs).toContain(`webhooks: ${path}/${FILE} is used again`);
    const other = `new (require("bun:sqlite").Database)(${JSON.stringify(join(path, FILE))}).query("select * from events").get()`;
    const { stderr } = Bun.spawnSync([process.execPath, "-e", other]);
    expect(stderr.toString()).toContain("SQLITE_BUSY");
    works = true;
    await test.runUntil(() => test.delivery.events.queue.size === 0);
    await test.clock.advanceTo(test.clock.now() + 50);
    test.send("b", "last");
    works = false;
  }
  expect(bodiesIn(path)).toEqual(["last"]);
});

test("events that a new file has no room for are kept in memory", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "state");
  {
    using before = startDelivery({ hooks: HOOKS, folder: path, attempt: hang });
    for (let i = 0; i < 20; i++) before.send("a", `${i} ${"x".repeat(8000)}`);
  }
  using test = startDelivery({ hooks: HOOKS, folder: path, attempt: hang, settings: { spoolBytes: 96 * 1024 } });
  rmSync(path, { recursive: true });
  test.send("b", "new");
  await test.clock.advanceTo(START + 50);
  const { events } = test.delivery;
  expect(events.queue.size).toBe(21);
  for (const [i, entry] of [...events.queue].slice(0, 20).entries()) {
    expect(events.body(entry)!.toString()).toStartWith(`${i} x`);
  }
});

describe("a state directory that is removed while it is used", () => {
  const remove = (path: string): void => rmSync(path, { recursive: true });

  test.each([
    ["removed", remove],
    ["renamed", (path: string): void => renameSync(path, `${path}.old`)],
  ])("(%s) is begun anew with all events, those too that were in the spool alone", async (_, away) => {
    using folder = temporaryFolder();
    const path = join(folder.path, "state");
    {
      using test = startDelivery({ hooks: HOOKS, folder: path, attempt: fail });
      test.send("a", "released"); // a retry: its body is in the spool alone
      await test.delivery.drain();
      expect([...test.delivery.events.queue][0]!.body).toBeUndefined();
      away(path);
      test.send("b", "in memory");
      await test.clock.advanceTo(START + 50);
      expect(test.logs).toContain(`webhooks: ${path}/${FILE} was removed or replaced while it was in use`);
      expect(test.logs).toContain(`webhooks: 2 of 2 events are in ${path}/${FILE} now`);
      test.send("b", "new");
      // The former file is closed, and has not taken the new one's log with it.
      expect(existsSync(join(path, `${FILE}-wal`))).toBeTrue();
    }
    expect(bodiesIn(path)).toEqual(["in memory", "new", "released"]);
  });

  test("is noticed at the end too: what the last line says is true", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "state");
    const before = startDelivery({ hooks: HOOKS, folder: path, attempt: hang });
    before.send("a", "1");
    remove(path);
    before.delivery.close();
    expect(before.logs).toContain(`webhooks: 1 events wait in ${path}/${FILE} for the next start`);
    expect(bodiesIn(path)).toEqual(["1"]);
  });

  test("and cannot be made anew is tried again each minute", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "state");
    {
      using test = startDelivery({ hooks: HOOKS, folder: path, attempt: hang });
      test.send("a", "1");
      remove(path);
      writeFileSync(path, "in the way");
      await test.clock.advanceTo(START + 5 * MINUTE);
      const reports = test.logs.filter((line) => line.includes("cannot be used"));
      expect(reports).toHaveLength(1);
      rmSync(path);
      await test.clock.advanceTo(START + 7 * MINUTE);
      expect(test.logs.at(-1)).toBe(`webhooks: 1 of 1 events are in ${path}/${FILE} now`);
    }
    expect(bodiesIn(path)).toEqual(["1"]);
  });

  test("and is replaced by a copy of itself has each event once", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "state");
    {
      using before = startDelivery({ hooks: HOOKS, folder: path, attempt: hang });
      before.send("a", "1");
    }
    {
      using test = startDelivery({ hooks: HOOKS, folder: path, attempt: hang });
      const file = join(path, FILE);
      writeFileSync(`${file}.copy`, readFileSync(file));
      test.send("a", "2");
      rmSync(`${file}-wal`);
      renameSync(`${file}.copy`, file);
      await test.clock.advanceTo(START + 50);
      expect(test.delivery.events.queue.size).toBe(2);
    }
    expect(bodiesIn(path)).toEqual(["1", "2"]);
  });
});

describe("a file that is damaged while it is used", () => {
  const large = "x".repeat(100_000);

  /** Fills a spool with 200 events, starts again, and overwrites the second half of the file. */
  function damage(folder: string, attempt: Attempt): TestDelivery {
    {
      using before = startDelivery({ hooks: HOOKS, folder, attempt: hang });
      for (let i = 0; i < 200; i++) before.send("a", large);
    }
    const test = startDelivery({ hooks: HOOKS, folder, attempt });
    const file = join(folder, FILE);
    const half = Math.floor(statSync(file).size / 4096 / 2) * 4096;
    const open = openSync(file, "r+");
    writeSync(open, Buffer.alloc(half, 0xff), 0, half, half);
    closeSync(open);
    return test;
  }

  test("is replaced at once by a new one with what can be read; the rest is counted, and the last line is true", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, FILE);
    const delivered: number[] = [];
    const test = damage(folder.path, async ({ body, headers }) => {
      if (headers["x-wforce-event"] === "b") return fail();
      delivered.push(body.length);
      return { kind: "delivered" };
    });
    for (let i = 0; i < 100; i++) test.send("b", `new ${i}`);
    await test.delivery.drain();
    const lost = 200 - delivered.length;
    expect(lost).toBeGreaterThan(50);
    expect(lost).toBeLessThan(150);
    expect(await test.metrics()).toContain(`trackalert_webhook_dropped_total{reason="spool"} ${lost}\n`);
    const lines = test.logs.filter((line) => line.startsWith("webhooks: "));
    expect(lines[0]).toMatch(/malformed: it is now \S+\.corrupt-2026\S+, and a new one is begun$/);
    const [, moved, all] = /^webhooks: (\d+) of (\d+) events are in/.exec(lines[1]!)!.map(Number);
    expect(all! - moved!).toBe(lost);
    expect(lines[2]).toBe(`webhooks: ${lost} events are lost that only the former file had`);
    test.delivery.close();
    expect(test.logs).toContain(`webhooks: 100 events wait in ${file} for the next start`);
    const bodies = bodiesIn(folder.path);
    expect(bodies).toEqual(Array.from({ length: 100 }, (_, i) => `new ${i}`).toSorted());
  });

  test("and cannot be moved aside is said to be so; the daemon goes on from memory", async () => {
    using folder = temporaryFolder();
    // As an administrator may run this, permissions would not do.
    mkdirSync(join(folder.path, `${FILE}.corrupt-2026-11-22T120000.000Z`, "full"), { recursive: true });
    let delivered = 0;
    using test = damage(folder.path, async () => (delivered++, { kind: "delivered" }));
    for (let i = 0; i < 100; i++) test.send("b", `new ${i}`);
    await test.delivery.drain();
    expect(test.logs.join("\n")).toMatch(/it cannot be moved aside \(\w+\)/);
    expect(delivered).toBeGreaterThan(150);
  });
});

describe("a file that cannot be opened", () => {
  test("as another daemon has it is opened when that one is gone, with what it left and what has come", async () => {
    using folder = temporaryFolder();
    {
      const former = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
      former.send("a", "of the former one");
      using test = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
      test.send("a", "of this one");
      former.delivery.close();
      await test.clock.advanceTo(START + MINUTE);
      expect([...test.delivery.events.queue].map(({ size }) => size)).toEqual([11, 17]);
    }
    expect(bodiesIn(folder.path)).toEqual(["of the former one", "of this one"]);
  });

  test.each([
    [
      "of a newer version",
      "create table events (id, delivery, hook, more); pragma user_version = 2",
      "newer trackalert",
    ],
    ["of another program", "create table events (id, name)", "another program's: move it away"],
    ["of another program with a version", "create table t (x); pragma user_version = 1", "another program's"],
  ])("as it is %s is reported with advice, and not touched", (_, sql, message) => {
    using folder = temporaryFolder();
    const file = join(folder.path, FILE);
    const database = new Database(file, { create: true });
    for (const statement of sql.split("; ")) database.run(statement);
    database.close();
    const before = readFileSync(file);
    {
      using test = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
      expect(test.logs.join("\n")).toContain(message);
      test.send("a", "1");
    }
    expect(readFileSync(file)).toEqual(before);
    expect(readdirSync(folder.path)).toEqual([FILE]);
  });

  test("of the time before there were versions is taken over", () => {
    using folder = temporaryFolder();
    const database = new Database(join(folder.path, FILE), { create: true });
    database.run(`create table events (id integer primary key, delivery text not null, hook text not null, body blob not null,
      created integer not null, attempts integer not null default 0, due integer not null default 0,
      problem text not null default '', dead integer not null default 0) strict`);
    database.run("insert into events (delivery, hook, body, created) values ('id', 'a', x'31', 5)");
    // Its last attempt is due in an hour, and no sooner.
    const waiting = `'late', 'b', x'32', ${START - MINUTE}, 6, ${START + 60 * MINUTE}`;
    database.run(`insert into events (delivery, hook, body, created, attempts, due) values (${waiting})`);
    database.close();
    expect(bodiesIn(folder.path)).toEqual(["1", "2"]);
    expect(bodiesIn(folder.path)).toEqual(["1", "2"]);
    using after = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
    expect(Array.from(after.delivery.events.queue, ({ pause }) => pause)).toEqual([0, 61 * MINUTE]);
  });
});

test("an event that found no room in the spool is put into it at its next attempt, or when it is given up", async () => {
  using folder = temporaryFolder();
  let outcome: Outcome = { kind: "failed", reason: "no" };
  const settings = { spoolBytes: 30 * 4096 };
  using test = startDelivery({
    hooks: HOOKS,
    folder: folder.path,
    settings,
    attempt: async ({ headers }) => (headers["x-wforce-event"] === "a" ? { kind: "delivered" } : outcome),
  });
  const { queue, deadLetters } = test.delivery.events;
  for (const name of ["a", "b", "b"]) test.send(name, name.repeat(60_000));
  expect([...queue].map(({ row }) => row !== undefined)).toEqual([true, false, false]);
  await test.clock.advanceTo(START + 5_500); // a is delivered, and its room is free
  expect([...queue].map(({ row, body }) => [row !== undefined, body !== undefined])).toEqual([
    [true, false],
    [false, true],
  ]);
  const [first] = queue;
  test.delivery.events.delivered(first!);
  outcome = { kind: "refused", reason: "no" };
  await test.clock.advanceTo(START + 50_000);
  expect([...deadLetters].map(({ row, body }) => [row !== undefined, body !== undefined])).toEqual([[true, false]]);
});
