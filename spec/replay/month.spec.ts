/** A month of an honest site alerts on little; twelve attacks that are hidden in it are all found. */
import { describe, expect, test } from "bun:test";

import { ATTACKS } from "../support/attacks.ts";
import { attackedMonth, replayMonth } from "../support/month-replay.ts";
import { aboveLowByDay, blockOfReadme, foundOf, monthBlock } from "../support/month-tables.ts";
import { quietMonth } from "../support/month.ts";

/** Milliseconds of real time, on a machine that has other things to do. */
const BOUND = 240_000;

const reports = quietMonth();

describe("a month of 500 users", () => {
  const quiet = replayMonth(reports);
  const attacked = quiet.then(() => replayMonth(attackedMonth()));

  test("is 100,000 reports, half of them from one address, in the order of their times", () => {
    expect(reports).toHaveLength(100_000);
    const counts = Map.groupBy(reports, ({ remote }) => remote);
    expect(Math.max(...Array.from(counts.values(), ({ length }) => length)) / reports.length).toBeCloseTo(0.5, 1);
    expect(reports.every(({ t }, i) => i === 0 || t >= reports[i - 1]!.t)).toBe(true);
    expect(new Set(reports.map(({ login }) => login)).size).toBe(500);
  });

  test(
    "has at most two alerts above low on each day",
    async () => {
      const byDay = aboveLowByDay((await quiet).alerts);
      expect(byDay.filter((count) => count > 2)).toEqual([]);
    },
    BOUND,
  );

  test(
    "hides twelve attacks, which are found",
    async () => {
      expect(ATTACKS).toHaveLength(12);
      const { alerts } = await attacked;
      const missed = ATTACKS.filter((attack) => foundOf(attack, alerts).includes(undefined));
      expect(missed.map(({ name }) => name)).toEqual([]);
    },
    BOUND,
  );

  test(
    "is told in the README as it is (bun run tables)",
    async () => {
      expect(blockOfReadme()).toBe(monthBlock((await quiet).alerts, (await attacked).alerts).trim());
    },
    BOUND,
  );
});
