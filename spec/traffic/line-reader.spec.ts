/** Lines of recorded files, gzipped ones too. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Content, ContentError } from "../../lib/traffic/content.ts";
import { type Line, LONGEST_LINE, readLines } from "../../lib/traffic/line-reader.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { Random } from "../support/random.ts";

async function linesOf(bytes: Uint8Array, from?: number): Promise<Line[]> {
  using folder = temporaryFolder();
  const file = join(folder.path, "file");
  writeFileSync(file, bytes);
  await using content = await Content.open(file);
  return await Array.fromAsync(readLines(content, from));
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

describe("lines", () => {
  test("have their numbers and places", async () => {
    expect(await linesOf(bytes("one\n\ntwo\xff\r\nrest"))).toEqual([
      { text: "one", number: 1, start: 0, end: 4, open: false, tooLong: false },
      { text: "", number: 2, start: 4, end: 5, open: false, tooLong: false },
      { text: "two\xff\r", number: 3, start: 5, end: 11, open: false, tooLong: false },
      { text: "rest", number: 4, start: 11, end: 15, open: true, tooLong: false },
    ] as Line[]);
  });

  test("of an empty file are none", async () => {
    expect(await linesOf(bytes(""))).toEqual([]);
  });

  test("that are too long have a beginning and are passed over", async () => {
    const [first, second, third] = await linesOf(bytes(`a\n${"x".repeat(5_000_000)}\nb\n`));
    expect(first!.text).toBe("a" as never);
    expect([second!.text.length, second!.tooLong, second!.end]).toEqual([LONGEST_LINE, true, 5_000_003]);
    expect(third).toEqual({
      text: "b",
      number: 3,
      start: 5_000_003,
      end: 5_000_005,
      open: false,
      tooLong: false,
    } as never);
  });

  test.each([1, 2, 3, 4, 5, 6])("can be read from any line on, packed or not: seed %i", async (seed) => {
    const random = new Random(seed);
    const texts = random.list(300, () => "x".repeat(random.below(random.chance(0.02) ? 400_000 : 50)));
    const all = bytes(texts.map((text) => `${text}\n`).join(""));
    const packed = random.chance(0.5) ? Bun.gzipSync(new Uint8Array(all)) : all;
    const lines = await linesOf(packed);
    expect(lines.map(({ text }) => text) as string[]).toEqual(texts);
    const from = random.below(lines.length + 1);
    const rest = await linesOf(packed, lines[from]?.start ?? all.length);
    expect(rest.map(({ number, ...line }) => line)).toEqual(lines.slice(from).map(({ number, ...line }) => line));
  });
});

describe("a file", () => {
  test("that is gzipped is unpacked in bounded memory, several parts and all", async () => {
    const part = Bun.gzipSync(Buffer.alloc(100_000_000, "0123456789abcde\n"));
    let count = 0;
    using folder = temporaryFolder();
    const file = join(folder.path, "file");
    writeFileSync(file, Buffer.concat([part, part]));
    await using content = await Content.open(file);
    let largest = 0;
    for await (const piece of content.pieces()) {
      count += piece.length;
      largest = Math.max(largest, piece.length);
    }
    expect(count).toBe(200_000_000);
    expect(largest).toBeLessThan(1_000_000);
    expect(content.taken).toBe(content.size);
    expect((await content.head()).length).toBe(65_536);
  });

  test.each([
    [
      "gzipped and cut off",
      Buffer.from(Bun.gzipSync(Buffer.from("line\n".repeat(1000)))).subarray(0, 30),
      "ends in the middle",
    ],
    ["gzipped and damaged", Buffer.from([0x1f, 0x8b, ...Array(30).fill(7)]), "is gzipped, and damaged"],
  ])("that is %s says so", async (_, content, problem) => {
    await expect(linesOf(content)).rejects.toThrow(problem);
  });

  test("that is none, or not there, says so", async () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "sub"));
    await expect(Content.open(join(folder.path, "sub"))).rejects.toThrow(new ContentError("is a folder"));
    await expect(Content.open(join(folder.path, "no"))).rejects.toThrow(new ContentError("cannot be read: ENOENT"));
    await Bun.$`mkfifo ${join(folder.path, "pipe")}`.quiet();
    await expect(Content.open(join(folder.path, "pipe"))).rejects.toThrow(new ContentError("is no file"));
  });
});
