/** What a file of recorded traffic holds, in pieces; one that is gzipped, by its first bytes, is unpacked on the way. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";

const PIECE = 256 * 1024;
/** Bytes by which a file is known again. */
const HEAD = 64 * 1024;
const GZIP = Buffer.of(0x1f, 0x8b);

/** A file cannot be read, or not to its end. The message says why, without the file's name. */
export class ContentError extends Error {
  override name = "ContentError";
}

export class Content implements AsyncDisposable {
  /** Bytes of the file as it is on the disk that have been read. */
  taken = 0;

  private constructor(
    private readonly handle: FileHandle,
    /** Bytes on the disk, when it was opened. */
    readonly size: number,
    private readonly gzipped: boolean,
  ) {}

  /** @throws {ContentError} */
  static async open(file: string): Promise<Content> {
    try {
      // A pipe without a writer would hold up whoever opens it.
      await using opened = new AsyncDisposableStack();
      const handle = opened.use(await open(file, constants.O_RDONLY | constants.O_NONBLOCK));
      const info = await handle.stat();
      if (!info.isFile()) throw new ContentError(info.isDirectory() ? "is a folder" : "is no file");
      const { buffer } = await handle.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0);
      opened.move();
      return new Content(handle, info.size, buffer.equals(GZIP));
    } catch (error) {
      throw readable(error);
    }
  }

  /** The pieces from a place on, counted in unpacked bytes. @throws {ContentError} where it cannot be read any further */
  async *pieces(from = 0): AsyncGenerator<Buffer> {
    try {
      if (!this.gzipped) return yield* this.raw(from);
      let passed = 0;
      for await (const piece of this.unpacked()) {
        const rest = piece.subarray(Math.max(0, from - passed));
        passed += piece.length;
        if (rest.length > 0) yield rest;
      }
    } catch (error) {
      throw readable(error);
    }
  }

  /** Its first bytes, unpacked: 64 KiB, or all that there are. @throws {ContentError} */
  async head(): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let size = 0;
    for await (const piece of this.pieces()) {
      pieces.push(piece);
      size += piece.length;
      if (size >= HEAD) break;
    }
    return Buffer.concat(pieces).subarray(0, HEAD);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }

  private async *raw(from: number): AsyncGenerator<Buffer> {
    for (let at = from; ;) {
      const { buffer, bytesRead } = await this.handle.read(Buffer.allocUnsafe(PIECE), 0, PIECE, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      this.taken = at;
      yield buffer.subarray(0, bytesRead);
    }
  }

  private unpacked(): AsyncIterable<Buffer> {
    const gunzip = createGunzip({ chunkSize: PIECE });
    // What goes wrong is thrown where the pieces are read.
    pipeline(this.raw(0), gunzip, () => {});
    return gunzip;
  }
}

const WORDS: Record<string, string> = {
  Z_BUF_ERROR: "is gzipped, and ends in the middle",
  Z_DATA_ERROR: "is gzipped, and damaged",
};

function readable(error: unknown): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof ContentError || code === undefined) return error as Error;
  return new ContentError(WORDS[code] ?? `cannot be read: ${code}`);
}
