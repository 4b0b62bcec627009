/**
 * Profiles: what has been seen for a login, and for everybody. A success is learnt as values of features (`country` is
 * `NL`), each of which counts once for the login and once for everybody.
 *
 * ```
 *   Learnt ── tallyLogins ──▶ for each login, value and pair of values how often: what both databases add up
 *                 │
 *                 └─ Changes ──▶ what that means for everybody's counts
 * ```
 * Everybody's counts are kept under keyed hashes, so that they name neither login nor value. What goes from a login's profile goes from
 * everybody's counts, too: they are always the sum of all profiles.
 */
import type { ByteString } from "../text/byte-string.ts";
import type { Hierarchy, LevelUsage, Usage } from "./risk.ts";

/** Values of a feature that a login has at most: the one seen longest ago goes. */
export const MOST_VALUES = 100;
/** Features that are learnt at once at most, and the bytes of a name. */
export const MOST_FEATURES = 64;
const LONGEST_FEATURE = 64;

/** What kind of value it was: numbers come back as such, and addresses are personal data that is kept no longer than rows. */
export const ValueKind = { text: 0, number: 1, address: 2 } as const;

export type LearntValue = [feature: ByteString, value: ByteString, kind: number];

/** One success. */
export interface Learnt {
  login: ByteString;
  /** Seconds since 1970. */
  t: number;
  /** One for each feature. */
  values: LearntValue[];
  /** Which of them are counted together: the first level of a hierarchy with each of the others. */
  pairs: [first: number, other: number][];
}

/** About how much memory it takes while it waits. */
export const sizeOfLearnt = ({ login, values, pairs }: Learnt): number =>
  values.reduce(
    (size, [feature, value]) => size + 100 + feature.length + value.length,
    300 + login.length + 50 * pairs.length,
  );

/** A value of a login's feature. Times are seconds since 1970. */
export type ProfileEntry = [value: ByteString, kind: number, count: number, first: number, last: number];

/** What is wrong with the name of a feature, if so. */
export function featureProblem(name: ByteString): string | undefined {
  if (name === "") return "a feature without a name";
  if (name.length > LONGEST_FEATURE) return `a feature's name has more than ${LONGEST_FEATURE} bytes`;
  return undefined;
}

/** The pairs of {@link Learnt}. */
export function pairsOf(values: readonly LearntValue[], hierarchies: readonly Hierarchy[]): [number, number][] {
  const pairs: [number, number][] = [];
  const place = (name: ByteString): number => values.findIndex(([feature]) => feature === name);
  for (const [first, ...others] of hierarchies) {
    const from = place(first!.name);
    for (const { name } of others) {
      const to = place(name);
      const known = pairs.some(([a, b]) => a === from && b === to);
      if (from >= 0 && to >= 0 && !known) pairs.push([from, to]);
    }
  }
  return pairs;
}

/** Keys of everybody's counts: whole numbers of 53 bits, which no two texts share unless by an accident of one in 10^15. */
export class ProfileKeys {
  /** How many successes were learnt, and of how many logins. */
  static readonly all = 0;
  static readonly logins = 1;
  private readonly seed: bigint;

  /** @param secret without which nobody can tell what a key stands for */
  constructor(secret: ByteString) {
    const hash = new Bun.CryptoHasher("sha256").update("profiles").update(Buffer.from(secret, "latin1")).digest();
    this.seed = hash.readBigUInt64LE();
  }

  /** How often a feature has a value. */
  value(feature: ByteString, value: ByteString): number {
    return this.hash(`v${feature.length}:${feature}${value}`);
  }

  /** How many different values a feature has. */
  kinds(feature: ByteString): number {
    return this.hash(`k${feature}`);
  }

  /** How often a value came with the value `of`. */
  pair(of: number, feature: ByteString, value: ByteString): number {
    return this.hash(`p${of}:${feature.length}:${feature}${value}`);
  }

  /** How many different values a feature has with the value `of`. */
  kindsWithin(of: number, feature: ByteString): number {
    return this.hash(`w${of}:${feature}`);
  }

  private hash(text: string): number {
    return Number(Bun.hash.xxHash64(text, this.seed) >> 11n);
  }
}

/** A change of how often everybody has something, and what counts how many such things there are. */
export interface Change {
  key: number;
  kinds: number | undefined;
  delta: number;
}

/** Changes that add up. */
export class Changes {
  private readonly changes = new Map<number, Change>();

  add(key: number, kinds: number | undefined, delta: number): void {
    const change = this.changes.get(key);
    if (change) change.delta += delta;
    else this.changes.set(key, { key, kinds, delta });
  }

  /** In the order of their keys, so that two daemons that write the same ones do not block each other. */
  get sorted(): Change[] {
    return [...this.changes.values()].filter(({ delta }) => delta !== 0).toSorted((a, b) => a.key - b.key);
  }
}

/** What a login gets of one value. */
export interface EntryTally {
  feature: ByteString;
  value: ByteString;
  kind: number;
  key: number;
  count: number;
  first: number;
  last: number;
}

/** What a login gets of one pair: its key, that of its first value, and what counts the kinds. */
export interface PairTally {
  of: number;
  kinds: number;
  key: number;
  count: number;
}

export interface LoginTally {
  login: ByteString;
  learnt: number;
  last: number;
  entries: EntryTally[];
  pairs: PairTally[];
}

/** Adds up what was learnt, ordered by login, value and pair. What it means for everybody is added to `changes`. */
export function tallyLogins(learnt: readonly Learnt[], keys: ProfileKeys, changes: Changes): LoginTally[] {
  const logins = new Map<ByteString, Learnt[]>();
  for (const one of learnt) {
    const ofLogin = logins.get(one.login);
    if (ofLogin) ofLogin.push(one);
    else logins.set(one.login, [one]);
  }
  return [...logins.keys()].toSorted(byBytes).map((login) => tallyLogin(login, logins.get(login)!, keys, changes));
}

function tallyLogin(login: ByteString, learnt: Learnt[], keys: ProfileKeys, changes: Changes): LoginTally {
  const entries = new Map<number, EntryTally>();
  const pairs = new Map<number, PairTally>();
  let last = -Infinity;
  for (const { t, values, pairs: places } of learnt) {
    last = Math.max(last, t);
    const of = values.map(([feature, value, kind]) => addEntry(entries, { feature, value, kind, t }, keys));
    for (const [first, other] of places) {
      const [feature, value] = values[other]!;
      addPair(pairs, of[first]!, feature, value, keys);
    }
  }
  changes.add(ProfileKeys.all, undefined, learnt.length);
  for (const { key, feature, count } of entries.values()) changes.add(key, keys.kinds(feature), count);
  for (const { key, kinds, count } of pairs.values()) changes.add(key, kinds, count);
  return {
    login,
    learnt: learnt.length,
    last,
    entries: [...entries.values()].toSorted((a, b) => byBytes(a.feature, b.feature) || byBytes(a.value, b.value)),
    pairs: [...pairs.values()].toSorted((a, b) => a.of - b.of || a.key - b.key),
  };
}

interface Seen {
  feature: ByteString;
  value: ByteString;
  kind: number;
  t: number;
}

function addEntry(entries: Map<number, EntryTally>, { t, ...seen }: Seen, keys: ProfileKeys): number {
  const key = keys.value(seen.feature, seen.value);
  const entry = entries.get(key);
  if (!entry) entries.set(key, { ...seen, key, count: 1, first: t, last: t });
  else {
    entry.count++;
    entry.kind = seen.kind;
    entry.first = Math.min(entry.first, t);
    entry.last = Math.max(entry.last, t);
  }
  return key;
}

function addPair(
  pairs: Map<number, PairTally>,
  of: number,
  feature: ByteString,
  value: ByteString,
  keys: ProfileKeys,
): void {
  const key = keys.pair(of, feature, value);
  const pair = pairs.get(key);
  if (pair) pair.count++;
  else pairs.set(key, { of, kinds: keys.kindsWithin(of, feature), key, count: 1 });
}

/** By their bytes, as both databases order. */
const byBytes = (a: ByteString, b: ByteString): number => (a < b ? -1 : a > b ? 1 : 0);

/** A value of each level of each hierarchy; null where it is not known. */
export type LevelValues = [feature: ByteString, value: ByteString | null][][];

/** @param values by feature */
export const levelValues = (
  hierarchies: readonly Hierarchy[],
  values: ReadonlyMap<ByteString, ByteString>,
): LevelValues => hierarchies.map((levels) => levels.map(({ name }) => [name, values.get(name) ?? null]));

/**
 * What a score is made of.
 * @param learnt successes of the login
 * @param own how many of them have a value
 * @param all everybody's count under a key
 */
export function usageOf(
  levels: LevelValues,
  keys: ProfileKeys,
  {
    learnt,
    own,
    all,
  }: { learnt: number; own: (feature: ByteString, value: ByteString) => number; all: (key: number) => number },
): Usage {
  const ofLevel = (of: number | undefined, feature: ByteString, value: ByteString | null): LevelUsage => ({
    own: value === null ? null : own(feature, value),
    all: value === null ? 0 : all(keys.value(feature, value)),
    kinds: all(keys.kinds(feature)),
    kindsWithin: of === undefined ? 0 : all(keys.kindsWithin(of, feature)),
  });
  return {
    own: learnt,
    all: all(ProfileKeys.all),
    logins: all(ProfileKeys.logins),
    levels: levels.map((hierarchy) => {
      const [first, value] = hierarchy[0]!;
      const of = value === null ? undefined : keys.value(first, value);
      return hierarchy.map(([feature, value]) => ofLevel(of, feature, value));
    }),
  };
}
