/** Replaces a file whole or not at all. */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";

/** Keeps the file's mode, and what a symbolic link points to is replaced, not the link. */
export function replaceFile(file: string, text: string): void {
  const target = realpathSync(file);
  const temporary = `${target}.${process.pid}.new`;
  const descriptor = openSync(temporary, "wx", 0o600);
  try {
    writeFileSync(descriptor, text);
    fchmodSync(descriptor, statSync(target).mode & 0o7777);
    fsyncSync(descriptor);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
