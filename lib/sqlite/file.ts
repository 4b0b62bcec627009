/** What all SQLite files of the daemon need: to be made for the owner alone, and to be moved aside when they are corrupt. */
import { closeSync, existsSync, openSync, renameSync, rmSync, statSync } from "node:fs";

/** Makes it, for the owner alone. One that is there is not even opened: closing it would give SQLite's locks on it away. */
export function createFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Which file it is, whatever its name. @throws when there is nothing, or its folder cannot be read */
export function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

export const isCorrupt = (error: unknown): boolean =>
  /^SQLITE_(CORRUPT|NOTADB)/.test((error as NodeJS.ErrnoException).code ?? "");

/** Removes the file, and then its log: an empty file takes none over. @returns whether it is gone */
export function remove(path: string): boolean {
  try {
    for (const suffix of ["", "-wal"]) rmSync(path + suffix, { force: true });
    return true;
  } catch {
    return false;
  }
}

/** Renames the file and its write-ahead log, so that both still belong together. @returns what came of it, in words */
export function moveAside(path: string, now: number): string {
  const aside = `${path}.corrupt-${new Date(now).toISOString().replaceAll(":", "")}`;
  try {
    for (const suffix of ["-wal", ""]) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    return `it is now ${aside}`;
  } catch (error) {
    return `it cannot be moved aside (${(error as NodeJS.ErrnoException).code})`;
  }
}
