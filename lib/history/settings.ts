/** What newHistory() sets. */
import { isAbsolute, join } from "node:path";

import type { PostgresTarget } from "./postgres/target.ts";

/** Where the history is. A path may be relative, to the state directory. */
export type Place = { kind: "sqlite"; path: string } | { kind: "postgres"; target: PostgresTarget };

export interface Hierarchy {
  name: string;
  weight: number;
}

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
  /** Seconds for a question. */
  timeout: number;
  /** Of the risk score: each most specific level first. */
  hierarchies: Hierarchy[][];
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
  timeout: 10,
  hierarchies: [
    [
      { name: "address", weight: 0.6 },
      { name: "asn", weight: 0.3 },
      { name: "country", weight: 0.1 },
    ],
    [
      { name: "device", weight: 0.5386653840551359 },
      { name: "browser", weight: 0.2680451498625666 },
      { name: "os", weight: 0.18818295100109536 },
      { name: "device_type", weight: 0.0051065150812021525 },
    ],
  ],
} satisfies Omit<HistorySettings, "place" | "where">;

/** The file's absolute path. @throws when it is relative and there is no state directory */
export function pathOf(path: string, stateDir: string | undefined): string {
  if (path === IN_MEMORY || isAbsolute(path)) return path;
  if (stateDir !== undefined) return join(stateDir, path);
  throw new Error(`newHistory: sqlite:${path} is relative to the state directory: setStateDir() sets one`);
}
