/** A store that ends after it has committed, before it has said so: nothing is lost, and nothing is written twice. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type Store, StoreError, type Turn, type TurnDone } from "../../lib/history/store.ts";
import { type Backend, BACKENDS, bytes, openHistory, row, START } from "../support/history.ts";

/** Does all turns, and loses the answers of some. */
function forgetful(store: Store, isLost: (turn: Turn) => boolean): Store {
  const run = async (turn: Turn): Promise<TurnDone> => {
    const done = await store.run(turn);
    if (isLost(turn)) throw new StoreError("away", "its thread cannot be used: it ended");
    return done;
  };
  return new Proxy(store, {
    get: (of, name) => {
      if (name === "run") return run;
      const value = Reflect.get(of, name) as unknown;
      return typeof value === "function" ? value.bind(of) : value;
    },
  });
}

for (const [name, start, reason] of BACKENDS.filter(([name]) => name !== "SQLite in place")) {
  describe.skipIf(reason !== "")(name, () => {
    let backend: Backend;
    beforeAll(async () => void (backend = await start()), 30_000);
    afterAll(() => backend[Symbol.asyncDispose]());

    test.each([
      ["that make durable", (turn: Turn) => turn.commit],
      ["of any kind", () => true],
    ])(
      "answers to turns %s are lost now and then: each row is there once, and counted once",
      async (_, isMeant) => {
        let [turns, lost] = [0, 0];
        const loses = (turn: Turn): boolean => lost < 3 && isMeant(turn) && ++turns % 2 === 1 && ++lost > 0;
        await using history = await openHistory(forgetful(await backend.store(), loses), { batch: 0.02 });
        const total = 2000;
        for (let i = 0; i < total; i++) {
          history.history.add(row({ t: START + i, login: bytes(`login${i % 7}`) }));
          while (i % 100 === 0 && !(await history.history.flush())) await Bun.sleep(5);
        }
        while (!(await history.history.flush())) await Bun.sleep(5);
        expect(lost).toBe(3);
        expect(await history.ask({ ask: "count", filter: [] })).toBe(total);
        expect(await history.ask({ ask: "distinct", column: "t", filter: [] })).toBe(total);
        expect(await history.metric("trackalert_history_rows_total")).toBe(total);
      },
      30_000,
    );
  });
}
