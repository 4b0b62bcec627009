/**
 * How far a file has been taken: up to which byte, and which lines beyond it, for reports are taken in the order of their times and
 * not of their lines.
 */
import type { Line } from "../traffic/line-reader.ts";

/** A line whose report is under way, with all lines behind it that told of none. */
export interface Taking {
  start: number;
  end: number;
  done: boolean;
}

export class Position {
  /** In the order of the file; those before `head` are behind the offset. */
  private lines: Taking[] = [];
  private head = 0;
  /** Where lines beyond the offset begin that are done, in this reading or the one before. */
  private readonly ahead: Set<number>;

  constructor(
    private offset: number,
    ahead: readonly number[],
  ) {
    this.ahead = new Set(ahead);
  }

  /** Whether a line was taken when the file was last read. */
  isKnown(line: Line): boolean {
    return this.ahead.has(line.start);
  }

  /** A line that tells of no report. */
  pass({ end }: Line): void {
    if (this.head < this.lines.length) this.lines.at(-1)!.end = end;
    else this.offset = end;
  }

  /** A line that was taken when the file was last read. */
  passKnown(line: Line): void {
    this.done(this.take(line));
  }

  /** The report of a line is read, and will be {@link done}. */
  take({ start, end }: Line): Taking {
    const taking = { start, end, done: false };
    this.lines.push(taking);
    return taking;
  }

  done(taking: Taking): void {
    taking.done = true;
    this.ahead.add(taking.start);
    for (let first = this.lines[this.head]; first?.done; first = this.lines[++this.head]) {
      this.offset = first.end;
      this.ahead.delete(first.start);
    }
    if (this.head < this.lines.length / 2) return;
    this.lines = this.lines.slice(this.head);
    this.head = 0;
  }

  /** Bytes up to which all is done, and where lines beyond begin that are done. */
  get current(): { position: number; ahead: number[] } {
    return { position: this.offset, ahead: [...this.ahead] };
  }
}
