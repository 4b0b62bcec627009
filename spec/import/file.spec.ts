/** What an import takes from a file, and by what it knows it again. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Imported } from "../../lib/history/store.ts";
import { type FileOptions, ImportFile } from "../../lib/import/file.ts";
import { findImported, identify } from "../../lib/import/identity.ts";
import { toText } from "../../lib/text/byte-string.ts";
import { temporaryFolder } from "../support/daemon.ts";

const NOW = Date.parse("2026-03-02T00:00:00Z");
const OPTIONS: FileOptions = { format: undefined, year: undefined, now: NOW, parseDevice: () => [] };
const T = NOW / 1000 - 3600;
const report = (login: string, t: unknown = T): string => JSON.stringify({ t, login, remote: "192.0.2.1" });

interface Read {
  logins: string[];
  file: ImportFile;
}

/** Takes all that there is, or so many. */
async function read(
  path: string,
  options: Partial<FileOptions> = {},
  imported: Imported[] = [],
  most = Infinity,
): Promise<Read> {
  await using file = await ImportFile.open(path, imported, { ...OPTIONS, ...options });
  const logins: string[] = [];
  while (logins.length < most) {
    if (file.isHungry) await file.fill();
    if (file.time === Infinity) break;
    const event = file.take();
    for (let i = 0; i < event.count; i++) logins.push(toText(event.tuple.login));
    file.done(event);
  }
  return { logins, file };
}

async function readText(text: string | Uint8Array, options: Partial<FileOptions> = {}): Promise<Read> {
  using folder = temporaryFolder();
  const path = join(folder.path, "file");
  writeFileSync(path, text);
  const result = await read(path, options);
  result.file.reasons.forEach((reason, i) => (result.file.reasons[i] = reason.replace(path, "file")));
  return result;
}

describe("a file of JSON lines", () => {
  test("is taken in the order of its times", async () => {
    const { logins, file } = await readText(
      `${report("b", T + 1)}\n\n${report("a", T)}\n${report("c", "2026-03-01T23:59:59Z")}`,
    );
    expect(logins).toEqual(["a", "b", "c"]);
    expect(file).toMatchObject({ lines: 4, taken: 3, skipped: 0, unfinished: false });
  });

  test("goes on after what cannot be read, and says what that was", async () => {
    const lines = [
      report("a"),
      "{half",
      "[1]",
      "null",
      '{"index":{"_index":"wforce"}}',
      '{"login":"x"}',
      report("x", T * 1000),
      report("x", -5),
      report("x", true),
      '{"login":"x","remote":"nowhere"}',
      `{"login":"${"x".repeat(2_000_000)}"}`,
      report("b"),
    ];
    const { logins, file } = await readText(
      lines
        .slice(1)
        .concat(lines[0]!)
        .map((line) => `${line}\n`)
        .join(""),
    );
    expect(logins).toEqual(["b", "a"]);
    expect(file.skipped).toBe(10);
    expect(file.reasons).toEqual([
      expect.stringMatching(/^file:1: not JSON: /),
      "file:2: the body must be a JSON object, not an array",
      "file:3: the body must be a JSON object, not null",
      "file:4: neither login nor remote",
      "file:5: neither t nor @timestamp",
      "file:6: t is in the future: it is in seconds",
      "file:7: t is before the year 2000: it is in seconds since 1970",
      "file:8: t: a number or an ISO 8601 time expected, got true",
      'file:9: remote: not an IP address: "nowhere"',
      "file:10: longer than 1 MiB, as no report is",
    ]);
  });

  test("that ends with half a line leaves it for the next time", async () => {
    const { logins, file } = await readText(`${report("a")}\n${report("b").slice(0, 20)}`);
    expect(logins).toEqual(["a"]);
    expect(file).toMatchObject({ skipped: 0, unfinished: true });
    expect(file.imported.position).toBe(report("a").length + 1);
  });
});

describe("a log file", () => {
  const line = (name: string, attempts = 1): string =>
    `Mar  1 00:00:01 mx dovecot: imap-login: Aborted login (auth failed, ${attempts} attempts in 2 secs): user=<${name}>, method=PLAIN, rip=192.0.2.1, lip=::1, session=<s>`;

  test("counts each attempt, and leaves out what tells of none", async () => {
    const { logins, file } = await readText(
      `${line("a", 3)}\nMar  1 00:00:02 mx postfix/smtpd[1]: connect\n\n${line("b")}\n`,
      { format: "dovecot" },
    );
    expect(logins).toEqual(["a", "a", "a", "b"]);
    expect(file).toMatchObject({ lines: 4, taken: 4, skipped: 0 });
  });

  test("leaves a last line without an end for the next time, however whole it seems", async () => {
    const { logins, file } = await readText(`${line("a")}\n${line("b")}`, { format: "dovecot" });
    expect(logins).toEqual(["a"]);
    expect(file.unfinished).toBeTrue();
  });

  test("keeps its years when reading goes on in the middle", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "file");
    const [december, january] = [line("a").replace("Mar  1", "Dec 31"), line("b").replace("Mar  1", "Jan  1")];
    writeFileSync(path, `${december}\n`);
    const options = { format: "dovecot" as const, year: 2024 };
    const { file } = await read(path, options);
    appendFileSync(path, `${january}\n`);
    await using again = await ImportFile.open(path, [file.imported], { ...OPTIONS, ...options });
    await again.fill();
    expect(new Date(again.time).toISOString()).toBe("2025-01-01T00:00:01.000Z");
  });
});

describe("a file is known again", () => {
  test("whatever its name, packed or not, and goes on where it has grown", async () => {
    using folder = temporaryFolder();
    const [path, packed] = [join(folder.path, "log"), join(folder.path, "log.1.gz")];
    writeFileSync(path, `${report("a")}\n`);
    const first = await read(path);
    expect(first.logins).toEqual(["a"]);
    expect((await read(path, {}, [first.file.imported])).logins).toEqual([]);
    appendFileSync(path, `${report("b")}\n`);
    writeFileSync(packed, Bun.gzipSync(Buffer.from(`${report("a")}\n${report("b")}\n${report("c")}\n`)));
    const second = await read(path, {}, [first.file.imported]);
    expect(second.logins).toEqual(["b"]);
    expect((await read(packed, {}, [first.file.imported, second.file.imported])).logins).toEqual(["c"]);
  });

  test("broken off anywhere, out of order, each report is taken once", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "file");
    const names = Array.from({ length: 50 }, (_, i) => `user${i}`);
    writeFileSync(path, names.map((name, i) => `${report(name, T + ((i * 7) % 11))}\n`).join(""));
    let imported: Imported[] = [];
    const all: string[] = [];
    for (let round = 0; all.length < 50; round++) {
      expect(round).toBeLessThan(20);
      const { logins, file } = await read(path, {}, imported, 6);
      all.push(...logins);
      imported = [file.imported];
    }
    expect(all.toSorted()).toEqual(names.toSorted());
  });

  test("by its first 64 KiB, or by all there was when it was shorter", () => {
    const of = (head: Uint8Array): Imported => ({ ...identify(head), position: head.length, ahead: [] });
    const [a, ab, b] = ["a", "ab", "b"].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
    expect(findImported(ab, [of(a)])).toEqual(of(a));
    expect(findImported(ab, [of(a), of(ab)])).toEqual(of(ab));
    expect(findImported(a, [of(ab)])).toBeUndefined();
    expect(findImported(b, [of(a), of(ab)])).toBeUndefined();
  });
});
