/** Results of fixtures, and what they add up to. */
import { compare, type Difference } from "./compare.ts";
import type { ExpectedCount } from "./expectations.ts";
import type { Fixture } from "./fixture.ts";
import { emptyInventory, type Inventory, type Outcome } from "./outcome.ts";

/** What became of one fixture. */
export interface Result {
  fixture: Fixture;
  outcome: Outcome;
  differences: Difference[];
  /** Whether the fixture has been rewritten to what happened. */
  updated: boolean;
}

/** A fixture that turned out to be unusable while it ran, such as for a report in the middle of a file. */
export interface Unusable {
  fixture: Fixture;
  error: string;
}

export const isUnusable = (one: Result | Unusable): one is Unusable => "error" in one;

const usable = (all: readonly (Result | Unusable)[]): Result[] => all.filter((one): one is Result => !isUnusable(one));

export const resultOf = (outcome: Outcome): Result => ({
  fixture: outcome.fixture,
  outcome,
  differences: compare(outcome),
  updated: false,
});

export const hasPassed = ({ differences, updated }: Result): boolean => updated || differences.length === 0;

/** Names that are expected to stay silent and that the configuration does not know, such as mistyped ones. */
export function findUnknown({ fixture, outcome }: Result): string[] {
  const { webhooks, background } = outcome.configured;
  const { webhooks: expected, background: runs } = fixture.expect;
  const unknown = (kind: string, expected: ExpectedCount[], known: Set<string>): string[] =>
    expected
      .filter(({ name, count }) => count === 0 && !known.has(name))
      .map(({ name, line }) => `${fixture.file}:${line}: ${fixture.config} has no ${kind} ${JSON.stringify(name)}`);
  return [
    ...unknown("webhook", [...expected.silent, ...expected.counts], webhooks),
    ...unknown("background function", runs, background),
  ];
}

/** Functions and hooks of a configuration that no fixture has used. */
export interface Unused extends Inventory {
  config: string;
}

/** Configurations of which something was never used. Of a replay that ended before its time nobody can tell. */
export function findUnused(all: readonly (Result | Unusable)[]): Unused[] {
  const configs = new Map<string, { configured: Inventory; used: Inventory }>();
  const results = usable(all);
  const ended = new Set(results.filter(({ outcome }) => outcome.failure).map(({ fixture }) => fixture.config));
  for (const { fixture, outcome } of results) {
    if (ended.has(fixture.config)) continue;
    const known = configs.get(fixture.config) ?? { configured: emptyInventory(), used: emptyInventory() };
    configs.set(fixture.config, {
      configured: join(known.configured, outcome.configured),
      used: join(known.used, outcome.used),
    });
  }
  return [...configs]
    .map(([config, { configured, used }]) => ({
      config,
      endpoints: configured.endpoints.difference(used.endpoints),
      background: configured.background.difference(used.background),
      webhooks: configured.webhooks.difference(used.webhooks),
    }))
    .filter(({ endpoints, background, webhooks }) => endpoints.size + background.size + webhooks.size > 0);
}

const join = (a: Inventory, b: Inventory): Inventory => ({
  endpoints: a.endpoints.union(b.endpoints),
  background: a.background.union(b.background),
  webhooks: a.webhooks.union(b.webhooks),
});

export interface Summary {
  fixtures: number;
  passed: number;
  failed: number;
  unusable: number;
  reports: number;
  webhooks: number;
  alerts: number;
  backgroundRuns: number;
  errors: number;
  /** Milliseconds. */
  virtualTime: number;
}

export function summarize(all: readonly (Result | Unusable)[]): Summary {
  const results = usable(all);
  const sum = (value: (result: Result) => number): number =>
    results.reduce((total, result) => total + value(result), 0);
  const passed = results.filter(hasPassed).length;
  return {
    fixtures: all.length,
    passed,
    failed: results.length - passed,
    unusable: all.length - results.length,
    reports: sum(({ outcome }) => outcome.reports),
    webhooks: sum(({ outcome }) => outcome.webhooks.count),
    alerts: sum(({ outcome }) => outcome.alerts.count),
    backgroundRuns: sum(({ outcome }) => outcome.backgroundCount),
    errors: sum(({ outcome }) => outcome.errorCount),
    virtualTime: sum(({ outcome, fixture }) => outcome.end - fixture.start),
  };
}
