/** What the answers to questions must be, computed from a list of all rows. */
import type { Condition, Filter } from "../../lib/history/filter.ts";
import type { Column, Row, Value } from "../../lib/history/row.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { valueOf } from "../support/history.ts";

const time = (row: Row): number => valueOf(row, "t") as number;

function holds(condition: Condition, row: Row): boolean {
  if ("since" in condition) return time(row) >= condition.since;
  if ("before" in condition) return time(row) < condition.before;
  if ("values" in condition) return condition.values.includes(valueOf(row, condition.column));
  const remote = valueOf(row, "remote") as ByteString;
  return condition.ranges.some(({ first, last }) => {
    return first.length === remote.length && first <= remote && remote <= last;
  });
}

export class Model {
  constructor(private readonly all: Row[]) {}

  matching(filter: Filter): Row[] {
    return this.all.filter((row) => filter.every((condition) => holds(condition, row)));
  }

  count(filter: Filter, limit = Infinity): number {
    return Math.min(this.matching(filter).length, limit);
  }

  private counts(column: Column, filter: Filter): Map<Value, number> {
    const counts = new Map<Value, number>();
    for (const row of this.matching(filter)) {
      const value = valueOf(row, column);
      if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    return counts;
  }

  distinct(column: Column, filter: Filter, limit = Infinity): number {
    return Math.min(this.counts(column, filter).size, limit);
  }

  /** Most first, equal counts by value: bytes, numbers, false before true. Only logins that have succeeded are shown. */
  top(column: Column, filter: Filter, n: number): [Value, number][] {
    const succeeded = new Set(this.all.filter((row) => valueOf(row, "success")).map((row) => valueOf(row, "login")));
    return [...this.counts(column, filter)]
      .filter(([value]) => column !== "login" || succeeded.has(value))
      .toSorted(([a, m], [b, n]) => n - m || (a! < b! ? -1 : 1))
      .slice(0, n);
  }

  /** Of one time, the one that came last is the newest. */
  rows(filter: Filter, n: number, oldestFirst = false): Row[] {
    const sorted = this.matching(filter).toSorted((a, b) => time(a) - time(b));
    return (oldestFirst ? sorted : sorted.toReversed()).slice(0, n);
  }

  series(bucket: number, filter: Filter): [number, number][] {
    const buckets = new Map<number, number>();
    for (const row of this.matching(filter)) {
      const t = Math.floor(time(row) / bucket) * bucket;
      buckets.set(t, (buckets.get(t) ?? 0) + 1);
    }
    return [...buckets].toSorted(([a], [b]) => a - b);
  }
}
