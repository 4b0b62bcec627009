/** Alerts in the stores: who raises one, what it is folded into, who finishes it, and what is listed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type AlertRecord, newestFirst } from "../../lib/history/alert-record.ts";
import type { Answers, Question, Store, Write } from "../../lib/history/store.ts";
import { type Backend, BACKENDS, bytes, START } from "../support/history.ts";

let turns = 0;

function alert(values: Partial<AlertRecord> = {}): AlertRecord {
  return {
    id: "a1",
    key: bytes("spray\0\xff'\""),
    type: "spray",
    severity: "high",
    login: bytes("joe\0\xff"),
    remote: bytes("192.0.2.1"),
    message: bytes("what it says"),
    evidence: bytes('{"n":1}'),
    policy: null,
    host: "mx1",
    count: 1,
    first: START + 0.25,
    last: START + 0.25,
    until: START + 3600,
    ...values,
  };
}

async function write(store: Store, ...writes: Write[]): Promise<void> {
  await store.run({ number: ++turns, writes, questions: [], commit: true });
}

async function ask<A extends Question["ask"]>(
  store: Store,
  question: Extract<Question, { ask: A }>,
): Promise<Answers[A]> {
  const { replies } = await store.run({ number: ++turns, writes: [], questions: [question], commit: true });
  const [reply] = replies;
  if (!("answer" in reply!)) throw new Error(JSON.stringify(reply));
  return reply.answer as Answers[A];
}

const raise = (store: Store, values: Partial<AlertRecord>, now: number): Promise<Answers["raise"]> =>
  ask<"raise">(store, { ask: "raise", alert: alert(values), now });

for (const [name, start, reason] of BACKENDS) {
  describe.skipIf(reason !== "")(`alerts in ${name}`, () => {
    let backend: Backend;
    beforeAll(async () => void (backend = await start()));
    afterAll(() => backend[Symbol.asyncDispose]());

    async function open(): Promise<Store> {
      const store = await backend.store();
      await store.open();
      return store;
    }

    test("one of a key is new, the next is folded into it, and one behind the cool-down is new again", async () => {
      const store = await open();
      expect(await raise(store, {}, START)).toEqual({ id: "a1", isNew: true, until: START + 3600 });
      const second = await raise(store, { id: "a2", last: START + 9, until: START + 3700 }, START + 100);
      expect(second).toEqual({ id: "a1", isNew: false, until: START + 3600 });
      expect(await raise(store, { id: "a3", key: bytes("other") }, START + 100)).toMatchObject({ isNew: true });
      expect(await raise(store, { id: "a4", first: START + 3600, until: START + 7200 }, START + 3600)).toMatchObject({
        id: "a4",
        isNew: true,
      });
      const all = await ask<"alerts">(store, { ask: "alerts", filter: { since: START }, n: 10 });
      expect(all.map(({ id, count, last }) => [id, count, last])).toEqual([
        ["a4", 1, START + 0.25],
        ["a3", 1, START + 0.25],
        ["a1", 2, START + 9],
      ]);
      await store.close();
    });

    test("a cool-down longer than it can be is not trusted: the clock was set back", async () => {
      const store = await open();
      await raise(store, { until: START + 86_400 + 3600 }, START + 86_400);
      expect(await raise(store, { id: "a2", until: START + 3600 }, START)).toMatchObject({ id: "a2", isNew: true });
      await store.close();
    });

    test("is one alert for daemons whose clocks differ a little", async () => {
      const store = await open();
      await raise(store, { until: START + 3600.4 }, START + 0.4);
      expect(await raise(store, { id: "a2", until: START + 3600 }, START)).toMatchObject({ id: "a1", isNew: false });
      await store.close();
    });

    test("raised without asking has its key from then on, unless another has taken it since", async () => {
      const store = await open();
      await write(store, { write: "alerts", alerts: [alert()], now: START });
      expect(await raise(store, { id: "a2" }, START + 60)).toMatchObject({ id: "a1", isNew: false });
      await raise(store, { id: "b1", key: bytes("b"), until: START + 5000 }, START + 1400);
      await write(store, { write: "alerts", alerts: [alert({ id: "b2", key: bytes("b") })], now: START });
      expect(await raise(store, { id: "b3", key: bytes("b"), until: START + 5060 }, START + 1460)).toMatchObject({
        id: "b1",
        isNew: false,
      });
      await write(store, { write: "finished", alerts: [{ key: bytes("b"), id: "b2" }] });
      const left = await ask<"openAlerts">(store, { ask: "openAlerts" });
      expect(left.map(({ id }) => id).toSorted()).toEqual(["a1", "b1"]);
      await store.close();
    });

    test("comes back as it was, bytes that are no UTF-8 included", async () => {
      const store = await open();
      await write(store, { write: "alerts", alerts: [alert(), alert()], now: START });
      const bare = alert({ id: "a2", login: null, remote: null, evidence: null, policy: bytes("p"), severity: "low" });
      await write(store, { write: "alerts", alerts: [bare], now: START });
      expect(await ask<"alerts">(store, { ask: "alerts", filter: {}, n: 10 })).toEqual([bare, alert()]);
      await store.close();
    });

    test("is counted up, and finished by one alone", async () => {
      const store = await open();
      await raise(store, {}, START);
      const { key } = alert();
      await write(store, {
        write: "folds",
        folds: [
          { key, id: "a1", count: 40, last: START + 60 },
          { key, id: "a1", count: 1, last: START + 30 },
          { key, id: "nobody", count: 1, last: START },
        ],
      });
      expect(await ask<"openAlerts">(store, { ask: "openAlerts" })).toMatchObject([{ id: "a1", count: 42 }]);
      const finish = { ask: "finish", key, id: "a1" } as const;
      expect(await ask<"finish">(store, finish)).toEqual(alert({ count: 42, last: START + 60 }));
      expect(await ask<"finish">(store, finish)).toBeNull();
      expect(await ask<"openAlerts">(store, { ask: "openAlerts" })).toEqual([]);
      expect(await raise(store, { id: "a2" }, START + 1)).toMatchObject({ isNew: true });
      await store.close();
    });

    test("is listed by what a filter names, newest first, and page by page", async () => {
      const store = await open();
      const all = Array.from({ length: 30 }, (_, i) =>
        alert({
          id: `id${String(i).padStart(2, "0")}`,
          type: i % 2 ? "odd" : "even",
          login: i % 3 ? bytes(`user${i % 3}`) : null,
          remote: bytes(`192.0.2.${i % 5}`),
          severity: i % 7 ? "low" : "critical",
          first: START + Math.floor(i / 4) * 60,
        }),
      );
      await write(store, { write: "alerts", alerts: all, now: START });
      const ids = async (filter: Extract<Question, { ask: "alerts" }>["filter"], n = 100): Promise<string[]> =>
        (await ask<"alerts">(store, { ask: "alerts", filter, n })).map(({ id }) => id);
      const where = (test: (one: AlertRecord) => boolean): string[] =>
        all
          .filter(test)
          .toSorted(newestFirst)
          .map(({ id }) => id);
      expect(await ids({})).toEqual(where(() => true));
      expect(await ids({ type: "odd" })).toEqual(where(({ type }) => type === "odd"));
      expect(await ids({ login: bytes("user1"), severity: "low" })).toEqual(
        where(({ login, severity }) => login === "user1" && severity === "low"),
      );
      expect(await ids({ remote: bytes("192.0.2.3") })).toEqual(where(({ remote }) => remote === "192.0.2.3"));
      expect(await ids({ since: START + 60, before: START + 240 })).toEqual(
        where(({ first }) => first >= START + 60 && first < START + 240),
      );
      const paged: string[] = [];
      for (let after: AlertRecord | undefined; ;) {
        const page = await ask<"alerts">(store, { ask: "alerts", filter: after ? { after } : {}, n: 7 });
        paged.push(...page.map(({ id }) => id));
        if (page.length < 7) break;
        after = page.at(-1);
      }
      expect(paged).toEqual(where(() => true));
      await store.close();
    });

    test("goes when it is too old, and when its login is forgotten", async () => {
      const store = await open();
      await raise(store, {}, START);
      await write(store, {
        write: "alerts",
        alerts: [alert({ id: "a2", login: bytes("ann"), key: bytes("k2") })],
        now: START,
      });
      await raise(store, { id: "a3", login: bytes("ann"), key: bytes("k3") }, START);
      expect(await ask<"forgetAlerts">(store, { ask: "forgetAlerts", login: bytes("ann") })).toBe(2);
      // Keys name logins, so their cool-downs go, too.
      expect(await raise(store, { id: "a4", key: bytes("k3") }, START)).toMatchObject({ isNew: true });
      expect(await ask<"forgetAlerts">(store, { ask: "forgetAlerts", login: bytes("nobody") })).toBe(0);
      const tidying = { now: START, unusedBefore: 0, addressesBefore: 0, hashBefore: 0, maxSize: 1e12, limit: 100 };
      await store.tidy({ ...tidying, rowsBefore: START + 60 });
      expect(await ask<"alerts">(store, { ask: "alerts", filter: {}, n: 10 })).toHaveLength(2);
      await store.tidy({ ...tidying, rowsBefore: START + 3601 });
      expect(await ask<"alerts">(store, { ask: "alerts", filter: {}, n: 10 })).toEqual([]);
      // Its cool-down is gone, too.
      expect(await raise(store, { id: "a5" }, START)).toMatchObject({ isNew: true });
      await store.close();
    });

    test("of two that raise alerts of the same keys, each time one wins", async () => {
      const store = await open();
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, i) => raise(store, { id: `a${i}`, key: bytes(`key${i % 4}`) }, START)),
      );
      expect(outcomes.filter(({ isNew }) => isNew)).toHaveLength(4);
      const listed = await ask<"alerts">(store, { ask: "alerts", filter: {}, n: 10 });
      expect(listed.map(({ count }) => count)).toEqual([10, 10, 10, 10]);
      await store.close();
    });
  });
}
