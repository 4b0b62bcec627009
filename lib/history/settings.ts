/** What newHistory() sets. */
import { isAbsolute, join } from "node:path";

import type { PostgresTarget } from "./postgres/target.ts";
import { DEFAULT_HIERARCHIES, type Hierarchy } from "./risk.ts";

/** Where the history is. A path may be relative, to the state directory. */
export type Place = { kind: "sqlite"; path: string } | { kind: "postgres"; target: PostgresTarget };

export interface HistorySettings {
  place: Place;
  /** Seconds for rows. */
  retention: number;
  /** Seconds that a profile's entry is kept without being seen. */
  unused: number;
  /** Bytes. */
  maxSize: number;
  /** Seconds over which rows are gathered. */
  batch: number;
  /** Seconds from one round of deleting what is too old to the next. */
  round: number;
  /** Seconds for a question. */
  timeout: number;
  /** Of the risk score: each most specific level first. */
  hierarchies: readonly Hierarchy[];
  /** `file:line: ` of the call. */
  where: string;
}

export const IN_MEMORY = ":memory:";
const DAY = 86_400;

export const DEFAULTS = {
  retention: 90 * DAY,
  unused: 400 * DAY,
  maxSize: 20 * 1024 ** 3,
  batch: 1,
  round: 60,
  timeout: 10,
  hierarchies: DEFAULT_HIERARCHIES,
} satisfies Omit<HistorySettings, "place" | "where">;

/** The file's absolute path. @throws when it is relative and there is no state directory */
export function pathOf(path: string, stateDir: string | undefined): string {
  if (path === IN_MEMORY || isAbsolute(path)) return path;
  if (stateDir !== undefined) return join(stateDir, path);
  throw new Error(`newHistory: sqlite:${path} is relative to the state directory: setStateDir() sets one`);
}
