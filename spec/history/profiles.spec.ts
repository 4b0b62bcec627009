/** Profiles in the stores: what is learnt, known, scored, too much, unused and forgotten. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import {
  type Learnt,
  type LearntValue,
  type LevelValues,
  levelValues,
  MOST_VALUES,
  pairsOf,
  type ProfileEntry,
  ValueKind,
} from "../../lib/history/profile.ts";
import { DEFAULT_HIERARCHIES, riskScore, type Usage } from "../../lib/history/risk.ts";
import type { Answers, Question, Store, Write } from "../../lib/history/store.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { type Backend, BACKENDS } from "../support/history.ts";
import { ProfileModel } from "../support/profile-model.ts";
import { Random } from "../support/random.ts";
import { learntLogins } from "../support/risk.ts";

const bytes = (text: string): ByteString => text as ByteString;
const DAY = 86_400;
const T = 1_770_000_000;

let turns = 0;
/** Of the first 400. */
const KNOWN = learntLogins()
  .slice(0, 400)
  .filter(({ risk }) => risk !== null).length;

/** Texts, and numbers as such. */
function learnt(login: string, values: Record<string, string | number>, t = T): Learnt {
  const list = Object.entries(values).map(([feature, value]): LearntValue => {
    const kind =
      typeof value === "number" ? ValueKind.number : feature === "address" ? ValueKind.address : ValueKind.text;
    return [bytes(feature), bytes(String(value)), kind];
  });
  return { login: bytes(login), t, values: list, pairs: pairsOf(list, DEFAULT_HIERARCHIES) };
}

async function write(store: Store, ...writes: Write[]): Promise<void> {
  await store.run({ number: ++turns, writes, questions: [], commit: true });
}

const learn = (store: Store, ...all: Learnt[]): Promise<void> => write(store, { write: "learn", learnt: all });

async function ask<A extends Question["ask"]>(
  store: Store,
  question: Extract<Question, { ask: A }>,
): Promise<Answers[A]> {
  const { replies } = await store.run({
    number: ++turns,
    writes: [],
    questions: [question],
    commit: question.ask === "forget",
  });
  const [reply] = replies;
  if (!("answer" in reply!)) throw new Error(JSON.stringify(reply));
  return reply.answer as Answers[A];
}

const known = (store: Store, login: string, feature: string, value?: string): Promise<ProfileEntry[]> =>
  ask<"known">(store, {
    ask: "known",
    login: bytes(login),
    feature: bytes(feature),
    ...(value !== undefined && { value: bytes(value) }),
  });

const usage = (store: Store, login: string, levels: LevelValues): Promise<Usage> =>
  ask<"usage">(store, { ask: "usage", login: bytes(login), levels });

const levelsOf = (values: Record<string, string>): LevelValues =>
  levelValues(DEFAULT_HIERARCHIES, new Map(Object.entries(values)) as Map<ByteString, ByteString>);

const forget = (store: Store, login: string): Promise<Answers["forget"]> =>
  ask<"forget">(store, { ask: "forget", login: bytes(login), limit: 1000 });

const tidy = (
  store: Store,
  now: number,
  unused = 400 * DAY,
  retention = 90 * DAY,
  limit = 100,
): ReturnType<Store["tidy"]> =>
  store.tidy({
    ...{ now, limit, rowsBefore: now - retention, hashBefore: now - 7 * DAY, maxSize: 1e12 },
    ...{ unusedBefore: now - unused, addressesBefore: now - Math.min(unused, retention) },
  });

for (const [name, start, reason] of BACKENDS) {
  describe.skipIf(reason !== "")(`profiles in ${name}`, () => {
    /** A question over a socket takes its time. */
    const few = name.startsWith("PostgreSQL");
    let backend: Backend;
    beforeAll(async () => {
      backend = await start();
    });
    afterAll(() => backend?.[Symbol.asyncDispose]());
    const open = async (): Promise<AsyncDisposable & { store: Store }> => {
      const store = await backend.store();
      await store.open();
      return { store, [Symbol.asyncDispose]: () => store.close() };
    };

    test("give the published scores", async () => {
      await using opened = await open();
      const { store } = opened;
      let compared = 0;
      let before: Learnt[] = [];
      for (const { login, features, risk, t } of learntLogins().slice(0, few ? 400 : Infinity)) {
        const one = learnt(login, features, t);
        if (risk === null) {
          before.push(one);
          continue;
        }
        const question = { ask: "usage", login: bytes(login), levels: levelsOf(features) } as const;
        const { replies } = await store.run({
          number: ++turns,
          writes: [{ write: "learn", learnt: before }],
          questions: [question],
          commit: false,
        });
        before = [one];
        const score = riskScore(DEFAULT_HIERARCHIES, (replies[0] as { answer: Usage }).answer)!;
        expect(Math.abs(score - risk)).toBeLessThan(1e-9);
        compared++;
      }
      expect(compared).toBe(few ? KNOWN : 1199);
    });

    test("know each value once, with how often and when, last seen first", async () => {
      await using opened = await open();
      const { store } = opened;
      await learn(store, learnt("joe", { country: "NL", asn: 1136 }, T), learnt("joe", { country: "NL" }, T + 5));
      await learn(store, learnt("joe", { country: "DE" }, T + 9), learnt("joe", { country: "NL" }, T - 5.5));
      await learn(store, learnt("joe", { country: "BE" }, T + 9), learnt("ann", { country: "FR" }, T));
      expect(await known(store, "joe", "country")).toEqual([
        ["BE", 0, 1, T + 9, T + 9],
        ["DE", 0, 1, T + 9, T + 9],
        ["NL", 0, 3, T - 5.5, T + 5],
      ] as never);
      expect(await known(store, "joe", "country", "NL")).toEqual([["NL", 0, 3, T - 5.5, T + 5]] as never);
      expect(await known(store, "joe", "asn")).toEqual([["1136", 1, 1, T, T]] as never);
      expect(await known(store, "joe", "country", "FR")).toEqual([]);
      expect(await known(store, "joe", "city")).toEqual([]);
      expect(await known(store, "nobody", "country")).toEqual([]);
    });

    test("take logins and values that are any bytes", async () => {
      await using opened = await open();
      const { store } = opened;
      const odd = "\0\xff'\"\\";
      await learn(store, learnt(odd, { device: odd, country: "" }));
      expect(await known(store, odd, "device")).toEqual([[odd, 0, 1, T, T]] as never);
      expect(await known(store, odd, "country")).toEqual([["", 0, 1, T, T]] as never);
      expect(await ask<"profile">(store, { ask: "profile", login: bytes(odd) })).toEqual([
        ["country", [["", 0, 1, T, T]]],
        ["device", [[odd, 0, 1, T, T]]],
      ] as never);
    });

    test("have at most 100 values of a feature: the one seen longest ago goes, from everybody's counts, too", async () => {
      await using opened = await open();
      const { store } = opened;
      const all = Array.from({ length: 150 }, (_, i) => learnt("joe", { address: `a${i}`, country: "NL" }, T + i));
      await learn(store, ...all.slice(0, 60));
      await learn(store, ...all.slice(60));
      const values = await known(store, "joe", "address");
      expect(values.map(([value]) => String(value))).toEqual(
        Array.from({ length: MOST_VALUES }, (_, i) => `a${149 - i}`),
      );
      const { own, levels } = await usage(store, "joe", levelsOf({ address: "a49", country: "NL" }));
      expect(own).toBe(150);
      expect(levels[0]![0]).toEqual({ own: 0, all: 0, kinds: MOST_VALUES, kindsWithin: 0 });
      expect(levels[0]![2]).toEqual({ own: 150, all: 150, kinds: 1, kindsWithin: 0 });
      // One that is older than all of them is not kept.
      await learn(store, learnt("joe", { address: "old", country: "NL" }, T - 1));
      expect(await known(store, "joe", "address", "old")).toEqual([]);
      expect((await usage(store, "joe", levelsOf({ address: "old" }))).levels[0]![0]!.all).toBe(0);
    });

    test("lose what has not been seen for so long, addresses before the rest, and logins with their last value", async () => {
      await using opened = await open();
      const { store } = opened;
      await learn(
        store,
        learnt("joe", { address: "192.0.2.1", country: "NL" }),
        learnt("ann", { country: "NL" }, T + 200 * DAY),
      );
      await tidy(store, T + 89 * DAY);
      expect(await known(store, "joe", "address")).toHaveLength(1);
      await tidy(store, T + 91 * DAY);
      expect(await known(store, "joe", "address")).toEqual([]);
      expect(await known(store, "joe", "country")).toHaveLength(1);
      const levels = levelsOf({ address: "192.0.2.1", country: "NL" });
      expect(await usage(store, "joe", levels)).toMatchObject({ own: 1, all: 2, logins: 2 });
      expect((await usage(store, "joe", levels)).levels[0]!.map(({ all, kindsWithin }) => [all, kindsWithin])).toEqual([
        [0, 0],
        [0, 0],
        [2, 0],
      ]);
      await tidy(store, T + 401 * DAY);
      expect(await known(store, "joe", "country")).toEqual([]);
      expect(await usage(store, "ann", levels)).toMatchObject({ own: 1, all: 1, logins: 1 });
    });

    test("are what the plain model says after anything, and after opening them again", async () => {
      for (const seed of few ? [1] : [1, 2, 3]) {
        await using opened = await open();
        const { store } = opened;
        const random = new Random(seed);
        const model = new ProfileModel(MOST_VALUES);
        const logins = ["joe", "ann", "bob", "eve"];
        const features = ["address", "asn", "country", "device", "os", "city"];
        let now = T;
        const one = (): Learnt => {
          const values = features
            .filter(() => random.chance(0.8))
            .map((name) => [name, `${name} ${random.below(name === "address" ? 150 : 4)}`]);
          return learnt(
            random.pick(logins),
            Object.fromEntries(values) as Record<string, string>,
            now - random.below(100),
          );
        };
        const compare = async (): Promise<void> => {
          for (const login of logins) {
            for (const feature of features)
              expect(await known(store, login, feature)).toEqual(model.known(login, feature));
            const { values } = one();
            const levels = levelsOf(
              Object.fromEntries(values.map(([feature, value]) => [feature, value])) as Record<string, string>,
            );
            expect(await usage(store, login, levels)).toEqual(model.usage(login, levels));
          }
        };
        for (let step = 0; step < 25; step++) {
          now += random.below(3 * DAY);
          const batch = Array.from({ length: 1 + random.below(60) }, one);
          await learn(store, ...batch);
          model.learn(batch);
          if (random.chance(0.1)) {
            const login = random.pick(logins);
            await forget(store, login);
            model.forget(login);
          }
          if (random.chance(0.2)) {
            const unused = random.below(40) * DAY + 1000;
            while ((await tidy(store, now, unused, unused / 2, 1)).more);
            model.expire(now - unused);
            model.expire(now - unused / 2, ValueKind.address);
          }
          if (!store.isInline && random.chance(0.1)) await store.open();
          if (random.chance(0.3)) await compare();
        }
        await compare();
      }
    });

    test("forget a login as if it had never been, and say how many of each", async () => {
      await using opened = await open();
      const { store } = opened;
      await learn(store, learnt("ann", { address: "192.0.2.1", country: "NL" }));
      await learn(
        store,
        learnt("joe", { address: "192.0.2.1", country: "NL" }),
        learnt("joe", { address: "192.0.2.2", country: "BE" }),
      );
      // Two addresses and two countries; one pair with each address; everybody's: those four, two pairs, all, logins.
      expect(await forget(store, "joe")).toEqual({ rows: 0, profiles: 4, pairs: 2, everybody: 8, more: false });
      expect(await forget(store, "joe")).toEqual({ rows: 0, profiles: 0, pairs: 0, everybody: 0, more: false });
      expect(await known(store, "joe", "country")).toEqual([]);
      const levels = levelsOf({ address: "192.0.2.2", country: "NL" });
      expect(await usage(store, "ann", levels)).toMatchObject({ own: 1, all: 1, logins: 1 });
      expect((await usage(store, "ann", levels)).levels[0]!.map(({ all, kinds }) => [all, kinds])).toEqual([
        [0, 1],
        [0, 0],
        [1, 1],
      ]);
    });
  });
}
