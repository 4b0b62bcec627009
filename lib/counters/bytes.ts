/** Numbers and bytes in a row, as the snapshot has them: little-endian, nothing aligned. */

import { copy } from "./copy.ts";

/** Collects; grows as needed. */
export class ByteWriter {
  private buffer: Buffer;
  length = 0;

  constructor(room = 65_536) {
    this.buffer = Buffer.allocUnsafe(room);
  }

  u8(value: number): void {
    const at = this.extend(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.extend(2);
    this.buffer.writeUInt16LE(value, at);
  }

  u32(value: number): void {
    const at = this.extend(4);
    this.buffer.writeUInt32LE(value, at);
  }

  f64(value: number): void {
    const at = this.extend(8);
    this.buffer.writeDoubleLE(value, at);
  }

  bytes(bytes: Uint8Array, at = 0, length = bytes.length): void {
    const end = this.extend(length);
    copy<Uint8Array>(bytes, at, this.buffer, end, length);
  }

  /** Bytes behind their length. */
  string(bytes: Uint8Array): void {
    this.u16(bytes.length);
    this.bytes(bytes);
  }

  /** Takes what has been collected, and begins anew. */
  take(): Buffer {
    const taken = this.buffer.subarray(0, this.length);
    this.buffer = Buffer.allocUnsafe(this.buffer.length);
    this.length = 0;
    return taken;
  }

  private extend(size: number): number {
    const at = this.length;
    this.length += size;
    if (this.length > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length));
      this.buffer.copy(larger, 0, 0, at);
      this.buffer = larger;
    }
    return at;
  }
}

/** Reads what a {@link ByteWriter} has written. Each method throws a RangeError when there is less. */
export class ByteReader {
  private at = 0;

  constructor(private readonly buffer: Buffer) {}

  get isAtEnd(): boolean {
    return this.at >= this.buffer.length;
  }

  u8(): number {
    return this.buffer[this.advance(1)]!;
  }

  u16(): number {
    return this.buffer.readUInt16LE(this.advance(2));
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.advance(4));
  }

  f64(): number {
    return this.buffer.readDoubleLE(this.advance(8));
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const at = this.advance(length);
    return this.buffer.subarray(at, at + length);
  }

  /** Copies so many bytes to where they are wanted. */
  bytesTo(to: Uint8Array, toAt: number, length: number): void {
    const at = this.advance(length);
    copy<Uint8Array>(this.buffer, at, to, toAt, length);
  }

  string(): Buffer {
    return this.bytes(this.u16());
  }

  private advance(size: number): number {
    const at = this.at;
    if (at + size > this.buffer.length) throw new RangeError("it ends too early");
    this.at += size;
    return at;
  }
}
