/** Alerts on a clock that jumps, with and without a history, alone and with other daemons. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { PostgresStore } from "../../lib/history/postgres/store.ts";
import { readTarget } from "../../lib/history/postgres/target.ts";
import { InlineStore } from "../../lib/history/sqlite/inline.ts";
import type { Store } from "../../lib/history/store.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { CutStore, draft, type Rig, startAlerts } from "../support/alerts.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { bytes, START } from "../support/history.ts";
import { JumpingClock } from "../support/jumping-clock.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";

const HOUR = 3600;
const DAY = 86_400;

/** What a raise comes to when the clock stands still but for what is due now. */
async function raise(rig: Rig, values: Parameters<typeof draft>[0] = {}): Promise<string | undefined> {
  let outcome: { id: string | undefined } | undefined;
  void Promise.resolve(rig.alerts.raise(draft(values))).then((id) => (outcome = { id }));
  while (!outcome) {
    await rig.pass(0);
    await Bun.sleep(0);
  }
  return outcome.id;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(2);
}

/** Until the history can be used again: the longest pause before it is tried, and then real time, in which no cool-down ends. */
async function comeBack({ history, pass }: Rig): Promise<void> {
  await pass(31);
  while (!(await history!.flush())) await Bun.sleep(2);
}

/** Whose timers never come: the other one sorts them. */
class StillClock extends JumpingClock {
  override after = (): (() => void) => () => {};
}

const counts = (alerts: readonly { id: string; count: number }[]): [string, number][] =>
  alerts.map(({ id, count }) => [id, count]);

/** Their answers come in real time. */
const inMemory = (): Store => new InlineStore(systemClock);
const inFile = (path: string): Store => new InlineStore(systemClock, { path, timeout: null });

/** Lets what the history has been asked be answered. */
async function settle(...rigs: Rig[]): Promise<void> {
  for (const rig of rigs) {
    await rig.pass(0);
    await rig.history!.ask({ ask: "openAlerts" }, { beside: false });
    await rig.pass(0);
  }
}

const STORES: [name: string, store: () => Store | undefined][] = [
  ["in memory alone", () => undefined],
  ["with a history", inMemory],
];

describe.each(STORES)("%s", (_, store) => {
  const start = (clock?: JumpingClock): Promise<Rig> => {
    const made = store();
    return startAlerts({ ...(made && { store: made }), ...(clock && { clock }) });
  };

  test("one of a key is told, others are folded until its cool-down ends, and the next is new", async () => {
    await using rig = await start();
    const id = await raise(rig);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(await raise(rig, { t: START + 5 })).toBeUndefined();
    await rig.pass(HOUR - 1);
    expect(await raise(rig, { t: START + 9 })).toBeUndefined();
    expect(await raise(rig, { remote: bytes("192.0.2.2") })).toBeString();
    expect(await raise(rig, { key: bytes("spray") })).toBeString();
    await rig.pass(1);
    const next = await raise(rig, { t: START + HOUR });
    expect(next).toBeString();
    expect(rig.told.map((alert) => alert.id)).toEqual(expect.arrayContaining([id!, next!]));
    expect(rig.told).toHaveLength(4);
    expect(counts(await rig.list({ since: START + HOUR }))).toEqual([[next!, 1]]);
    const all = await rig.list({ before: START + 1 });
    expect(all.find((alert) => alert.id === id)).toMatchObject({ count: 3, first: START, last: START + 9 });
  });

  test("its final is told once, with all that was folded, and only when its count rose", async () => {
    await using rig = await start();
    const id = await raise(rig);
    await raise(rig, { key: bytes("alone") });
    for (let i = 1; i <= 40; i++) await raise(rig, { t: START + i });
    expect(rig.finals).toEqual([]);
    await rig.pass(HOUR + 5);
    await until(() => rig.finals.length > 0);
    await rig.pass(2 * DAY);
    expect(rig.finals).toEqual([{ ...rig.told[0]!, count: 41, last: START + 40 }]);
    expect(rig.finals[0]!.id).toBe(id!);
    expect(rig.told).toHaveLength(2);
  });

  test("raised again right after its end, the final of the former comes, too", async () => {
    await using rig = await start();
    const first = await raise(rig, { cooldown: 60 });
    await raise(rig, { cooldown: 60 });
    await rig.pass(60);
    const second = await raise(rig, { cooldown: 60 });
    await until(() => rig.finals.length > 0);
    expect(counts(rig.finals)).toEqual([[first!, 2]]);
    await raise(rig, { cooldown: 60 });
    await rig.pass(65);
    await until(() => rig.finals.length > 1);
    expect(counts(rig.finals)).toEqual([
      [first!, 2],
      [second!, 2],
    ]);
  });

  test("what was told does not change, and the log has one line of it", async () => {
    await using rig = await start();
    const values = {
      login: bytes("joe"),
      message: bytes("many\r\nfailures"),
      type: "brute_force",
      evidence: bytes("{}"),
    };
    await raise(rig, values);
    const copy = structuredClone(rig.told[0]!);
    await raise(rig, values);
    expect(rig.told).toEqual([copy]);
    expect(rig.logs).toEqual([
      'alert: count="1" login="joe" message="many failures" remote="192.0.2.1" severity="high" type="brute_force"',
    ]);
  });

  test("metrics count what is told and what is folded, of as many types as they can take", async () => {
    await using rig = await start();
    for (let i = 0; i < 3; i++) await raise(rig);
    for (let i = 0; i < 250; i++) await raise(rig, { type: `type${i}`, severity: "low" });
    const text = await rig.metrics.format();
    expect(text).toContain('trackalert_alerts_total{type="spray",severity="high"} 1\n');
    expect(text).toContain('trackalert_alerts_folded_total{type="spray"} 2\n');
    expect(text).toContain('trackalert_alerts_total{type="type198",severity="low"} 1\n');
    expect(text).toContain('trackalert_alerts_total{type="other",severity="low"} 51\n');
    expect(text).not.toContain("type199");
  });

  test.each([DAY, -DAY, 10, -10])(
    "a clock that jumps by %d s neither raises it again nor silences it",
    async (jump) => {
      await using rig = await start();
      const first = await raise(rig);
      rig.clock.jump(jump * 1000);
      await rig.pass(1);
      for (let i = 0; i < 5; i++) expect(await raise(rig, { t: rig.clock.now() / 1000 })).toBeUndefined();
      await rig.pass(HOUR + 5);
      await until(() => rig.finals.length > 0);
      expect(counts(rig.finals)).toEqual([[first!, 6]]);
      const second = await raise(rig);
      expect(second).toBeString();
      rig.clock.jump(-jump * 1000);
      expect(await raise(rig)).toBeUndefined();
      await rig.pass(HOUR + 5);
      await until(() => rig.finals.length > 1);
      expect(await raise(rig)).toBeString();
      expect(rig.told).toHaveLength(3);
    },
  );

  test("closed, it sets no timers any more", async () => {
    await using rig = await start();
    await raise(rig);
    await raise(rig);
    await rig.alerts.close();
    await rig.history?.close();
    expect(rig.clock.pending).toBe(0);
  });
});

describe("with a history", () => {
  test("what is folded is written once a second, and not each time", async () => {
    const store = new CutStore(inMemory());
    await using rig = await startAlerts({ store });
    const id = await raise(rig);
    for (let i = 0; i < 1000; i++) await raise(rig);
    await rig.pass(3);
    const folds = store.turns.flatMap(({ writes }) => writes).filter(({ write }) => write === "folds");
    expect(folds).toMatchObject([{ folds: [{ id, count: 1000 }] }] as object[]);
    expect(counts(await rig.list())).toEqual([[id!, 1001]]);
  });

  test("what is raised while the history is asked is folded, and counted once", async () => {
    const store = new CutStore(inMemory());
    await using rig = await startAlerts({ store });
    store.state = "silent";
    const first = rig.alerts.raise(draft()) as Promise<string>;
    await rig.pass(0);
    expect([rig.alerts.raise(draft()), rig.alerts.raise(draft())]).toEqual([undefined, undefined]);
    store.speak();
    const id = await first;
    expect(rig.told).toMatchObject([{ id, count: 1 }]);
    await rig.pass(3);
    expect(counts(await rig.list())).toEqual([[id, 3]]);
    await rig.pass(HOUR);
    await until(() => rig.finals.length > 0);
    expect(counts(rig.finals)).toEqual([[id, 3]]);
  });

  test("away, memory decides at once; what it told is stored when it is back, and counted on", async () => {
    const store = new CutStore(inMemory());
    await using rig = await startAlerts({ store });
    store.state = "away";
    await raise(rig, { key: bytes("finds out") });
    const id = await raise(rig);
    for (let i = 0; i < 4; i++) await raise(rig);
    expect(rig.told).toHaveLength(2);
    expect((await rig.list()).map(({ count }) => count).toSorted()).toEqual([1, 5]);
    await rig.pass(60);
    store.state = "well";
    await rig.pass(60);
    expect(rig.history!.waitingRows).toBe(0);
    expect(counts(await rig.list({ remote: bytes("192.0.2.1") }))).toContainEqual([id!, 5]);
    // The key is taken there, too: another daemon folds into it.
    await rig.alerts.close();
    await rig.pass(HOUR);
    const result = await rig.history!.ask({ ask: "openAlerts" }, { beside: false });
    expect("answer" in result && result.answer.map(({ count }) => count).toSorted()).toEqual([1, 5]);
  });

  test("silent, memory decides after 2 s; what arrives late is the same alert", async () => {
    const store = new CutStore(inMemory());
    await using rig = await startAlerts({ store });
    store.state = "silent";
    let id: string | undefined;
    void (rig.alerts.raise(draft()) as Promise<string>).then((raised) => (id = raised));
    await rig.pass(1.9);
    expect(rig.told).toEqual([]);
    await rig.pass(0.2);
    expect(rig.told).toMatchObject([{ id }]);
    expect(rig.alerts.raise(draft())).toBeUndefined();
    store.speak();
    await rig.pass(5);
    expect(counts(await rig.list())).toEqual([[id!, 2]]);
    expect(rig.told).toHaveLength(1);
  });

  test("a cool-down that ends before it is known who has the key has its final, too", async () => {
    const store = new CutStore(inMemory());
    await using rig = await startAlerts({ store });
    store.state = "silent";
    const raised = rig.alerts.raise(draft({ cooldown: 1 })) as Promise<string>;
    rig.alerts.raise(draft({ cooldown: 1 }));
    await rig.pass(1.5);
    const next = rig.alerts.raise(draft({ cooldown: 1 })) as Promise<string>;
    store.speak();
    const [id, second] = await Promise.all([raised, next]);
    await until(() => rig.finals.length > 0);
    expect(rig.told.map((alert) => alert.id)).toEqual([id, second]);
    expect(counts(rig.finals)).toEqual([[id, 2]]);
  });

  test("away at the end of a cool-down, the one who raised the alert tells its final, which is not told again", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "history.sqlite");
    const clock = new JumpingClock(START * 1000);
    const store = new CutStore(inFile(path));
    const rig = await startAlerts({ store, clock });
    const id = await raise(rig);
    await raise(rig);
    await rig.pass(10);
    store.state = "away";
    await raise(rig, { key: bytes("finds out") });
    await raise(rig);
    await rig.pass(HOUR);
    expect(counts(rig.finals)).toEqual([[id!, 3]]);
    store.state = "well";
    while (!(await rig.history!.flush())) await rig.pass(1);
    await rig.alerts.close();
    await rig.history!.close();
    await using later = await startAlerts({ store: inFile(path), clock });
    await later.pass(DAY);
    await settle(later);
    expect(later.finals).toEqual([]);
    expect(counts(await later.list({ remote: bytes("192.0.2.1") }))).toContainEqual([id!, 3]);
  });

  describe("after a restart", () => {
    /** Runs daemons one after the other on one file. */
    async function daemons(...runs: ((rig: Rig) => Promise<void>)[]): Promise<void> {
      using folder = temporaryFolder();
      const clock = new JumpingClock(START * 1000);
      for (const run of runs) {
        const rig = await startAlerts({
          store: inFile(join(folder.path, "history.sqlite")),
          clock,
        });
        await rig.pass(0);
        await run(rig);
        const closing = rig.alerts.close().then(() => rig.history!.close());
        await rig.pass(0);
        await closing;
      }
    }

    test("a cool-down holds, and its final is told, and told once", async () => {
      let id: string | undefined;
      await daemons(
        async (rig) => {
          id = await raise(rig);
          await raise(rig);
        },
        async (rig) => {
          await rig.pass(60);
          expect(await raise(rig)).toBeUndefined();
          expect(rig.told).toEqual([]);
        },
        async (rig) => {
          await rig.pass(HOUR);
          await settle(rig);
          expect(counts(rig.finals)).toEqual([[id!, 3]]);
          expect(await raise(rig)).toBeString();
        },
        async (rig) => {
          await rig.pass(DAY);
          await settle(rig);
          // The key was raised anew, and counted nothing.
          expect(rig.finals).toEqual([]);
        },
      );
    });

    test("finals that are overdue are told at the start, those that counted nothing are not", async () => {
      let id: string | undefined;
      await daemons(
        async (rig) => {
          id = await raise(rig);
          await raise(rig);
          await raise(rig, { key: bytes("alone") });
        },
        async (rig) => {
          rig.clock.jump(DAY * 1000);
          await rig.pass(0);
        },
        async (rig) => {
          await rig.pass(5);
          await settle(rig);
          expect(counts(rig.finals)).toEqual([[id!, 2]]);
        },
      );
    });

    test("a cool-down of before the clock was set back a day does not last a day", async () => {
      await daemons(
        async (rig) => void (await raise(rig)),
        async (rig) => {
          rig.clock.jump(-DAY * 1000);
          await rig.pass(0);
        },
        async (rig) => {
          expect(await raise(rig)).toBeString();
          expect(await raise(rig)).toBeUndefined();
        },
      );
    });
  });

  test("closing waits for what is undecided, and has it written", async () => {
    const store = new CutStore(inMemory());
    await using rig = await startAlerts({ store });
    store.state = "silent";
    void rig.alerts.raise(draft());
    rig.alerts.raise(draft());
    const closing = rig.alerts.close();
    await rig.pass(0);
    store.speak();
    await closing;
    await rig.history!.flush();
    expect(rig.told).toHaveLength(1);
    expect((await rig.list()).map(({ count }) => count)).toEqual([2]);
    await rig.history!.close();
    expect(rig.clock.pending).toBe(0);
  });

  test("a login is forgotten where it waits, cools down and is kept, and raised anew", async () => {
    const store = new CutStore(inMemory());
    await using rig = await startAlerts({ store });
    const joe = { login: bytes("joe") };
    await raise(rig, joe);
    await raise(rig, joe);
    await raise(rig, { login: bytes("ann") });
    store.state = "silent";
    void rig.alerts.raise(draft({ ...joe, key: bytes("waits") }));
    const forgetting = rig.alerts.forget(joe.login);
    await rig.pass(0);
    store.speak();
    await rig.pass(0);
    expect(await forgetting).toEqual({ answer: 2 });
    expect((await rig.list()).map(({ login }) => login)).toEqual([bytes("ann")]);
    store.state = "away";
    await raise(rig, { key: bytes("finds out"), login: bytes("eve") });
    expect((await rig.list()).map(({ login }) => login).toSorted()).toEqual([bytes("ann"), bytes("eve")]);
    store.state = "well";
    await rig.pass(60);
    expect(await raise(rig, joe)).toBeString();
    await rig.pass(DAY);
    expect(rig.finals).toEqual([]);
  });
});

describe.skipIf(noPostgres !== "")(`two daemons on one PostgreSQL database${noPostgres}`, () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await PostgresServer.start()), 30_000);
  afterAll(() => server[Symbol.asyncDispose]());

  async function startTwo(): Promise<{ a: Rig; b: Rig; lineOfA: CutStore } & AsyncDisposable> {
    const url = await server.database();
    const open = (): CutStore =>
      new CutStore(
        new PostgresStore(readTarget(url, {}), { password: undefined, timeout: 10_000, clock: systemClock }),
      );
    const lineOfA = open();
    const a = await startAlerts({ store: lineOfA, host: "mx1" });
    const b = await startAlerts({ store: open(), host: "mx2" });
    return {
      a,
      b,
      lineOfA,
      async [Symbol.asyncDispose]() {
        await a[Symbol.asyncDispose]();
        await b[Symbol.asyncDispose]();
      },
    };
  }

  /** Lets both write what they have counted. */
  async function write(...rigs: Rig[]): Promise<void> {
    for (const rig of rigs) {
      await rig.pass(1);
      expect(await rig.history!.flush()).toBe(true);
    }
  }

  /** Ends the cool-downs that began at the start. */
  async function end(...rigs: Rig[]): Promise<void> {
    for (const rig of rigs) await rig.clock.advanceTo((START + HOUR + 4) * 1000);
    await settle(...rigs);
  }

  test("see the same attack: one alert, one final with all of it", async () => {
    await using two = await startTwo();
    const { a, b } = two;
    const ids = await Promise.all([a, b, a, b, a].map((rig) => raise(rig)));
    expect(ids.filter((id) => id !== undefined)).toHaveLength(1);
    expect([...a.told, ...b.told]).toHaveLength(1);
    for (let i = 0; i < 10; i++) for (const rig of [a, b]) expect(await raise(rig)).toBeUndefined();
    await write(a, b);
    await end(a, b);
    expect(counts([...a.finals, ...b.finals])).toEqual([[[...a.told, ...b.told][0]!.id, 25]]);
    const metrics = (await a.metrics.format()) + (await b.metrics.format());
    const folded = [...metrics.matchAll(/^trackalert_alerts_folded_total\{type="spray"\} (\d+)$/gm)];
    expect(folded.reduce((sum, [, n]) => sum + Number(n), 0)).toBe(24);
  });

  test("whose clocks differ: one alert", async () => {
    await using two = await startTwo();
    const { a, b } = two;
    b.clock.jump(-20_000);
    expect(await raise(a)).toBeString();
    expect(await raise(b)).toBeUndefined();
    b.clock.jump(40_000);
    expect(await raise(b)).toBeUndefined();
  });

  test("one of them cut off in between: what both counted is in the one final", async () => {
    await using two = await startTwo();
    const { a, b, lineOfA } = two;
    const id = await raise(a);
    expect(await raise(b)).toBeUndefined();
    lineOfA.state = "away";
    await raise(a, { key: bytes("finds out") });
    for (let i = 0; i < 3; i++) expect(await raise(a)).toBeUndefined();
    for (let i = 0; i < 2; i++) expect(await raise(b)).toBeUndefined();
    await a.pass(5);
    await write(b);
    lineOfA.state = "well";
    await comeBack(a);
    await write(a);
    await end(b, a);
    expect(counts([...a.finals, ...b.finals])).toEqual([[id!, 7]]);
  });

  test("one of them cut off when it begins: each tells one, and both are kept with their counts", async () => {
    await using two = await startTwo();
    const { a, b, lineOfA } = two;
    lineOfA.state = "away";
    await raise(a, { key: bytes("finds out") });
    const ofA = await raise(a);
    const ofB = await raise(b);
    expect([ofA, ofB]).not.toContain(undefined);
    expect(await raise(a)).toBeUndefined();
    lineOfA.state = "well";
    await comeBack(a);
    await write(a, b);
    const found = counts(await b.list({ type: "spray", remote: bytes("192.0.2.1") }));
    expect(found).toContainEqual([ofA!, 2]);
    expect(found).toContainEqual([ofB!, 1]);
  });

  test("one of them gone silent: memory decides, and the late answer that another has the key changes nothing", async () => {
    await using two = await startTwo();
    const { a, b, lineOfA } = two;
    const others = await raise(b);
    lineOfA.state = "silent";
    const raised = a.alerts.raise(draft()) as Promise<string>;
    await a.pass(2);
    const id = await raised;
    expect(a.told).toMatchObject([{ id }]);
    lineOfA.speak();
    await until(() => lineOfA.turns.some(({ questions }) => questions.some(({ ask }) => ask === "raise")));
    expect(await raise(a)).toBeUndefined();
    await write(a);
    const found = counts(await b.list());
    expect(found).toContainEqual([id, 2]);
    expect(found).toContainEqual([others!, 2]);
  });

  test("one of them killed: the other's memory is not needed for the final", async () => {
    await using two = await startTwo();
    const { a, b } = two;
    const id = await raise(a);
    await raise(a);
    await write(a);
    await a.history!.cut();
    expect(await raise(b)).toBeUndefined();
    await write(b);
    await end(b);
    await until(() => b.finals.length > 0);
    expect(counts(b.finals)).toEqual([[id!, 3]]);
  });
});

test("hundreds of thousands of different keys take bounded memory, and as long each", async () => {
  await using rig = await startAlerts({ clock: new StillClock(START * 1000) });
  // Lines and lists are the test's own memory.
  Object.assign(rig.logs, { push: () => 0 });
  Object.assign(rig.told, { push: () => 0 });
  const seconds: number[] = [];
  let largest = 0;
  for (let tenth = 0; tenth < 10; tenth++) {
    const begun = systemClock.cpu();
    for (let i = 0; i < 30_000; i++) {
      const key = bytes(`key ${tenth} ${i}`);
      rig.alerts.raise(draft({ key, evidence: bytes('{"n":1}') }));
      if (i % 10 === 0) rig.alerts.raise(draft({ key }));
    }
    largest = Math.max(largest, rig.alerts.bytes);
    seconds.push(systemClock.cpu() - begun);
  }
  expect(largest).toBeGreaterThan(28 * 1024 ** 2);
  expect(largest).toBeLessThanOrEqual(32 * 1024 ** 2);
  expect(await rig.list()).toHaveLength(1000);
  expect(Math.min(...seconds.slice(5))).toBeLessThan(4 * Math.min(...seconds.slice(0, 2)));
}, 60_000);
