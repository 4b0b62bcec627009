/** Takes the content of a file apart into lines, as byte strings, in bounded memory. */
import { LARGEST_BODY } from "../http/body.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Content } from "./content.ts";

/** Bytes of a line: what the daemon takes as a body, and a `t` that --record has added. */
export const LONGEST_LINE = LARGEST_BODY + 64;

export interface Line {
  /** Without its end; of one that is too long the beginning. */
  text: ByteString;
  /** Counted from 1, from where reading began. */
  number: number;
  /** Bytes of the content before it, and up to its end. */
  start: number;
  end: number;
  /** Whether it ended with the content, not with a line end. */
  open: boolean;
  tooLong: boolean;
}

/** @throws {ContentError} @param from bytes of the content that are passed over */
export async function* readLines(content: Content, from = 0): AsyncGenerator<Line> {
  let number = 0;
  let start = from;
  let text = "";
  /** Bytes of the line that were left out of its text. */
  let left = 0;
  const next = (end: number, open: boolean): Line => {
    const line = { text: text as ByteString, number: ++number, start, end, open, tooLong: left > 0 };
    start = end;
    text = "";
    left = 0;
    return line;
  };
  for await (const piece of content.pieces(from)) {
    let at = 0;
    while (at < piece.length) {
      const lineEnd = piece.indexOf(0x0a, at);
      const end = lineEnd < 0 ? piece.length : lineEnd;
      const room = Math.min(end - at, LONGEST_LINE - text.length);
      text += piece.toString("latin1", at, at + room);
      left += end - at - room;
      at = end + 1;
      if (lineEnd >= 0) yield next(start + text.length + left + 1, false);
    }
  }
  if (text !== "") yield next(start + text.length + left, true);
}
