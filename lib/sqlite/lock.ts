/** A lock that one process holds until it ends, however it ends: on a file in the state directory, which two must not use. */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { createFile } from "./file.ts";

const FILE = "lock";

/** The state directory is used by another process. */
export class InUseError extends Error {
  override name = "InUseError";
  constructor(folder: string) {
    super(`${folder} is in use: a daemon or an import runs on it (setStateDir)`);
  }
}

export class StateLock implements Disposable {
  private constructor(private readonly database: Database) {}

  /** Makes the folder, for the owner alone, if need be. @throws {InUseError}, and what the system has against the file */
  static take(folder: string): StateLock {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, FILE);
    createFile(path);
    const database = new Database(path, { readwrite: true });
    try {
      // SQLite knows how to lock on every system, and within a process. Nothing is ever written.
      database.run("begin exclusive");
      return new StateLock(database);
    } catch (error) {
      database.close();
      throw (error as NodeJS.ErrnoException).code?.startsWith("SQLITE_BUSY") ? new InUseError(folder) : error;
    }
  }

  [Symbol.dispose](): void {
    this.database.close();
  }
}
