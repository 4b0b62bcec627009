/** What SQLite or the file system has against an operation, as what it means for the store. */
import { isCorrupt } from "../../sqlite/file.ts";
import { StoreError } from "../store.ts";
import { ForeignFileError } from "./schema.ts";

const CANNOT_WRITE = /^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)|^E[A-Z]+$/;
/** What may pass. */
const AWAY = /^SQLITE_(READONLY|CANTOPEN|PERM|AUTH|IOERR|NOMEM|PROTOCOL|SCHEMA)/;
/** What a statement is to blame for, or its values. */
const MISUSE = /^SQLITE_(ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG|INTERRUPT)/;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

/** @param opening what cannot be written then is not for trying again */
export function storeProblem(error: unknown, path: string, opening: boolean): StoreError {
  if (error instanceof StoreError) return error;
  const code = codeOf(error);
  const { message } = error as Error;
  if (error instanceof ForeignFileError) return new StoreError("unusable", `${path}: ${message}`);
  if (code.startsWith("SQLITE_NOTADB")) {
    return new StoreError(opening ? "unusable" : "corrupt", `${path}: it is no SQLite database: move it away`);
  }
  if (isCorrupt(error)) return new StoreError("corrupt", `${path}: it is corrupt (${message})`);
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return new StoreError("away", `${path}: another process has it locked`);
  if (opening && CANNOT_WRITE.test(code)) {
    return new StoreError("unusable", `${path}: it cannot be written: ${message}`);
  }
  if (code.startsWith("SQLITE_FULL")) return new StoreError("away", `${path}: the disk is full`);
  return new StoreError(AWAY.test(code) ? "away" : "misuse", `${path}: ${message}`);
}

/** Whether it says something about the file, and not only about the statement. */
export const concernsFile = (error: unknown): boolean =>
  codeOf(error).startsWith("SQLITE_") && !MISUSE.test(codeOf(error));
