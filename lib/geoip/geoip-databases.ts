/** The GeoIP databases that the configuration has opened, by name; kept up to date without a restart. */
import fs from "node:fs";

import type { Log } from "../log/log.ts";
import { GeoIPDatabase } from "./geoip.ts";
import { GeoIPError } from "./mmdb.ts";

interface GeoIPEntry {
  /** Where it may be, absolute; the first that exists is opened. */
  files: readonly string[];
  /** Undefined when it could not be opened so far. */
  database: GeoIPDatabase | undefined;
  /** Why it could not be opened when that was last tried; undefined when it could. */
  problem: string | undefined;
}

export class GeoIPDatabases {
  private readonly entries = new Map<string, GeoIPEntry>();

  constructor(private readonly log: Log) {}

  /** All that were asked for, in that order, those that could not be opened included. */
  get all(): ReadonlyMap<string, GeoIPEntry> {
    return this.entries;
  }

  /** The database of that name, if it is open. */
  get(name: string): GeoIPDatabase | undefined {
    return this.entries.get(name)?.database;
  }

  /**
   * Opens a database. One that is open under this name serves until then, and goes on when the new one cannot be opened;
   * a name that has none yet is remembered, and {@link reload} tries it again.
   * @param files as {@link GeoIPEntry.files}
   * @throws {GeoIPError}
   */
  open(name: string, files: readonly string[]): void {
    try {
      this.entries.set(name, { files, database: this.openFirst(files), problem: undefined });
    } catch (error) {
      if (!this.get(name)) this.entries.set(name, { files, database: undefined, problem: (error as Error).message });
      throw error;
    }
  }

  /**
   * Opens all files anew. Each database is swapped once its file is open; where that fails the former one goes on.
   * @returns a line for each failure, `name: file: why`; each is logged as well
   */
  reload(): string[] {
    const failures: string[] = [];
    for (const [name, entry] of this.entries) {
      try {
        entry.database = this.openFirst(entry.files);
        entry.problem = undefined;
      } catch (error) {
        entry.problem = (error as Error).message;
        const failure = `${name}: ${entry.problem}${entry.database ? "; the former one stays in use" : ""}`;
        this.log.error(`GeoIP database ${failure}`);
        failures.push(failure);
      }
    }
    return failures;
  }

  private openFirst(files: readonly string[]): GeoIPDatabase {
    const existing = files.find((file) => fs.existsSync(file));
    if (existing === undefined && files.length !== 1) {
      throw new GeoIPError(`none of these files exists: ${files.join(", ")}`);
    }
    return GeoIPDatabase.open(existing ?? files[0]!, this.log);
  }
}
