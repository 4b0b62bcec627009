/** The files that Lua sees, as a port, and the real ones. Paths are absolute; what fails is thrown as node:fs throws it. */
import fs from "node:fs";
import { isatty } from "node:tty";

export interface HostFileSystem {
  /** @param flags those of open(2) */
  open(path: string, flags: number, mode: number): HostFile;
  unlink(path: string): void;
  rmdir(path: string): void;
  rename(from: string, to: string): void;
  readlink(path: string): string;
}

/** An open file. */
export interface HostFile {
  /** Whether it has positions: devices have none. */
  readonly seekable: boolean;
  size(): number;
  /** @returns how many bytes were read; 0 at the end */
  read(into: Uint8Array, start: number, length: number, position: number | null): number;
  /** @returns how many bytes were written */
  write(from: Uint8Array, start: number, length: number, position: number | null): number;
  close(): void;
}

/** The error that node:fs would throw. */
export const fileError = (code: string, problem: string): NodeJS.ErrnoException =>
  Object.assign(new Error(problem), { code });

class DiskFile implements HostFile {
  readonly seekable: boolean;

  constructor(private readonly descriptor: number) {
    this.seekable = fs.fstatSync(descriptor).isFile();
  }

  size(): number {
    return fs.fstatSync(this.descriptor).size;
  }

  read(into: Uint8Array, start: number, length: number, position: number | null): number {
    return fs.readSync(this.descriptor, into, start, length, position);
  }

  write(from: Uint8Array, start: number, length: number, position: number | null): number {
    return fs.writeSync(this.descriptor, from, start, length, position);
  }

  close(): void {
    fs.closeSync(this.descriptor);
  }
}

/** Opens what can be read and written at once. A pipe or a terminal would have the whole daemon wait for its other end. */
function open(path: string, flags: number, mode: number): DiskFile {
  const descriptor = fs.openSync(path, flags | fs.constants.O_NONBLOCK, mode);
  if (!fs.fstatSync(descriptor).isFIFO() && !isatty(descriptor)) return new DiskFile(descriptor);
  fs.closeSync(descriptor);
  throw fileError("ENXIO", "a pipe or terminal");
}

export const disk: HostFileSystem = {
  open,
  unlink: (path) => fs.unlinkSync(path),
  rmdir: (path) => fs.rmdirSync(path),
  rename: (from, to) => fs.renameSync(from, to),
  readlink: (path) => fs.readlinkSync(path),
};
