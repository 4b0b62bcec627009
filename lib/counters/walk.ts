/**
 * Visits each key of a db as it was at one moment, a few at a time, while the db goes on. A key that is about to be used is
 * visited before; one that comes later is not. Keys come in the order of last use, but for those that are used meanwhile.
 */
import type { StatsDb } from "./stats-db.ts";

/** Told of a record. @param used whether it is about to be used, and so newer than all that come in their turn */
type Visit = (record: number, used: boolean) => void;

/** Walks are numbered, so that each record knows the last one that has met it. */
let walks = 0;

export class Walk {
  private readonly number = (walks = (walks + 1) >>> 0 || 1);
  /** Which record's turn it is. All that are older have been visited, and so have the marked ones that follow the others. */
  private next: number;

  constructor(
    private readonly db: StatsDb,
    private readonly visit: Visit,
  ) {
    const now = db.window;
    const { table } = db;
    this.next = table.oldest;
    db.watcher = {
      before: (record) => {
        if (record === this.next) this.next = table.newer(record);
        if (this.isMarked(record)) return;
        table.setWalk(record, this.number);
        if (now - table.window(record) < db.shape.windows) this.visit(record, true);
      },
      added: (record) => table.setWalk(record, this.number),
    };
  }

  /** Visits one more, or removes one that nothing is left of. @returns whether there are others */
  step(): boolean {
    if (this.db.removeExpired(this.db.window)) return true;
    const record = this.next;
    if (record === 0 || this.isMarked(record)) {
      this.end();
      return false;
    }
    const { table } = this.db;
    this.next = table.newer(record);
    table.setWalk(record, this.number);
    this.visit(record, false);
    return true;
  }

  /** Visits no more. */
  end(): void {
    this.db.watcher = undefined;
  }

  private isMarked(record: number): boolean {
    return this.db.table.walk(record) === this.number;
  }
}
