/**
 * The month of 500 users, and twelve attacks in it. Whole months are replayed by `bun run tables`, which takes minutes; here it
 * is a tenth of the users, those who are attacked among them.
 */
import { describe, expect, test } from "bun:test";

import { ATTACKS } from "../support/attacks.ts";
import { attackedMonth, replayMonth } from "../support/month-replay.ts";
import { aboveLowByDay, attackTable, blockOfReadme, foundOf } from "../support/month-tables.ts";
import { quietMonth } from "../support/month.ts";

/** Milliseconds of real time, on a machine that has other things to do. */
const BOUND = 120_000;

const month = quietMonth();
const users = [...new Set(month.map(({ login }) => login))];

test("the month is 100,000 reports, half of them from one address, in the order of their times", () => {
  expect(month).toHaveLength(100_000);
  const counts = Map.groupBy(month, ({ remote }) => remote);
  expect(Math.max(...Array.from(counts.values(), ({ length }) => length)) / month.length).toBeCloseTo(0.5, 1);
  expect(month.every(({ t }, i) => i === 0 || t >= month[i - 1]!.t)).toBe(true);
  expect(users).toHaveLength(500);
});

describe("of a tenth of the users", () => {
  const attacks = new Set(ATTACKS.flatMap(({ reports }) => reports));
  const victims = ATTACKS.flatMap(({ expected }) => expected.flatMap(({ login }) => login ?? []));
  const some = new Set([...users.filter((_, i) => i % 10 === 0), ...victims]);
  const attacked = replayMonth(attackedMonth().filter((one) => attacks.has(one) || some.has(one.login)));

  test(
    "twelve attacks are found, each by what the README says and after as long",
    async () => {
      expect(ATTACKS).toHaveLength(12);
      const { alerts } = await attacked;
      const missed = ATTACKS.filter((attack) => foundOf(attack, alerts).includes(undefined));
      expect(missed.map(({ name }) => name)).toEqual([]);
      expect(blockOfReadme()).toStartWith(attackTable(alerts).trim());
    },
    BOUND,
  );

  test(
    "no day before the attacks has more than two alerts above low",
    async () => {
      const { alerts } = await attacked;
      const first = Math.min(...ATTACKS.map(({ from }) => from));
      const before = alerts.filter((alert) => Date.parse(alert.first) / 1000 < first);
      expect(before).not.toEqual([]);
      expect(aboveLowByDay(before).filter((count) => count > 2)).toEqual([]);
    },
    BOUND,
  );
});
