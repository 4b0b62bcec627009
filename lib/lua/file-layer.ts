/**
 * Files that are changed in memory alone, over those of the disk, for a configuration that is only read: it finds what it
 * has written, renamed and removed, and the disk stays as it is. As in Linux's overlayfs a folder of the disk cannot be
 * renamed (EXDEV). The memory is bounded: beyond, the layer is a full disk (ENOSPC).
 */
import fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

import { disk, fileError, type HostFile, type HostFileSystem } from "./disk.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
/** Bytes of all files. */
const MOST_BYTES = 256 * 1024 * 1024;
const MOST_LINKS = 40;
const SMALLEST = 4096;
/** It takes what is written to it, and nothing changes. */
const NOWHERE = "/dev/null";

/** What a file had on the disk when it was changed: it may be large, so it is read where it is as long as nothing overwrites it. */
interface Former {
  path: string;
  size: number;
}

/** The content of a file that has been changed: what it had, and behind that what is in memory. */
class Content {
  private own = Buffer.alloc(0);
  private ownSize = 0;
  /** Names and handles that it has. */
  private users = 0;

  /** @param grow told how many bytes more or less will be in memory; throws when there is no room */
  constructor(
    private readonly grow: (bytes: number) => void,
    private former: Former | undefined,
  ) {}

  get size(): number {
    return (this.former?.size ?? 0) + this.ownSize;
  }

  hold(): void {
    this.users++;
  }

  /** Frees its memory when nobody holds it any more. */
  letGo(): void {
    if (--this.users === 0) this.truncate();
  }

  isStill(path: string): boolean {
    return this.former?.path === path;
  }

  truncate(): void {
    this.grow(-this.own.length);
    this.former = undefined;
    this.own = Buffer.alloc(0);
    this.ownSize = 0;
  }

  read(into: Uint8Array, start: number, length: number, position: number): number {
    const { former } = this;
    if (former && position < former.size) {
      return readAt(former.path, into.subarray(start, start + Math.min(length, former.size - position)), position);
    }
    const at = position - (former?.size ?? 0);
    const chunk = this.own.subarray(Math.min(at, this.ownSize), Math.min(at + length, this.ownSize));
    into.set(chunk, start);
    return chunk.length;
  }

  write(from: Uint8Array, start: number, length: number, position: number): number {
    if (this.former && position < this.former.size) this.takeOver(this.former);
    const at = position - (this.former?.size ?? 0);
    this.reserve(at + length);
    this.own.set(from.subarray(start, start + length), at);
    this.ownSize = Math.max(this.ownSize, at + length);
    return length;
  }

  private takeOver({ path, size }: Former): void {
    const tail = this.own.subarray(0, this.ownSize);
    this.grow(size + tail.length - this.own.length);
    const all = Buffer.alloc(size + tail.length);
    for (let at = 0, read = 1; read > 0 && at < size; at += read) read = readAt(path, all.subarray(at, size), at);
    all.set(tail, size);
    this.own = all;
    this.ownSize = all.length;
    this.former = undefined;
  }

  private reserve(size: number): void {
    if (size <= this.own.length) return;
    const room = Math.max(SMALLEST, size, Math.min(this.own.length * 2, this.own.length + MOST_BYTES / 16));
    this.grow(room - this.own.length);
    const grown = Buffer.alloc(room);
    grown.set(this.own.subarray(0, this.ownSize));
    this.own = grown;
  }
}

function readAt(path: string, into: Uint8Array, position: number): number {
  const descriptor = fs.openSync(path, "r");
  try {
    return fs.readSync(descriptor, into, 0, into.length, position);
  } finally {
    fs.closeSync(descriptor);
  }
}

export class FileLayer implements HostFileSystem {
  /** What has been changed, by path without symbolic links in its folders; undefined for what is gone. */
  private readonly changes = new Map<string, Content | undefined>();
  /** Bytes in memory. */
  private used = 0;

  /** @param began told of the first change */
  constructor(private readonly began: () => void) {}

  open(path: string, flags: number, mode: number): HostFile {
    const place = this.find(path);
    const writes = (flags & (O_WRONLY | O_RDWR)) !== 0;
    if (place === NOWHERE) return disk.open(place, flags & ~O_CREAT & ~O_TRUNC, mode);
    const there = this.exists(place);
    if (there && flags & O_EXCL) throw fileError("EEXIST", "it exists");
    if (!there && !(flags & O_CREAT)) throw fileError("ENOENT", "it does not exist");
    if (!writes && !this.changes.get(place) && there) return this.readOnly(place, mode);
    const content = this.changes.get(place) ?? this.begin(place);
    if (flags & O_TRUNC) content.truncate();
    return this.handle(content);
  }

  unlink(path: string): void {
    const place = this.entry(path);
    if (!this.exists(place)) throw fileError("ENOENT", "it does not exist");
    if (this.isFolder(place)) throw fileError("EISDIR", "a folder");
    this.change(place, undefined);
  }

  rmdir(path: string): void {
    const place = this.entry(path);
    if (!this.exists(place)) throw fileError("ENOENT", "it does not exist");
    if (!this.isFolder(place)) throw fileError("ENOTDIR", "no folder");
    const names = fs.readdirSync(place).map((name) => join(place, name));
    const made = [...this.changes].filter(([other, content]) => content && dirname(other) === place);
    if (made.length > 0 || names.some((name) => this.exists(name))) throw fileError("ENOTEMPTY", "not empty");
    this.change(place, undefined);
  }

  rename(from: string, to: string): void {
    const [source, target] = [this.entry(from), this.entry(to)];
    if (!this.exists(source)) throw fileError("ENOENT", "it does not exist");
    if (this.isFolder(source)) throw fileError("EXDEV", "a folder of the disk");
    if (this.exists(target) && this.isFolder(target)) throw fileError("EISDIR", "a folder");
    if (source === target) return;
    const moved = this.changes.get(source) ?? this.begin(this.find(from));
    this.change(target, moved);
    this.change(source, undefined);
  }

  readlink(path: string): string {
    const place = this.entry(path);
    if (this.changes.get(place)) throw fileError("EINVAL", "no link");
    if (this.changes.has(place)) throw fileError("ENOENT", "it does not exist");
    return fs.readlinkSync(place);
  }

  /** Opens a file of the disk, to be read; what is written to it later is read too. */
  private readOnly(place: string, mode: number): HostFile {
    const file = disk.open(place, O_RDONLY, mode);
    const now = (): Content | undefined => {
      const content = this.changes.get(place);
      return content?.isStill(place) ? content : undefined;
    };
    return {
      seekable: file.seekable,
      size: () => now()?.size ?? file.size(),
      read: (into, start, length, position) =>
        position === null
          ? file.read(into, start, length, position)
          : (now()?.read(into, start, length, position) ?? file.read(into, start, length, position)),
      write: notOpenForWriting,
      close: () => file.close(),
    };
  }

  private handle(content: Content): HostFile {
    content.hold();
    return {
      seekable: true,
      size: () => content.size,
      read: (into, start, length, position) => content.read(into, start, length, position ?? content.size),
      write: (from, start, length, position) => content.write(from, start, length, position ?? content.size),
      close: () => content.letGo(),
    };
  }

  /** Begins to change a file of the disk, or a new one. */
  private begin(place: string): Content {
    const stats = this.changes.has(place) ? undefined : statOf(place);
    if (stats?.isDirectory()) throw fileError("EISDIR", "a folder");
    if (stats && !stats.isFile()) throw fileError("ENXIO", "no file");
    const former = stats && stats.size > 0 ? { path: place, size: stats.size } : undefined;
    const content = new Content((bytes) => this.grow(bytes), former);
    this.change(place, content);
    return content;
  }

  private change(place: string, content: Content | undefined): void {
    content?.hold();
    this.changes.get(place)?.letGo();
    if (this.changes.size === 0) this.began();
    this.changes.set(place, content);
  }

  private grow(bytes: number): void {
    if (this.used + bytes > MOST_BYTES) throw fileError("ENOSPC", "no room in memory");
    this.used += bytes;
  }

  private exists(place: string): boolean {
    return this.changes.has(place) ? this.changes.get(place) !== undefined : statOf(place) !== undefined;
  }

  private isFolder(place: string): boolean {
    return !this.changes.has(place) && fs.lstatSync(place).isDirectory();
  }

  /** The file that a path leads to, over symbolic links. */
  private find(path: string): string {
    let place = this.entry(path);
    for (let links = 0; !this.changes.has(place); links++) {
      const target = linkAt(place);
      if (target === undefined) return place;
      if (links === MOST_LINKS) throw fileError("ELOOP", "too many links");
      place = this.entry(resolve(dirname(place), target));
    }
    return place;
  }

  /** The entry of a folder that a path names. */
  private entry(path: string): string {
    const folder = realFolder(dirname(path));
    if (this.changes.get(folder)) throw fileError("ENOTDIR", "no folder");
    if (this.changes.has(folder)) throw fileError("ENOENT", "the folder does not exist");
    return join(folder, basename(path));
  }
}

function notOpenForWriting(): never {
  throw fileError("EBADF", "not open for writing");
}

/** A folder without symbolic links. One that this user may not look into is taken as it is: the daemon's user may. */
function realFolder(path: string): string {
  try {
    const real = fs.realpathSync(path);
    if (!fs.statSync(real).isDirectory()) throw fileError("ENOTDIR", "no folder");
    return real;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return path;
    throw error;
  }
}

/** Undefined when there is nothing, or this user may not see it. */
function statOf(place: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(place);
  } catch (error) {
    if (/^(ENOENT|EACCES)$/.test((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Where a symbolic link leads; undefined when there is none. */
function linkAt(place: string): string | undefined {
  return statOf(place)?.isSymbolicLink() ? fs.readlinkSync(place) : undefined;
}
