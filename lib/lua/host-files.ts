/**
 * Lets Lua's own `io`, `os.remove`, `os.rename`, `loadfile` and `require` see the host's files: the system calls that the
 * WebAssembly build of Lua's C library makes, served from there instead of from Emscripten's file system in memory.
 *
 * Lua keeps its own buffering and semantics; here are only open, read, write, seek, close, unlink, rename.
 * Numbers of flags and errors are those of musl and WASI, which Emscripten uses.
 */
import fs from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";

import { fileError, type HostFile, type HostFileSystem } from "./disk.ts";

/** Error numbers of wasi_snapshot_preview1. What is missing becomes EIO. */
const ERRNO: Record<string, number> = {
  EACCES: 2,
  EAGAIN: 6,
  EBADF: 8,
  EBUSY: 10,
  EEXIST: 20,
  EFBIG: 22,
  EINVAL: 28,
  EIO: 29,
  EISDIR: 31,
  ELOOP: 32,
  EMFILE: 33,
  ENAMETOOLONG: 37,
  ENFILE: 41,
  ENOENT: 44,
  ENOMEM: 48,
  ENOSPC: 51,
  ENOSYS: 52,
  ENOTDIR: 54,
  ENOTEMPTY: 55,
  ENOTTY: 59,
  ENXIO: 60,
  EPERM: 63,
  EPIPE: 64,
  EROFS: 69,
  ESPIPE: 70,
  EXDEV: 75,
};

/** The real system's number for one of WASI's. */
export function systemErrorNumber(wasi: number): number {
  const name = Object.keys(ERRNO).find((name) => ERRNO[name] === wasi) as keyof typeof constants.errno | undefined;
  return (name && constants.errno[name]) ?? wasi;
}

const AT_REMOVEDIR = 0x200;
const SEEK_SET = 0;
const SEEK_CUR = 1;
const STANDARD_STREAMS = 3;

/** A file that Lua has open. Devices have no position. */
interface OpenFile {
  host: HostFile;
  position: number | undefined;
  append: boolean;
}

/** The system calls, by import module and name, to be merged over Emscripten's. */
interface SystemCalls {
  env: Record<string, (...args: never[]) => number>;
  wasi_snapshot_preview1: Record<string, (...args: never[]) => number>;
}

/** Takes what is written to a standard stream, by its number. The bytes are only there during the call. */
type Print = (bytes: Buffer, stream: number) => void;

/** What Lua finds outside of itself. */
export interface Surroundings {
  /** What relative paths are relative to. */
  directory: string;
  files: HostFileSystem;
  /** Takes what is written to the standard streams; the process's own unless given. */
  print?: Print | undefined;
}

/** @param heap the WebAssembly memory as it is now; asked for anew in each call, since memory grows */
export function hostFiles(heap: () => Buffer, { directory, files, print }: Surroundings): SystemCalls {
  const open = new Map<number, OpenFile>();
  let last = STANDARD_STREAMS - 1;

  const path = (pointer: number): string => {
    const memory = heap();
    return resolve(directory, memory.toString("utf8", pointer, memory.indexOf(0, pointer)));
  };

  /** Runs an operation; a failure becomes a negative error number. */
  const attempt = (operation: () => number): number => {
    try {
      return operation();
    } catch (error) {
      return -(ERRNO[(error as NodeJS.ErrnoException).code ?? ""] ?? ERRNO["EIO"]!);
    }
  };

  /** WASI calls return a positive error number and write their result to memory. */
  const wasi = (pointerToResult: number, operation: () => number): number => {
    const result = attempt(operation);
    if (result < 0) return -result;
    heap().writeUInt32LE(result, pointerToResult);
    return 0;
  };

  /** Reads into or writes from a list of (pointer, length) pairs, until one is not filled or emptied whole. */
  const eachVector = (vectors: number, count: number, transfer: (start: number, length: number) => number): number => {
    let total = 0;
    for (let i = 0; i < count; i++) {
      const length = heap().readUInt32LE(vectors + 8 * i + 4);
      if (length === 0) continue;
      const done = transfer(heap().readUInt32LE(vectors + 8 * i), length);
      total += done;
      if (done < length) break;
    }
    return total;
  };

  const advance = (file: OpenFile, bytes: number): number => {
    if (file.position !== undefined) file.position += bytes;
    return bytes;
  };

  const opened = (descriptor: number): OpenFile => {
    const file = open.get(descriptor);
    if (!file) throw fileError("EBADF", "not open");
    return file;
  };

  const writeStream = (stream: number, start: number, length: number): number => {
    if (!print) return fs.writeSync(stream, heap(), start, length);
    print(heap().subarray(start, start + length), stream);
    return length;
  };

  return {
    env: {
      __syscall_openat: (_at: number, name: number, flags: number, varargs: number) =>
        attempt(() => {
          const mode = varargs ? heap().readUInt32LE(varargs) : 0o666;
          const host = files.open(path(name), flags, mode);
          const append = (flags & fs.constants.O_APPEND) !== 0;
          open.set(++last, { host, position: host.seekable ? 0 : undefined, append });
          return last;
        }),
      __syscall_unlinkat: (_at: number, name: number, flags: number) =>
        attempt(() => {
          if (flags & AT_REMOVEDIR) files.rmdir(path(name));
          else files.unlink(path(name));
          return 0;
        }),
      __syscall_rmdir: (name: number) => attempt(() => (files.rmdir(path(name)), 0)),
      __syscall_renameat: (_from: number, name: number, _to: number, target: number) =>
        attempt(() => (files.rename(path(name), path(target)), 0)),
      __syscall_readlinkat: (_at: number, name: number, buffer: number, size: number) =>
        attempt(() => heap().write(files.readlink(path(name)), buffer, size)),
      __syscall_fcntl64: () => 0,
      __syscall_ioctl: () => -ERRNO["ENOTTY"]!,
      __syscall_dup3: () => -ERRNO["ENOSYS"]!,
    },
    wasi_snapshot_preview1: {
      fd_read: (descriptor: number, vectors: number, count: number, result: number) =>
        wasi(result, () => {
          // Standard input is at its end: to wait for someone to type would stop the daemon.
          if (descriptor === 0) return 0;
          const file = opened(descriptor);
          return eachVector(vectors, count, (start, length) =>
            advance(file, file.host.read(heap(), start, length, file.position ?? null)),
          );
        }),
      fd_write: (descriptor: number, vectors: number, count: number, result: number) =>
        wasi(result, () => {
          if (descriptor < STANDARD_STREAMS) {
            return eachVector(vectors, count, (start, length) => writeStream(descriptor, start, length));
          }
          const file = opened(descriptor);
          if (file.append && file.position !== undefined) file.position = file.host.size();
          return eachVector(vectors, count, (start, length) => {
            const position = file.append ? null : (file.position ?? null);
            return advance(file, file.host.write(heap(), start, length, position));
          });
        }),
      fd_seek: (descriptor: number, offset: bigint, whence: number, result: number) => {
        const moved = attempt(() => {
          const file = descriptor < STANDARD_STREAMS ? undefined : opened(descriptor);
          if (file?.position === undefined) return -ERRNO["ESPIPE"]!;
          const base = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.position : file.host.size();
          const target = base + Number(offset);
          if (target < 0) return -ERRNO["EINVAL"]!;
          file.position = target;
          return target;
        });
        if (moved < 0) return -moved;
        heap().writeBigUInt64LE(BigInt(moved), result);
        return 0;
      },
      fd_close: (descriptor: number) =>
        -attempt(() => {
          const { host } = opened(descriptor);
          open.delete(descriptor);
          host.close();
          return 0;
        }),
    },
  };
}
