/** The dbs of counters that a configuration has made. They live outside Lua, and in a snapshot over restarts. */
import type { Log } from "../log/log.ts";
import { LabelledGauge } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import { countMinShape } from "./count-min.ts";
import { Snapshot } from "./snapshot.ts";
import { type FieldKind, StringStatsDB } from "./string-stats-db.ts";

/** Milliseconds between two snapshots. */
const SNAPSHOT_EVERY = 60_000;

interface Ports {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** The seed of hashes. */
  seed: number;
}

export class Counters {
  /** Accuracy of the dbs that are made from now on: log2 of registers; the error and how often it is passed. */
  hllBits = 6;
  countMin = { eps: 0.05, gamma: 0.2 };
  private readonly dbs: StringStatsDB[] = [];
  private snapshot: Snapshot | undefined;
  private cancel: CancelTimer = () => {};
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly ports: Ports) {
    const help = "Keys of each db of counters.";
    ports.metrics.add(
      new LabelledGauge("trackalert_counters_keys", help, "db", () => this.dbs.map(({ name, size }) => [name, size])),
    );
  }

  get all(): readonly StringStatsDB[] {
    return this.dbs;
  }

  find(name: string): StringStatsDB | undefined {
    return this.dbs.find((db) => db.name === name);
  }

  /** @param window seconds @returns undefined when there is one of that name */
  create(
    name: string,
    window: number,
    windows: number,
    fields: ReadonlyMap<string, FieldKind>,
  ): StringStatsDB | undefined {
    if (this.find(name)) return undefined;
    const { clock, seed } = this.ports;
    const countMin = countMinShape(this.countMin.eps, this.countMin.gamma);
    const db = new StringStatsDB(clock, { name, window, windows, fields, hllBits: this.hllBits, countMin, seed });
    this.dbs.push(db);
    return db;
  }

  /** Removes a key from all dbs. @returns in how many it was */
  forget(key: ByteString): number {
    return this.dbs.filter((db) => db.reset(key)).length;
  }

  /** Takes over what the last snapshot held, and writes one every minute. */
  open(stateDir: string | undefined): void {
    if (stateDir === undefined || this.dbs.length === 0) return;
    this.snapshot = new Snapshot(stateDir, this.ports);
    this.snapshot.load(this.dbs);
    this.schedule();
  }

  /**
   * The same for what happened before now, and with snapshots by {@link save} alone. A snapshot of later counts is left as it
   * is: these go beside it, and are gone in the end.
   */
  openForPast(stateDir: string | undefined): void {
    if (stateDir === undefined || this.dbs.length === 0) return;
    const snapshot = new Snapshot(stateDir, this.ports);
    if (snapshot.isOfFuture()) return;
    this.snapshot = snapshot;
    snapshot.load(this.dbs);
  }

  /** Writes what there is. */
  async save(): Promise<void> {
    await this.snapshot?.write(this.dbs, { sliced: false });
  }

  /** Writes what there is. */
  async close(): Promise<void> {
    this.cancel();
    await this.writing;
    await this.save();
    this.snapshot = undefined;
  }

  private schedule(): void {
    this.cancel = this.ports.clock.after(SNAPSHOT_EVERY, () => {
      this.writing = this.snapshot!.write(this.dbs, { sliced: true }).then(() => this.schedule());
    });
  }
}
