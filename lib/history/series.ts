/** How a series is put together. */
import type { Filter } from "./filter.ts";
import { HOUR } from "./sql.ts";

/** What a series counts: rows, and where it can whole hours, whose totals outlive their rows. */
interface SeriesParts {
  rows: Filter[];
  /** Hours that begin at or after the first and before the second, in seconds since 1970. */
  hours: { since: number; before: number } | undefined;
}

/** Totals are of all reports, so they answer for a filter that names times alone, and for buckets of whole hours. */
export function seriesParts(bucket: number, filter: Filter): SeriesParts {
  let since = 0;
  let before = Infinity;
  for (const condition of filter) {
    if ("since" in condition) since = Math.max(since, condition.since);
    else if ("before" in condition) before = Math.min(before, condition.before);
    else return { rows: [filter], hours: undefined };
  }
  const firstHour = Math.ceil(since / HOUR) * HOUR;
  const endOfHours = Math.floor(before / HOUR) * HOUR;
  if (bucket % HOUR !== 0 || firstHour >= endOfHours) return { rows: [filter], hours: undefined };
  const edges: Filter[] = [];
  if (since < firstHour) edges.push([{ since }, { before: firstHour }]);
  if (endOfHours < before && before < Infinity) edges.push([{ since: endOfHours }, { before }]);
  return { rows: edges, hours: { since: firstHour, before: endOfHours } };
}

/** Adds up what the parts have for each bucket. */
export function mergeBuckets(parts: Iterable<readonly [t: number, count: number]>): [t: number, count: number][] {
  const buckets = new Map<number, number>();
  for (const [t, count] of parts) buckets.set(t, (buckets.get(t) ?? 0) + count);
  return [...buckets].toSorted(([a], [b]) => a - b);
}
