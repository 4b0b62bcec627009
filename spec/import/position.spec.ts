/** How far a file has been taken, whatever the order of its reports. */
import { describe, expect, test } from "bun:test";

import { Position } from "../../lib/import/position.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import type { Line } from "../../lib/traffic/line-reader.ts";
import { property } from "../support/random.ts";

const lineOf = (start: number, end: number): Line => ({
  ...{ text: "" as ByteString, number: 1, start, end },
  ...{ open: false, tooLong: false },
});

describe("a position", () => {
  test("moves over lines without a report, and over those whose reports are done", () => {
    const position = new Position(0, []);
    position.pass(lineOf(0, 10));
    const first = position.take(lineOf(10, 20));
    position.pass(lineOf(20, 30));
    const second = position.take(lineOf(30, 40));
    position.pass(lineOf(40, 50));
    expect(position.current).toEqual({ position: 10, ahead: [] });
    position.done(second);
    expect(position.current).toEqual({ position: 10, ahead: [30] });
    position.done(first);
    expect(position.current).toEqual({ position: 50, ahead: [] });
  });

  test("knows what was taken beyond it before", () => {
    const position = new Position(10, [30, 40]);
    const line = position.take(lineOf(10, 30));
    expect([lineOf(30, 40), lineOf(50, 60)].map((one) => position.isKnown(one))).toEqual([true, false]);
    position.passKnown(lineOf(30, 40));
    // The line at 40 has not been read again yet.
    expect(position.current).toEqual({ position: 10, ahead: [30, 40] });
    position.done(line);
    expect(position.current).toEqual({ position: 40, ahead: [40] });
    position.passKnown(lineOf(40, 45));
    expect(position.current).toEqual({ position: 45, ahead: [] });
  });

  property("counts each line once, however often reading is broken off", 100, (random) => {
    const lines = random.list(60, () => random.chance(0.7));
    const taken = lines.map(() => 0);
    let state = { position: 0, ahead: [] as number[] };
    for (let round = 0; round < 50 && state.position < lines.length; round++) {
      const position = new Position(state.position, state.ahead);
      const waiting: (() => void)[] = [];
      let read = state.position;
      // What is read is read in order, what is done in any.
      for (let step = random.below(80); step > 0; step--) {
        if (random.chance(0.5) && read < lines.length) {
          const at = read++;
          const line = lineOf(at, at + 1);
          if (!lines[at]) position.pass(line);
          else if (position.isKnown(line)) position.passKnown(line);
          else {
            const taking = position.take(line);
            waiting.push(() => {
              taken[at]!++;
              position.done(taking);
            });
          }
        } else if (waiting.length > 0) waiting.splice(random.below(waiting.length), 1)[0]!();
        state = position.current;
      }
      if (round === 48) {
        while (waiting.length > 0) waiting.pop()!();
        state = position.current;
      }
      expect(taken.every((count, i) => count <= (lines[i] ? 1 : 0))).toBeTrue();
      expect(taken.slice(0, state.position)).toEqual(lines.slice(0, state.position).map(Number));
    }
  });
});
