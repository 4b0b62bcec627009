/** What goes, and when: rows, texts that nobody needs any more, logins that may be passwords. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Filter } from "../../lib/history/filter.ts";
import { type Store, type Tidied, type Tidying } from "../../lib/history/store.ts";
import { type ByteString } from "../../lib/text/byte-string.ts";
import {
  type Backend,
  BACKENDS,
  bytes,
  openHistory,
  row,
  START,
  type TestHistory,
  valueOf,
} from "../support/history.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

const DAY = 86_400;
/** Nothing of profiles is too old. */
const AGES = { unusedBefore: 0, addressesBefore: 0 };

/** Tidies until there is nothing more to do. */
async function tidyAll(store: Store, tidying: Partial<Tidying>): Promise<Tidied> {
  const total: Tidied = { expired: 0, oversize: 0, more: false };
  while (true) {
    const all = { ...AGES, now: START, rowsBefore: 0, hashBefore: 0, maxSize: Infinity, limit: 50, ...tidying };
    // JSON has no Infinity.
    const { expired, oversize, more } = await store.tidy({ ...all, maxSize: Math.min(all.maxSize, 1e15) });
    total.expired += expired;
    total.oversize += oversize;
    if (!more) return total;
  }
}

for (const [name, start, reason] of BACKENDS) {
  describe.skipIf(reason !== "")(name, () => {
    let backend: Backend;
    beforeAll(async () => void (backend = await start()), 30_000);
    afterAll(() => backend[Symbol.asyncDispose]());

    const loginFilter = (login: string): Filter => [{ column: "login", values: [bytes(login)] }];
    const count = (history: TestHistory, filter: Filter): Promise<number> => history.ask({ ask: "count", filter });

    test("rows before the retention go in pieces, with what only they had; others stay", async () => {
      await using history = await openHistory(await backend.store());
      for (let i = 0; i < 300; i++) {
        history.history.add(row({ t: START + i * 3600, login: bytes(`login${i}`), device: bytes(`device${i}`) }));
      }
      await history.history.flush();
      const rowsBefore = START + 200 * 3600;
      expect(
        (await history.store.tidy({ ...AGES, now: 0, rowsBefore, hashBefore: 0, maxSize: 1e15, limit: 50 })).more,
      ).toBe(true);
      expect(await count(history, [])).toBe(250);
      expect((await tidyAll(history.store, { rowsBefore })).expired).toBe(150);
      expect(await count(history, [])).toBe(100);
      expect(await count(history, loginFilter("login199"))).toBe(0);
      expect(await count(history, [{ column: "device", values: [bytes("device200")] }])).toBe(1);
      // Totals of hours are about nobody, and stay.
      const series = await history.ask({ ask: "series", bucket: 300 * 3600 * 10, filter: [] });
      expect(series.reduce((sum, [, n]) => sum + n, 0)).toBe(300);
      // What has gone can come again.
      history.history.add(row({ t: START, login: bytes("login1"), device: bytes("device1") }));
      expect(await count(history, loginFilter("login1"))).toBe(1);
    });

    test("a login that never succeeded is in no top, and its text is replaced after the time; questions still find it", async () => {
      await using history = await openHistory(await backend.store());
      const add = (login: string, t: number, success = false): void =>
        history.history.add(row({ login: bytes(login), t, success }));
      for (let i = 0; i < 3; i++) add("hunter2", START + i);
      add("joe", START);
      add("joe", START + 1, true);
      add("late", START + 8 * DAY);
      expect(await history.ask({ ask: "top", column: "login", filter: [], n: 9 })).toEqual([[bytes("joe"), 2]]);
      await history.history.flush();
      const hashBefore = START + DAY;
      await tidyAll(history.store, { hashBefore });
      const rows = await history.ask({ ask: "rows", filter: [], n: 9 });
      const logins = new Set(rows.map((one) => valueOf(one, "login") as ByteString));
      expect(logins).toContain(bytes("joe"));
      expect(logins).toContain(bytes("late"));
      expect([...logins].join()).not.toContain("hunter2");
      const hash = [...logins].find((login) => login.startsWith("hmac:"))!;
      expect(hash).toMatch(/^hmac:[0-9a-f]{32}$/);
      expect(await count(history, loginFilter("hunter2"))).toBe(3);
      // It comes again, and is replaced again: by the same.
      for (let i = 0; i < 120; i++) add("hunter2", START + 100 + i);
      expect(await count(history, loginFilter("hunter2"))).toBe(123);
      await history.history.flush();
      await tidyAll(history.store, { hashBefore });
      expect(await count(history, loginFilter(hash))).toBe(123);
      expect(await count(history, loginFilter("hunter2"))).toBe(123);
      expect((await history.ask({ ask: "rows", filter: loginFilter("hunter2"), n: 200 })).map((one) => one[0])).toEqual(
        [...Array.from({ length: 120 }, (_, i) => START + 219 - i), START + 2, START + 1, START],
      );
      expect(await history.ask({ ask: "distinct", column: "login", filter: [] })).toBe(3);
      expect(await history.history.forget(bytes("hunter2"))).toMatchObject({ answer: { rows: 123 } });
      expect(await count(history, [])).toBe(3);
    });

    test("over its size the oldest rows go", async () => {
      await using history = await openHistory(await backend.store());
      const device = (i: number): ByteString => bytes(`${i}`.padEnd(1000, "x"));
      for (let i = 0; i < 2000; i++) history.history.add(row({ t: START + i, device: device(i) }));
      await history.history.flush();
      const tidying = { ...AGES, now: 0, rowsBefore: 0, hashBefore: 0, maxSize: 1e6, limit: 50 };
      let oversize: number;
      // PostgreSQL counts rows some time after they have come, and sooner where its connection is busy.
      do {
        history.history.add(row({ t: START + 5000 }));
        await history.history.flush();
        ({ oversize } = await history.store.tidy(tidying));
      } while (oversize === 0);
      expect(oversize).toBe(50);
      const [oldest] = await history.ask({ ask: "rows", filter: [], n: 1, oldestFirst: true });
      expect(oldest![0]).toBe(START + 50);
    }, 20_000);
  });
}

test("what is too old goes by itself, hours are counted by themselves, and steps of the clock do no harm", async () => {
  const { InlineStore } = await import("../../lib/history/sqlite/inline.ts");
  const clock = new JumpingClock(START * 1000);
  await using history = await openHistory(new InlineStore(clock), { retention: 2 * DAY }, clock);
  let time = START * 1000;
  const pass = (milliseconds: number): Promise<void> => clock.advanceTo((time += milliseconds));
  const add = (): void => history.history.add(row({ t: clock.now() / 1000, success: true }));
  add();
  await pass(7200_000);
  const asked = history.ask({ ask: "totals", since: 0, before: START + DAY });
  await pass(1);
  expect(await asked).toMatchObject([{ reports: 1, logins: 1, addresses: 1 }]);
  // A day back, and forth again: rows keep the time that was thought right.
  clock.jump(-DAY * 1000);
  add();
  await pass(120_000);
  clock.jump(DAY * 1000);
  add();
  await pass(120_000);
  const counted = history.ask({ ask: "count", filter: [] });
  await pass(1);
  expect(await counted).toBe(3);
  clock.jump(3 * DAY * 1000);
  await pass(600_000);
  const left = history.ask({ ask: "count", filter: [] });
  await pass(1);
  expect(await left).toBe(0);
  expect(history.logs).toEqual([]);
  const closed = history.history.close();
  await pass(1000);
  await closed;
});
