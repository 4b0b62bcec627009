/** How a series is put together. */
import type { Filter } from "./filter.ts";
import { HOUR } from "./sql.ts";

/** What a series counts: rows, and where it can whole hours, whose totals outlive their rows. */
interface SeriesParts {
  rows: Filter[];
  /** Hours that begin at or after the first and before the second, in seconds since 1970. */
  hours: { since: number; before: number; sum: string } | undefined;
}

/** What is kept of hours, as SQL. */
const REPORTS = "reports";
const FAILURES = "failures";
const SUCCESSES = "reports - failures";

/**
 * Totals are of all reports, and of failures: so they answer for a filter that names times alone, or success beside them, and
 * for buckets of whole hours.
 */
export function seriesParts(bucket: number, filter: Filter): SeriesParts {
  let since = 0;
  let before = Infinity;
  let sum = REPORTS;
  const columns: Filter[number][] = [];
  for (const condition of filter) {
    if ("since" in condition) since = Math.max(since, condition.since);
    else if ("before" in condition) before = Math.min(before, condition.before);
    else if ("values" in condition && condition.column === "success" && condition.values.length === 1) {
      columns.push(condition);
      sum = condition.values[0] ? SUCCESSES : FAILURES;
    } else return { rows: [filter], hours: undefined };
  }
  if (columns.length > 1) return { rows: [filter], hours: undefined };
  const firstHour = Math.ceil(since / HOUR) * HOUR;
  const endOfHours = Math.floor(before / HOUR) * HOUR;
  if (bucket % HOUR !== 0 || firstHour >= endOfHours) return { rows: [filter], hours: undefined };
  const edges: Filter[] = [];
  if (since < firstHour) edges.push([...columns, { since }, { before: firstHour }]);
  if (endOfHours < before && before < Infinity) edges.push([...columns, { since: endOfHours }, { before }]);
  return { rows: edges, hours: { since: firstHour, before: endOfHours, sum } };
}

/** Adds up what the parts have for each bucket. */
export function mergeBuckets(parts: Iterable<readonly [t: number, count: number]>): [t: number, count: number][] {
  const buckets = new Map<number, number>();
  for (const [t, count] of parts) buckets.set(t, (buckets.get(t) ?? 0) + count);
  return [...buckets].toSorted(([a], [b]) => a - b);
}
