/** Databases that are locked, full, corrupt, away or slow: nothing is lost that need not be, and nobody waits. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { PostgresStore } from "../../lib/history/postgres/store.ts";
import { readTarget } from "../../lib/history/postgres/target.ts";
import { migrate } from "../../lib/history/sqlite/schema.ts";
import { fileProblem, SqliteStore } from "../../lib/history/sqlite/store.ts";
import { ThreadedStore } from "../../lib/history/sqlite/thread.ts";
import type { Question, Store, StoreError } from "../../lib/history/store.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { bytes, openHistory, row, START, type TestHistory } from "../support/history.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";

const count: QuestionOf<"count"> = { ask: "count", filter: [] };

type QuestionOf<A extends Question["ask"]> = Extract<Question, { ask: A }>;

/** Waits until a condition holds. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(5);
}

const comesBack = ({ history }: TestHistory): Promise<void> => until(() => history.flush());

async function failureOf(work: Promise<unknown>): Promise<StoreError> {
  return work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: StoreError) => error,
  );
}

describe("SQLite", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let files = 0;
  beforeAll(() => void (folder = temporaryFolder()));
  afterAll(() => folder[Symbol.dispose]());

  const newPath = (): string => join(folder.path, `${++files}.sqlite`);
  const storeAt = (path: string, timeout = 10_000): Store => new ThreadedStore({ path, timeout }, systemClock);

  /** A file with so many rows. */
  function fileOf(rows: number, path = newPath()): string {
    const store = new SqliteStore({ path, readonly: false, timeout: null, writer: bytes("spec") });
    store.open();
    const all = Array.from({ length: rows }, (_, i) => row({ t: START + i, login: bytes(`login${i}`) }));
    store.run({ number: 1, writes: [{ write: "rows", rows: all }], questions: [], commit: true });
    store.close();
    return path;
  }

  test("files are for the owner alone, folders that it makes, too", async () => {
    const path = join(folder.path, "new", "folder", "history.sqlite");
    await using history = await openHistory(storeAt(path));
    history.history.add(row());
    await history.history.flush();
    for (const file of readdirSync(join(path, ".."))) expect(statSync(join(path, "..", file)).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(path, ".."))).toContain("history.sqlite-wal");
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
  });

  test("what is deleted is gone from the files", async () => {
    const path = newPath();
    await using history = await openHistory(storeAt(path));
    history.history.add(row({ login: bytes("very-private-login"), success: true }));
    await history.history.flush();
    await history.history.forget(bytes("very-private-login"));
    await history.history.close();
    expect(readFileSync(path, "latin1")).not.toContain("very-private-login");
  });

  test("while another process holds it, questions are answered at once and rows wait; then all is written", async () => {
    const path = fileOf(10);
    await using history = await openHistory(storeAt(path), { batch: 0.05 });
    using other = new Database(path);
    other.run("begin immediate");
    history.history.add(row());
    await until(() => history.logs.length > 0);
    expect(history.logs).toEqual([
      `history: ${path}: another process has it locked: rows wait in memory until it can be used again`,
    ]);
    const begun = performance.now();
    expect(await history.history.ask(count, { beside: false })).toEqual({ problem: "history away" });
    expect(await history.history.ask(count, { beside: true })).toEqual({ problem: "history away" });
    expect(performance.now() - begun).toBeLessThan(1000);
    history.history.add(row());
    other.run("rollback");
    await comesBack(history);
    expect(await history.ask(count)).toBe(12);
    expect(history.logs.slice(1)).toEqual([`history: ${path} can be used again`]);
    expect(await history.metric("trackalert_history_rows_total")).toBe(2);
  }, 20_000);

  test("one that is locked at the start is away", async () => {
    const path = fileOf(3);
    const other = new Database(path);
    other.run("pragma journal_mode = delete");
    other.run("begin exclusive");
    await using history = await openHistory(storeAt(path), { batch: 0.05 });
    history.history.add(row());
    expect(history.logs.join()).toContain("another process has it locked");
    other.close();
    await comesBack(history);
    expect(await history.ask(count)).toBe(4);
  }, 20_000);

  test("rows that wait are bounded: the oldest go, which is counted and said", async () => {
    const path = fileOf(0);
    await using history = await openHistory(storeAt(path), { batch: 0.05 });
    using other = new Database(path);
    other.run("begin immediate");
    history.history.add(row());
    await until(() => history.logs.length > 0);
    const large = bytes("x".repeat(1000));
    for (let i = 0; i < 30_000; i++) {
      history.history.add(row({ t: START + i, device: large, city: large, country: large, fail_type: large }));
    }
    expect(await history.metric("trackalert_history_queue_bytes")).toBeLessThanOrEqual(64 * 1024 ** 2);
    expect(await history.metric("trackalert_history_queue_bytes")).toBeGreaterThan(60 * 1024 ** 2);
    const dropped = await history.metric("trackalert_history_dropped_total");
    expect(dropped).toBeGreaterThan(10_000);
    expect(history.logs[1]).toBe("history: rows wait for too long, and the oldest of them are dropped");
    other.run("rollback");
    await comesBack(history);
    expect(await history.ask(count)).toBe(30_001 - dropped);
    expect(await history.ask({ ask: "rows", filter: [], n: 1 })).toMatchObject([{ 0: START + 29_999 }]);
    expect(history.logs[2]).toBe(`history: ${path} can be used again: ${dropped} rows were dropped`);
  }, 30_000);

  test("one that is found corrupt while it is used is moved aside, said loudly, and begun anew with what waits", async () => {
    const path = fileOf(5000);
    await using history = await openHistory(storeAt(path), { batch: 0.05 });
    const page = Buffer.alloc(4096, 0xa5);
    const content = readFileSync(path);
    for (let at = 4096; at + 4096 <= content.length; at += 4096) page.copy(content, at);
    writeFileSync(path, content);
    // The writer has read the file already.
    expect(await history.history.ask(count, { beside: true })).toEqual({ problem: "history away" });
    for (let i = 0; i < 100; i++) history.history.add(row({ t: START + i, login: bytes(`new${i}`) }));
    await comesBack(history);
    expect(history.logs[0]).toMatch(/it is corrupt \(.*\): it is now .*\.corrupt-.*, and a new one is begun$/);
    expect(await history.ask(count)).toBe(100);
    expect(readdirSync(folder.path).filter((name) => name.includes(".corrupt-"))).not.toEqual([]);
  }, 20_000);

  test.each([
    [
      "no database",
      (path: string) => writeFileSync(path, "not SQLite at all, ".repeat(1000)),
      "it is no SQLite database",
    ],
    ["cut off", (path: string) => truncateSync(fileOf(5000, path), 40_960), "it is corrupt"],
    [
      "corrupt",
      (path: string) => {
        const content = readFileSync(fileOf(5000, path));
        content.fill(0xa5, 8192, content.length - 8192);
        writeFileSync(path, content);
      },
      "it is corrupt",
    ],
    [
      "another program's",
      (path: string) => {
        using database = new Database(path);
        database.run("create table events (id integer)");
      },
      "it is another program's database: move it away, or name another file (newHistory)",
    ],
    [
      "newer",
      (path: string) => {
        using database = new Database(fileOf(1, path));
        database.run("pragma user_version = 99");
      },
      /a newer trackalert wrote it \(schema 99, this one knows \d+\): start that one, or move the file away/,
    ],
    ["a folder", (path: string) => void fileOf(1, join(path, "history.sqlite")), "it cannot be written"],
  ])("a file that is %s ends the start, and is left alone", async (_, make, problem) => {
    const path = newPath();
    make(path);
    const before = statSync(path).isDirectory() ? "" : readFileSync(path, "latin1");
    const error = await failureOf(openHistory(storeAt(path)));
    expect(error.message).toStartWith(`${path}: `);
    expect(error.message).toMatch(problem);
    expect(fileProblem(path)).toMatch(problem);
    expect(statSync(path).isDirectory() ? "" : readFileSync(path, "latin1")).toBe(before);
  });

  const root = process.getuid?.() === 0;
  test.skipIf(root)(
    `a file that cannot be written ends the start${root ? " (not run: root may write all)" : ""}`,
    async () => {
      const path = fileOf(1);
      chmodSync(path, 0o400);
      expect((await failureOf(openHistory(storeAt(path)))).message).toContain("it cannot be written");
      expect(fileProblem(path)).toContain("it cannot be written");
    },
  );

  const tmpfs = root && Bun.which("mount") !== null && canMount();
  describe.skipIf(!tmpfs)(`on a small file system${tmpfs ? "" : " (not run: it needs root, who may mount)"}`, () => {
    test("a disk that is full, or read-only, and is well again", async () => {
      using small = temporaryFolder();
      mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", small.path);
      try {
        const path = join(small.path, "history.sqlite");
        await using history = await openHistory(storeAt(path), { batch: 0.05 });
        const fill = async (): Promise<void> => {
          for (let i = 0; i < 500; i++) history.history.add(row({ device: bytes(`${Math.random()}`.padEnd(1000)) }));
          await history.history.flush();
        };
        await until(async () => (await fill(), history.logs.length > 0));
        expect(history.logs[0]).toMatch(/the disk is full|disk I\/O|full/);
        mount("-o", "remount,size=64m", small.path);
        await comesBack(history);
        const written = await history.metric("trackalert_history_rows_total");
        expect(written % 500).toBe(0);
        expect(await history.ask(count)).toBe(written);
        await history.history.close();
        mount("-o", "remount,ro", small.path);
        expect((await failureOf(openHistory(storeAt(path)))).message).toContain("it cannot be written");
        expect(fileProblem(path)).toContain("it cannot be written");
      } finally {
        Bun.spawnSync(["umount", "-l", small.path]);
      }
    }, 30_000);
  });

  test("a question over its time ends, and what is written stays", async () => {
    const path = newPath();
    const store = new SqliteStore({ path, readonly: false, timeout: 0, writer: bytes("spec") });
    store.open();
    const rows = Array.from({ length: 20_000 }, (_, i) => row({ t: START + i }));
    const filter = [{ column: "protocol" as const, values: [bytes("imap")] }];
    const writes = [{ write: "rows" as const, rows }];
    const slow = store.run({ number: 1, writes, questions: [{ ask: "count", filter }], commit: true });
    expect(slow).toEqual({ replies: [{ timeout: true }], durable: true });
    store.close();
    await using history = await openHistory(storeAt(path, 0));
    const asked = { ask: "count", filter } as const;
    expect(await history.history.ask(asked, { beside: false })).toEqual({ problem: "history timeout" });
    expect(await history.history.ask(asked, { beside: true })).toEqual({ problem: "history timeout" });
    history.history.add(row());
    await history.history.close();
    await using again = await openHistory(storeAt(path));
    expect(await again.ask(count)).toBe(20_001);
  });

  test("an older schema is migrated, all or nothing", () => {
    const path = fileOf(10);
    const steps = [
      "select 1",
      "alter table reports add column extra integer; update reports set extra = 5",
      "select none",
    ];
    using database = new Database(path);
    const version = (): number =>
      (database.query("pragma user_version").get() as { user_version: number }).user_version;
    const newest = version();
    const former = Array.from({ length: newest }, () => "");
    expect(() => migrate(database, [...former, ...steps])).toThrow("no such column: none");
    expect(version()).toBe(newest);
    expect(() => database.query("select extra from reports")).toThrow("no such column");
    migrate(database, [...former, ...steps.slice(0, 2)]);
    expect(version()).toBe(newest + 2);
    expect(database.query("select sum(extra) as sum, count(*) as n from reports").get()).toEqual({ sum: 50, n: 10 });
  });

  test("the last turn of another process is none of this one's", () => {
    const path = fileOf(3);
    const openedBy = (writer: string): number => {
      const store = new SqliteStore({ path, readonly: false, timeout: null, writer: bytes(writer) });
      try {
        return store.open();
      } finally {
        store.close();
      }
    };
    expect(openedBy("spec")).toBe(1);
    expect(openedBy("another")).toBe(0);
  });

  test("a copy holds all, is made beside, and replaces nothing", async () => {
    await using history = await openHistory(storeAt(newPath()));
    for (let i = 0; i < 100; i++) history.history.add(row());
    const copy = newPath();
    expect(await history.history.backup(copy)).toBe(true);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    const error = await failureOf(history.history.backup(copy));
    expect(error.message).toBe(`${copy} is there already`);
    await using again = await openHistory(storeAt(copy));
    expect(await again.ask(count)).toBe(100);
  });
});

function mount(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["mount", ...args]);
  if (exitCode !== 0) throw new Error(stderr.toString());
}

function canMount(): boolean {
  using folder = temporaryFolder();
  const can = Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", folder.path]).exitCode === 0;
  if (can) Bun.spawnSync(["umount", folder.path]);
  return can;
}

describe.skipIf(noPostgres !== "")(`PostgreSQL${noPostgres}`, () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await PostgresServer.start()), 30_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const storeAt = (url: string, timeout = 10_000): Store =>
    new PostgresStore(readTarget(url, {}), { password: undefined, timeout, clock: systemClock });

  test("one that is killed under load and comes back has each row once", async () => {
    await using history = await openHistory(storeAt(await server.database()), { batch: 0.02 });
    let added = 0;
    const load = setInterval(() => {
      for (let i = 0; i < 10; i++) history.history.add(row({ t: START + added++, login: bytes(`login${added % 7}`) }));
    }, 3);
    const more = async (): Promise<void> => {
      const enough = added + 1000;
      await until(() => added > enough);
    };
    await more();
    await server.kill();
    await until(() => history.logs.length > 0);
    expect(await history.history.ask(count, { beside: false })).toEqual({ problem: "history away" });
    await more();
    await server.resume();
    await comesBack(history);
    await more();
    clearInterval(load);
    expect(await history.ask(count)).toBe(added);
    expect(await history.ask({ ask: "distinct", column: "t", filter: [] })).toBe(added);
    expect(await history.metric("trackalert_history_dropped_total")).toBe(0);
    expect(history.logs).toHaveLength(2);
    expect(history.logs[0]).toContain("rows wait in memory until it can be used again");
  }, 30_000);

  test("one that is not there at the start is away, and its password is never shown", async () => {
    const url = "postgres://joe:topsecret@127.0.0.1:9/nowhere";
    await using history = await openHistory(storeAt(url));
    history.history.add(row());
    expect(await history.history.ask(count, { beside: true })).toEqual({ problem: "history away" });
    expect(history.logs.join()).toStartWith("history: postgres://joe@127.0.0.1:9/nowhere: ");
    expect(history.logs.join()).not.toContain("topsecret");
    expect(await history.history.close()).toBe(1);
  });

  test("a question over its time ends, and the connection goes on", async () => {
    const url = await server.database();
    await using history = await openHistory(storeAt(url, 300));
    for (let i = 0; i < 200; i++) history.history.add(row({ t: START + i }));
    await history.history.flush();
    // Somebody holds the table.
    const { SQL } = await import("bun");
    const name = new URL(url).pathname.slice(1);
    const other = new SQL("postgres://localhost", {
      adapter: "postgres",
      path: server.socket,
      username: "spec",
      database: name,
      max: 1,
    });
    await other.unsafe("begin");
    await other.unsafe("lock table trackalert.reports in access exclusive mode");
    expect(await history.history.ask(count, { beside: false })).toEqual({ problem: "history timeout" });
    expect(await history.history.ask(count, { beside: true })).toEqual({ problem: "history timeout" });
    // Writing takes too long, too: it counts as away.
    history.history.add(row({ t: START + 200 }));
    await until(() => history.logs.length > 0);
    expect(history.logs[0]).toContain("it is too slow");
    await other.unsafe("rollback");
    await other.close();
    await comesBack(history);
    expect(await history.ask(count)).toBe(201);
  }, 20_000);

  test("several daemons write the same logins at once, and none is lost", async () => {
    const url = await server.database();
    const all = await Promise.all(Array.from({ length: 3 }, () => openHistory(storeAt(url), { batch: 0.01 })));
    for (let i = 0; i < 3000; i++) {
      for (const { history } of all)
        history.add(row({ t: START + i, login: bytes(`login${(i * 7) % 50}`), success: i % 3 === 0 }));
      if (i % 100 === 0) await Promise.all(all.map(({ history }) => history.flush()));
    }
    await Promise.all(all.map(({ history }) => history.flush()));
    for (const one of all) {
      expect(await one.ask(count)).toBe(9000);
      expect(one.logs).toEqual([]);
      const series = await one.ask({ ask: "series", bucket: 3600, filter: [] });
      expect(series.reduce((sum, [, n]) => sum + n, 0)).toBe(9000);
      await one[Symbol.asyncDispose]();
    }
  }, 20_000);

  test("a newer schema ends the start, names both versions, and is left alone", async () => {
    const url = await server.database();
    await (await openHistory(storeAt(url)))[Symbol.asyncDispose]();
    const { SQL } = await import("bun");
    const database = new URL(url).pathname.slice(1);
    await using sql = new SQL("postgres://localhost", {
      adapter: "postgres",
      path: server.socket,
      username: "spec",
      database,
      max: 1,
    });
    await sql.unsafe("update trackalert.version set version = 99");
    const { message } = await failureOf(openHistory(storeAt(url)));
    expect(message).toMatch(/a newer trackalert wrote its schema \(version 99, this one knows \d+\)/);
    expect(await sql.unsafe("select version from trackalert.version").values()).toEqual([[99]]);
  });

  test("there is no database of this name: it is away until there is", async () => {
    await using history = await openHistory(storeAt(server.url("nobody-made-it")));
    expect(history.logs[0]).toContain("does not exist");
  });
});
