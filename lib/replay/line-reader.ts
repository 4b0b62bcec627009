/** Reads a file line by line, in pieces, as byte strings. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

import { LARGEST_BODY } from "../http/body.ts";
import type { ByteString } from "../text/byte-string.ts";
import { FixtureError } from "./yaml-value.ts";

const PIECE = 256 * 1024;
/** Bytes of a line: what the daemon takes as a body, and a `t` that --record has added. */
export const LONGEST_LINE = LARGEST_BODY + 64;

export class LineReader implements Disposable {
  /** The number of the line that was read last, counted from 1. */
  line = 0;
  /** Whether that line ended with the file, not with a line end. */
  open = false;
  /** Bytes. */
  readonly size: number;
  private readonly descriptor: number;
  private readonly buffer = Buffer.allocUnsafe(PIECE);
  private text = "";
  private at = 0;
  private bytesRead = 0;

  /** @throws {FixtureError} when the file cannot be opened */
  constructor(private readonly file: string) {
    try {
      this.descriptor = openSync(file, "r");
    } catch (error) {
      throw new FixtureError(file, 1, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
    this.size = fstatSync(this.descriptor).size;
  }

  /** Bytes that have been taken. */
  get taken(): number {
    return this.bytesRead - (this.text.length - this.at);
  }

  /**
   * The next line without its end; undefined after the last.
   * @throws {FixtureError} for one that is too long
   */
  next(): ByteString | undefined {
    let end = this.text.indexOf("\n", this.at);
    while (end < 0) {
      const searched = this.text.length - this.at;
      this.check(searched);
      const read = readSync(this.descriptor, this.buffer, 0, PIECE, null);
      if (read === 0) return this.last();
      this.bytesRead += read;
      this.text = this.text.slice(this.at) + this.buffer.toString("latin1", 0, read);
      this.at = 0;
      end = this.text.indexOf("\n", searched);
    }
    this.check(end - this.at);
    const line = this.text.slice(this.at, end);
    this.at = end + 1;
    this.line++;
    return line as ByteString;
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor);
  }

  private check(length: number): void {
    if (length <= LONGEST_LINE) return;
    throw new FixtureError(this.file, this.line + 1, "longer than 1 MiB, as no report is");
  }

  private last(): ByteString | undefined {
    const rest = this.text.slice(this.at);
    this.check(rest.length);
    this.at = this.text.length;
    if (rest === "") return undefined;
    this.line++;
    this.open = true;
    return rest as ByteString;
  }
}
