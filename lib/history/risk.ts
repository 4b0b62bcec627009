/**
 * How unusual a login's success is: the risk score of Freeman et al., "Who Are You? A Statistical Approach to Measuring User
 * Authenticity" (NDSS 2016), as Wiefling et al., "Pump Up Password Security!" (2022), compute it.
 *
 * Features come in hierarchies, each most specific level first (address, network operator, country): what has never been
 * seen at one level may be known at the next.
 */
import { type ByteString, toText } from "../text/byte-string.ts";
import { featureProblem } from "./profile.ts";

/** A level of a hierarchy, and how much it counts. */
interface Level {
  /** Of the feature. */
  name: ByteString;
  weight: number;
}

/** Most specific level first. */
export type Hierarchy = readonly Level[];

const level = (name: string, weight: number): Level => ({ name: name as ByteString, weight });

/** Weights are those that Wiefling et al. found for a large site. */
export const DEFAULT_HIERARCHIES: readonly Hierarchy[] = [
  [level("address", 0.6), level("asn", 0.3), level("country", 0.1)],
  [
    level("device", 0.5386653840551359),
    level("browser", 0.2680451498625666),
    level("os", 0.18818295100109536),
    level("device_type", 0.0051065150812021525),
  ],
];

/** What an unknown value of the login counts, as a part of what it counts for everybody. */
const UNKNOWN = 1 / 4;

/** How often the value of one level has been seen. */
export interface LevelUsage {
  /** Successes of this login that have it; null when the level's value is not known. */
  own: number | null;
  /** Successes of everybody that have it. */
  all: number;
  /** How many different values everybody has at this level. */
  kinds: number;
  /** The same of those that share the value of the hierarchy's first level. */
  kindsWithin: number;
}

/** What a score is made of: what has been learnt before. */
export interface Usage {
  /** Successes of this login, of everybody, and how many logins those are. */
  own: number;
  all: number;
  logins: number;
  /** For each level of each hierarchy. */
  levels: LevelUsage[][];
}

/**
 * The score: from 0, more is more unusual; about 1 for an average success of an average login. A level without a value says
 * nothing, nor does a hierarchy of such levels.
 * @returns undefined for a login that was never learnt
 */
export function riskScore(hierarchies: readonly Hierarchy[], { own, all, logins, levels }: Usage): number | undefined {
  if (own === 0) return undefined;
  let score = 1 / logins / (own / all);
  for (const [i, hierarchy] of hierarchies.entries()) {
    const usage = levels[i]!;
    const local = sum(hierarchy, (weight, level) => (weight * (usage[level]!.own ?? 0)) / own);
    const global = sum(hierarchy, (weight, level) => weight * share(usage, level, all));
    if (usage.every((level) => level.own === null)) continue;
    // A login that has none of its values gets a part of what everybody has.
    score *= local === 0 ? 1 / UNKNOWN : global / local;
  }
  return score;
}

function sum(hierarchy: Hierarchy, term: (weight: number, level: number) => number): number {
  return hierarchy.reduce((total, { weight }, level) => total + term(weight, level), 0);
}

/** How likely a level's value is with anybody. */
function share(usage: LevelUsage[], level: number, all: number): number {
  const { own, all: seen } = usage[level]!;
  if (own === null) return 0;
  if (level > 0) return seen / all;
  const unseen = unseenValues(usage, ({ kinds }) => kinds);
  if (seen === 0) return 1 / (all + unseen);
  const unseenWithin = unseenValues(usage, ({ kindsWithin }) => kindsWithin);
  return (1 - unseenWithin / (seen + unseenWithin)) * (seen / all) * (1 - unseen / (all + unseen));
}

/** How many values are expected that have not come yet: one, and one for each that the levels after the first have. */
const unseenValues = ([, ...others]: LevelUsage[], kinds: (level: LevelUsage) => number): number =>
  others.reduce((total, level) => total + kinds(level), 1);

/** Levels of all hierarchies: more would make each success that is learnt expensive. */
const MOST_LEVELS = 32;

/** What is wrong with hierarchies, if so. A feature is in one of them, once. */
export function hierarchyProblem(hierarchies: readonly Hierarchy[]): string | undefined {
  const levels = hierarchies.flat();
  if (levels.length > MOST_LEVELS) return `more than ${MOST_LEVELS} levels`;
  const names = new Set<ByteString>();
  for (const { name, weight } of levels) {
    const shown = JSON.stringify(toText(name));
    const problem = featureProblem(name);
    if (problem) return problem;
    if (names.has(name)) return `${shown} is there twice`;
    if (!(weight > 0 && weight <= 1)) return `weight of ${shown}: number above 0 and up to 1 expected, got ${weight}`;
    names.add(name);
  }
  return undefined;
}
