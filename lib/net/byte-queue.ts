/** Bytes that wait to be read or sent, first in, first out, in whatever pieces they come and go. */
const NOTHING = new Uint8Array(0);

export class ByteQueue {
  private buffer = NOTHING;
  private start = 0;
  private end = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** Adds a copy of the bytes. */
  push(bytes: Uint8Array): void {
    if (this.end + bytes.length > this.buffer.length) this.makeRoom(bytes.length);
    this.buffer.set(bytes, this.end);
    this.end += bytes.length;
  }

  /** The first bytes, at most `most`: a view that the next {@link push} may overwrite. */
  peek(most = this.length): Uint8Array {
    return this.buffer.subarray(this.start, Math.min(this.start + most, this.end));
  }

  /** Forgets the first bytes, of which there must be so many. */
  drop(count: number): void {
    this.start += count;
    if (this.start < this.end) return;
    this.buffer = NOTHING;
    this.start = this.end = 0;
  }

  /** Leaves as much room again as is in use, so that bytes that come one at a time are seldom copied. */
  private makeRoom(more: number): void {
    const waiting = this.peek();
    const size = 2 * (waiting.length + more);
    if (size > this.buffer.length) this.buffer = new Uint8Array(size);
    this.buffer.set(waiting);
    this.start = 0;
    this.end = waiting.length;
  }
}
