/** The risk score against the published implementation of its model. */
import { describe, expect, test } from "bun:test";

import { Everybody } from "../../lib/history/everybody.ts";
import {
  Changes,
  type LearntValue,
  type LevelValues,
  pairsOf,
  ProfileKeys,
  tallyLogins,
  usageOf,
  ValueKind,
} from "../../lib/history/profile.ts";
import { DEFAULT_HIERARCHIES, type Hierarchy, hierarchyProblem, riskScore } from "../../lib/history/risk.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { learntLogins } from "../support/risk.ts";

/** Profiles in plain maps: the least that can answer. */
class Profiles {
  private readonly keys = new ProfileKeys("secret" as ByteString);
  private readonly everybody = new Everybody(
    { read: (key) => this.written.get(key) ?? 0, write: (key, count) => this.written.set(key, count) },
    50,
  );
  private readonly written = new Map<number, number>();
  private readonly logins = new Map<string, number>();
  private readonly values = new Map<string, number>();

  constructor(private readonly hierarchies: readonly Hierarchy[] = DEFAULT_HIERARCHIES) {}

  learn(login: string, features: Record<string, string>, sign: 1 | -1 = 1): void {
    const values = Object.entries(features).map(([name, value]) => [name, value, ValueKind.text] as LearntValue);
    const changes = new Changes();
    tallyLogins(
      [{ login: login as ByteString, t: 0, values, pairs: pairsOf(values, this.hierarchies) }],
      this.keys,
      changes,
    );
    const before = this.logins.get(login) ?? 0;
    this.logins.set(login, before + sign);
    if (before === 0) changes.add(ProfileKeys.logins, undefined, 1);
    if (before + sign === 0) changes.add(ProfileKeys.logins, undefined, sign);
    for (const [name, value] of values) {
      const key = `${login} ${name} ${value}`;
      this.values.set(key, (this.values.get(key) ?? 0) + sign);
    }
    this.everybody.apply(changes.sorted.map((change) => ({ ...change, delta: Math.abs(change.delta) * sign })));
    this.everybody.flush();
  }

  risk(login: string, features: Record<string, string>): number | undefined {
    const levels = this.hierarchies.map((levels) =>
      levels.map(({ name }) => [name, features[name] ?? null]),
    ) as LevelValues;
    return riskScore(
      this.hierarchies,
      usageOf(levels, this.keys, {
        learnt: this.logins.get(login) ?? 0,
        own: (name, value) => this.values.get(`${login} ${name} ${value}`) ?? 0,
        all: (key) => this.everybody.count(key),
      }),
    );
  }

  /** Everybody's counts that are above 0. */
  get counts(): number {
    return [...this.written.values()].filter((count) => count > 0).length;
  }
}

describe("the risk score", () => {
  test("is what the published implementation gives, for 1,199 logins", () => {
    const profiles = new Profiles();
    let compared = 0;
    for (const { login, features, risk } of learntLogins()) {
      const score = profiles.risk(login, features);
      if (risk !== null) {
        expect(Math.abs(score! - risk)).toBeLessThan(1e-9);
        compared++;
      }
      profiles.learn(login, features);
    }
    expect(compared).toBe(1199);
  });

  test("does not exist for a login that was never learnt", () => {
    const profiles = new Profiles();
    profiles.learn("joe", { country: "NL" });
    expect(profiles.risk("ann", { country: "NL" })).toBeUndefined();
  });

  test("leaves out levels and hierarchies without a value", () => {
    const profiles = new Profiles([
      [{ name: "country", weight: 1 }],
      [{ name: "device", weight: 1 }],
    ] as unknown as Hierarchy[]);
    profiles.learn("joe", { country: "NL", device: "a" });
    profiles.learn("ann", { country: "DE", device: "b" });
    const [country, device] = [{ country: "NL" }, { device: "b" }].map((features) => profiles.risk("joe", features)!);
    // One of two with the value, of two kinds of which one was expected anew: (1 - 1/2) * 1/2 * (1 - 1/3), and 1 of 1 here.
    expect(country).toBeCloseTo((1 / 2) * (1 / 2) * (2 / 3), 12);
    expect(device).toBeCloseTo(4, 12);
    expect(profiles.risk("joe", { country: "NL", device: "b" })).toBeCloseTo(country! * device!, 12);
    expect(profiles.risk("joe", {})).toBe(1);
  });

  test("is finite for values that nobody has", () => {
    const profiles = new Profiles();
    profiles.learn("joe", { address: "192.0.2.1", asn: "1", country: "NL" });
    expect(profiles.risk("joe", { asn: "2" })).toBe(4);
    expect(profiles.risk("joe", { address: "192.0.2.9", asn: "9", country: "XX" })).toBe(4);
  });

  test("leaves nothing of what is taken back", () => {
    const profiles = new Profiles();
    const logins = learntLogins().slice(0, 300);
    for (const { login, features } of logins) profiles.learn(login, features);
    expect(profiles.counts).toBeGreaterThan(300);
    for (const { login, features } of logins) profiles.learn(login, features, -1);
    expect(profiles.counts).toBe(0);
  });
});

describe("hierarchies", () => {
  test("by default are those of the paper", () => {
    expect(hierarchyProblem(DEFAULT_HIERARCHIES)).toBeUndefined();
  });

  test.each([
    [[[{ name: "", weight: 1 }]], "a feature without a name"],
    [
      [[{ name: "a", weight: 1 }], [{ name: "b", weight: 0 }]],
      'weight of "b": number above 0 and up to 1 expected, got 0',
    ],
    [[[{ name: "a", weight: NaN }]], 'weight of "a": number above 0 and up to 1 expected, got NaN'],
    [[[{ name: "a", weight: 1 }], [{ name: "a", weight: 1 }]], '"a" is there twice'],
    [[Array.from({ length: 33 }, (_, i) => ({ name: `l${i}`, weight: 1 }))], "more than 32 levels"],
    [[[{ name: "x".repeat(65), weight: 1 }]], "a feature's name has more than 64 bytes"],
  ])("that cannot be used are refused: %#", (hierarchies, problem) => {
    expect(hierarchyProblem(hierarchies as unknown as Hierarchy[])).toBe(problem);
  });
});
