/** Counts of cool-downs that are not written yet: they are gathered, so that an attack is not a write each time. */
import type { History } from "../history/history.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Cooldown } from "./cooldowns.ts";

/** Milliseconds over which they are gathered. */
const EVERY = 1000;
/** Bytes of memory of one, about, its key left out. */
const SIZE = 200;

export class Folds {
  private readonly waiting = new Set<Cooldown>();
  private cancel: CancelTimer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly history: () => History | undefined,
  ) {}

  /** To be called when a cool-down has counted something, once it is known whose alert that is. */
  add(cooldown: Cooldown): void {
    if (!this.history()) return;
    this.waiting.add(cooldown);
    this.cancel ??= this.clock.after(EVERY, () => this.write());
  }

  /** What it has counted goes nowhere. */
  forget(cooldown: Cooldown): void {
    this.waiting.delete(cooldown);
  }

  /** Has the history count them. */
  write(): void {
    this.cancel?.();
    this.cancel = undefined;
    if (this.waiting.size === 0) return;
    const folds = Array.from(this.waiting, ({ alert: { key, id, last }, folded: count }) => ({ key, id, count, last }));
    for (const cooldown of this.waiting) cooldown.folded = 0;
    this.waiting.clear();
    const size = folds.reduce((sum, { key }) => sum + SIZE + key.length, 0);
    this.history()?.write({ write: "folds", folds }, size);
  }
}
