import { expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "../support/daemon.ts";
import { map, text, writeMmdbOfRecords } from "../support/mmdb-writer.ts";

const RECORDS = 256;
/** Bytes of the longest text in each record. */
const LONG = 200_000;
/** MiB that a process may grow by; with all that it has looked up, it grew by 100. */
const SLACK = 30;

test("look-ups in a database of long records leave no more than a few of them decoded", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "long.mmdb");
  // Of a letter beyond Latin-1, so that two bytes of memory hold each.
  const records = Array.from({ length: RECORDS }, (_, i) =>
    map({ country: map({ iso_code: text(`${i}`), names: map({ en: text(`${"x".repeat(LONG)}ł`) }) }) }),
  );
  fs.writeFileSync(file, writeMmdbOfRecords(records));
  const module = join(import.meta.dir, "..", "..", "lib", "geoip", "geoip.ts");
  const script = `const { GeoIPDatabase } = await import(${JSON.stringify(module)});
    const database = GeoIPDatabase.open(${JSON.stringify(file)});
    const { heapStats } = await import("bun:jsc");
    const heap = () => (Bun.gc(true), heapStats().heapSize / 1024 ** 2);
    const read = (from, to) => {
      for (let i = from; i < to; i++) {
        const address = String.fromCharCode(i) + "\\0".repeat(15);
        if (database.country(address) !== String(i)) throw new Error("another record");
        if (database.string(address, ["country", "names", "en"]).length !== ${LONG + 1}) throw new Error("another text");
      }
    };
    read(1, 10);
    const before = heap();
    read(10, ${RECORDS});
    console.log(Math.round(heap() - before));`;
  const child = Bun.spawnSync([process.execPath, "-e", script]);
  expect(child.stderr.toString()).toBe("");
  expect(Number(child.stdout.toString())).toBeLessThan(SLACK);
}, 60_000);
