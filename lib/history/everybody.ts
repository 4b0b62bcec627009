/**
 * Everybody's counts: how often a value was seen with anybody, and how many different ones there are.
 *
 * Those that are used are held in memory; what has changed is written behind, once a batch, however often it changed. So a
 * success that is learnt does not cost a write for each of its counts.
 */
import type { Change } from "./profile.ts";

/** Counts that are held; over it all that are written are let go. About 70 bytes each. */
const MOST_HELD = 500_000;

/** Where counts are kept. A count of 0 is none. */
interface CountStore {
  read(key: number): number;
  write(key: number, count: number): void;
}

export class Everybody {
  private readonly held = new Map<number, number>();
  private readonly changed = new Set<number>();

  constructor(
    private readonly store: CountStore,
    private readonly most = MOST_HELD,
  ) {}

  count(key: number): number {
    let count = this.held.get(key);
    if (count === undefined) this.held.set(key, (count = this.store.read(key)));
    return count;
  }

  apply(changes: readonly Change[]): void {
    for (const { key, kinds, delta } of changes) {
      const before = this.count(key);
      const after = this.add(key, delta);
      if (kinds !== undefined) this.add(kinds, Math.sign(after) - Math.sign(before));
    }
  }

  /** Writes what has changed. */
  flush(): void {
    for (const key of this.changed) this.store.write(key, this.held.get(key)!);
    this.changed.clear();
    if (this.held.size > this.most) this.held.clear();
  }

  private add(key: number, delta: number): number {
    const count = this.count(key);
    const after = Math.max(0, count + delta);
    if (after !== count) {
      this.held.set(key, after);
      this.changed.add(key);
    }
    return after;
  }
}
