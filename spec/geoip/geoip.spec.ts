import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseAddress } from "../../lib/address/address.ts";
import { GeoIPDatabases } from "../../lib/geoip/geoip-databases.ts";
import { GeoIPDatabase } from "../../lib/geoip/geoip.ts";
import { GeoIPError } from "../../lib/geoip/mmdb.ts";
import { Log } from "../../lib/log/log.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import * as mmdb from "../support/mmdb-writer.ts";

const FIXTURES = join(import.meta.dir, "../../fixtures/geoip");
const CITY = join(FIXTURES, "GeoIP2-City-Test.mmdb");
const COUNTRY = join(FIXTURES, "GeoIP2-Country-Test.mmdb");
const ISP = join(FIXTURES, "GeoIP2-ISP-Test.mmdb");

const folder = fs.mkdtempSync(join(tmpdir(), "geoip-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

let lines: string[];
const log = new Log({ sink: (line) => void lines.push(line) });
beforeEach(() => void (lines = []));

const ip = (text: string): ByteString => parseAddress(text)!.bytes;
let files = 0;
const write = (contents: Uint8Array): string => {
  const file = join(folder, `${++files}.mmdb`);
  fs.writeFileSync(file, contents);
  return file;
};
const open = (contents: Uint8Array): GeoIPDatabase => GeoIPDatabase.open(write(contents), log);

describe("look-ups", () => {
  const city = GeoIPDatabase.open(CITY, log);

  test("say what the database is", () => {
    expect(city.type).toBe("GeoIP2-City");
    expect(city.built.toISOString()).toBe("2026-02-04T22:49:29.000Z");
  });

  test("find country, provider and city", () => {
    expect(GeoIPDatabase.open(COUNTRY, log).country(ip("67.43.156.8"))).toBe("BT");
    expect(GeoIPDatabase.open(ISP, log).isp(ip("89.160.20.112"))).toBe("Bredband2 AB");
    expect(city.city(ip("214.78.120.3"))).toEqual({
      countryCode: "US",
      countryName: "United States",
      region: "CA",
      city: "San Diego",
      postalCode: "92105",
      continentCode: "NA",
      latitude: 32.7405,
      longitude: -117.0935,
    });
  });

  test("find nothing for an address that is not there, or in a database without that", () => {
    const nothing = {
      countryCode: "",
      countryName: "",
      region: "",
      city: "",
      postalCode: "",
      continentCode: "",
      latitude: 0,
      longitude: 0,
    };
    for (const address of ["10.0.0.1", "0.0.0.0", "255.255.255.255", "::", "fe80::1"]) {
      expect(city.city(ip(address))).toEqual(nothing);
      expect(city.country(ip(address))).toBe("");
      expect(city.isp(ip(address))).toBe("");
    }
    expect(city.isp(ip("81.2.69.142"))).toBe("");
    expect(GeoIPDatabase.open(ISP, log).city(ip("89.160.20.112"))).toEqual(nothing);
  });

  test("do not mix addresses up", () => {
    const addresses = ["81.2.69.142", "89.160.20.112", "10.0.0.1", "81.2.69.142", "10.0.0.1", "89.160.20.112"];
    const database = GeoIPDatabase.open(CITY, log);
    expect(addresses.map((address) => database.country(ip(address)))).toEqual(["GB", "SE", "", "GB", "", "SE"]);
  });

  test("take an IPv4-mapped address for the IPv4 address", () => {
    expect(city.city(ip("::ffff:81.2.69.142")).city).toBe("London");
  });

  test("follow paths, into lists too", () => {
    const london = ip("81.2.69.142");
    expect(city.string(london, ["city", "names", "ru"])).toBe("Лондон");
    expect(city.string(london, ["subdivisions", "0", "iso_code"])).toBe("ENG");
    expect(city.string(london, ["subdivisions", "-1", "iso_code"])).toBe("ENG");
    for (const index of ["1", "-2", "x", "", "0.5", "length", "99999999999"]) {
      expect(city.string(london, ["subdivisions", index, "iso_code"])).toBe("");
    }
    expect(city.unsigned(london, ["location", "accuracy_radius"])).toBe(10);
    expect(city.double(london, ["location", "latitude"])).toBe(51.5142);
    expect(city.boolean(ip("89.160.20.112"), ["country", "is_in_european_union"])).toBe(true);
  });

  test("answer nothing for what is missing, of another type, or no part of the record", () => {
    const london = ip("81.2.69.142");
    const paths = [[], ["no"], ["city"], ["city", "names", "de", "x"], ["constructor", "name"], ["city", "__proto__"]];
    for (const path of paths) {
      expect(city.string(london, path)).toBe("");
      expect(city.unsigned(london, path)).toBe(0);
      expect(city.boolean(london, path)).toBe(false);
      expect(city.double(london, path)).toBe(0);
    }
    expect(city.string(london, ["location", "latitude"])).toBe("");
    expect(city.unsigned(london, ["location", "latitude"])).toBe(0);
    expect(city.boolean(london, ["country", "iso_code"])).toBe(false);
    expect(city.double(london, ["country", "iso_code"])).toBe(0);
  });

  test("know each type of value", () => {
    const database = open(
      mmdb.writeMmdb(
        mmdb.map({
          big: mmdb.uint64(1n << 40n),
          negative: mmdb.int32(-5),
          double: mmdb.double(-2.5),
          bytes: mmdb.bytes(Buffer.from("abc")),
          no: mmdb.boolean(false),
          list: mmdb.list(mmdb.text("a"), mmdb.uint16(7)),
        }),
      ),
    );
    const address = ip("1.2.3.4");
    expect(database.unsigned(address, ["big"])).toBe(2 ** 40);
    expect(database.unsigned(address, ["negative"])).toBe(0);
    expect(database.double(address, ["double"])).toBe(-2.5);
    expect(database.string(address, ["bytes"])).toBe("");
    expect(database.unsigned(address, ["bytes", "0"])).toBe(0);
    expect(database.boolean(address, ["no"])).toBe(false);
    expect(database.string(address, ["list", "0"])).toBe("a");
    expect(database.unsigned(address, ["list", "1"])).toBe(7);
    expect(database.string(ip("128.0.0.1"), ["list", "0"])).toBe("a");
    expect(database.string(ip("8000::"), ["list", "0"])).toBe("");
  });

  test("find no IPv6 address in a database of IPv4 addresses", () => {
    const record = mmdb.map({ country: mmdb.map({ iso_code: mmdb.text("XX") }) });
    const database = open(mmdb.writeMmdb(record, { ip_version: mmdb.uint16(4) }));
    expect(database.country(ip("1.2.3.4"))).toBe("XX");
    expect(database.country(ip("200.2.3.4"))).toBe("");
    expect(database.country(ip("102:304::"))).toBe("");
    expect(database.country(ip("::ffff:1.2.3.4"))).toBe("XX");
  });

  test("stay right with more values than are kept decoded", () => {
    const side = 100;
    const name = (i: number): string => String(i).padStart(5, "0");
    const texts = Array.from({ length: side ** 2 }, (_, i) => mmdb.text(name(i)));
    const build = (start: number): Buffer => {
      const row = (y: number) => Array.from({ length: side }, (_, x) => mmdb.pointer(start + 6 * (side * y + x)));
      return mmdb.list(...Array.from({ length: side }, (_, y) => mmdb.list(...row(y))));
    };
    // Pointers this far are all of one length, so the first try says where the texts begin.
    const record = build(build(10_000).length);
    const database = open(mmdb.writeMmdb(Buffer.concat([record, ...texts])));
    for (let i = 0; i < 300; i++) {
      const [y, x] = [(i * 7) % side, (i * 13) % side];
      expect(database.string(ip(`1.1.1.${i % 2}`), [String(y), String(x)])).toBe(name(side * y + x));
    }
    expect(lines).toBeEmpty();
  });
});

describe("a file that is no whole database is refused", () => {
  const whole = fs.readFileSync(CITY);
  const refusal = (file: string): string => {
    try {
      GeoIPDatabase.open(file, log);
    } catch (error) {
      expect(error).toBeInstanceOf(GeoIPError);
      return (error as Error).message;
    }
    return "opened";
  };

  test.each([
    ["missing", () => join(folder, "none.mmdb"), "no such file"],
    ["a folder", () => folder, "not a regular file"],
    ["a device", () => "/dev/zero", "not a regular file"],
    ["empty", () => write(Buffer.alloc(0)), "the file is empty"],
    ["a text", () => write(Buffer.from("<html>Not Found</html>\n")), "it does not end with metadata"],
    ["random bytes", () => write(crypto.getRandomValues(new Uint8Array(5000))), "it does not end with metadata"],
    [
      "of another version",
      () => write(mmdb.writeMmdb(mmdb.map({}), { binary_format_major_version: mmdb.uint16(3) })),
      "format version 3 is not supported, only 2",
    ],
    [
      "of an odd record size",
      () => write(mmdb.writeMmdb(mmdb.map({}), { record_size: mmdb.uint16(20) })),
      "it cannot be read (Unsupported record size)",
    ],
    [
      "without a type",
      () => write(mmdb.writeMmdb(mmdb.map({}), { database_type: mmdb.uint16(1) })),
      "its metadata is not complete",
    ],
    [
      "of IP version 5",
      () => write(mmdb.writeMmdb(mmdb.map({}), { ip_version: mmdb.uint16(5) })),
      "its metadata is not complete",
    ],
    [
      "without a build date",
      () => write(mmdb.writeMmdb(mmdb.map({}), { build_epoch: mmdb.text("x") })),
      "its metadata is not complete",
    ],
    [
      "missing its middle",
      () => write(Buffer.concat([whole.subarray(0, 8000), whole.subarray(-1000)])),
      "a search tree of 10829 bytes and data do not fit in",
    ],
    [
      "shifted",
      () => write(Buffer.concat([whole.subarray(0, 9000), whole.subarray(9100)])),
      "the search tree does not end where the metadata says",
    ],
    [
      "followed by much else",
      () => write(Buffer.concat([whole, Buffer.alloc(200_000)])),
      "it does not end with metadata",
    ],
  ])("%s", (_, file, why) => {
    const name = file();
    expect(refusal(name)).toStartWith(`${name}: `);
    expect(refusal(name)).toContain(why);
  });

  test("cut off at whatever length", () => {
    const metadata = 800;
    for (let length = 0; length < whole.length; length += length < whole.length - metadata ? 499 : 1) {
      expect(refusal(write(whole.subarray(0, length)))).toMatch(/: (the file is empty|.*cut off: .*)$/);
    }
  });
});

describe("a damaged record", () => {
  test("is not found, and reported once for a database", () => {
    const broken = open(mmdb.writeMmdb(Buffer.from([0x00, 0x00])));
    for (const address of ["1.2.3.4", "::1", "1.2.3.4"]) {
      expect(broken.city(ip(address)).city).toBe("");
      expect(broken.string(ip(address), ["a"])).toBe("");
    }
    const reports = lines.filter((line) => line.includes("the record of 1.2.3.4 cannot be read"));
    expect(reports).toHaveLength(1);
    expect(lines.filter((line) => line.includes("::1"))).toBeEmpty();
  });

  test("that leads back to itself ends soon", () => {
    const circle = Buffer.concat([Buffer.from([0xe1]), mmdb.text("a"), mmdb.pointer(0)]);
    const database = open(mmdb.writeMmdb(circle));
    const before = process.cpuUsage();
    for (let i = 0; i < 1000; i++) expect(database.country(ip(`1.2.${i >> 8}.${i & 255}`))).toBe("");
    const { user, system } = process.cpuUsage(before);
    // Milliseconds on the processor: without a bound each look-up would go on until the stack is used up.
    expect((user + system) / 1000).toBeLessThan(1000);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("pointers nest too deep");
  });

  test("does not harm the others", () => {
    const circle = Buffer.concat([Buffer.from([0xe1]), mmdb.text("a"), mmdb.pointer(0)]);
    const good = mmdb.map({ country: mmdb.map({ iso_code: mmdb.text("XX") }) });
    const contents = Buffer.concat([circle, good]);
    const database = open(mmdb.writeMmdb(contents, { ip_version: mmdb.uint16(4) }, circle.length));
    for (let i = 0; i < 100; i++) expect(database.country(ip(`1.2.3.${i}`))).toBe("");
    expect(database.country(ip("200.1.2.3"))).toBe("XX");
    expect(database.country(ip("1.2.3.4"))).toBe("");
  });

  test("never throws, whatever the damage", () => {
    const whole = fs.readFileSync(CITY);
    let seed = 1;
    const random = (below: number): number => (seed = (seed * 48_271) % 0x7fffffff) % below;
    let opened = 0;
    for (let round = 0; round < 300; round++) {
      const contents = Buffer.from(whole);
      // Not in the metadata, so that most open.
      for (let i = 0; i < 200; i++) contents[random(whole.length - 500)] = random(256);
      let database: GeoIPDatabase;
      try {
        database = open(contents);
      } catch (error) {
        expect(error).toBeInstanceOf(GeoIPError);
        continue;
      }
      opened++;
      lines = [];
      for (const address of ["81.2.69.142", "89.160.20.112", "2001:480:10::5", "10.0.0.1", "::", "ffff::"]) {
        expect(typeof database.city(ip(address)).city).toBe("string");
        expect(typeof database.unsigned(ip(address), ["location", "accuracy_radius"])).toBe("number");
      }
      expect(lines.length).toBeLessThan(2);
    }
    expect(opened).toBeGreaterThan(50);
  });
});

describe("the databases", () => {
  const copy = (file: string, name: string): string => {
    const target = join(folder, name);
    fs.copyFileSync(file, target);
    return target;
  };
  const london = ip("81.2.69.142");

  test("are known by name once opened", () => {
    const databases = new GeoIPDatabases(log);
    databases.open("City", [CITY]);
    expect(databases.get("City")!.country(london)).toBe("GB");
    expect(databases.get("city")).toBeUndefined();
    expect([...databases.all.keys()]).toEqual(["City"]);
  });

  test("swap at a reload what opened, keep what did not, and say which", () => {
    const databases = new GeoIPDatabases(log);
    const [a, b, c] = [copy(CITY, "a.mmdb"), copy(CITY, "b.mmdb"), copy(CITY, "c.mmdb")];
    for (const file of [a, b, c]) databases.open(file, [file]);
    fs.copyFileSync(ISP, a);
    fs.truncateSync(b, 10_000);
    fs.rmSync(c);
    const failures = databases.reload();
    expect(failures).toHaveLength(2);
    expect(failures[0]).toStartWith(`${b}: ${b}: not a MaxMind database (.mmdb), or cut off`);
    expect(failures[1]).toBe(`${c}: ${c}: no such file; the former one stays in use`);
    expect(lines).toEqual(failures.map((failure) => `GeoIP database ${failure}`));
    expect(databases.get(a)!.type).toBe("GeoIP2-ISP");
    expect(databases.get(b)!.city(london).city).toBe("London");
    expect(databases.get(c)!.city(london).city).toBe("London");
    expect(databases.all.get(c)!.problem).toBe(`${c}: no such file`);

    fs.copyFileSync(COUNTRY, b);
    fs.copyFileSync(COUNTRY, c);
    expect(databases.reload()).toBeEmpty();
    expect(databases.get(b)!.type).toBe("GeoIP2-Country");
    expect(databases.all.get(c)!.problem).toBeUndefined();
  });

  test("that could not be opened are tried again at a reload", () => {
    const databases = new GeoIPDatabases(log);
    const file = join(folder, "later.mmdb");
    expect(() => databases.open("Later", [file])).toThrow(new GeoIPError(`${file}: no such file`));
    expect(databases.get("Later")).toBeUndefined();
    expect(databases.reload()).toEqual([`Later: ${file}: no such file`]);
    copy(CITY, "later.mmdb");
    expect(databases.reload()).toBeEmpty();
    expect(databases.get("Later")!.country(london)).toBe("GB");
  });

  test("keep the open one when the same name is given a file that cannot be opened", () => {
    const databases = new GeoIPDatabases(log);
    databases.open("City", [CITY]);
    expect(() => databases.open("City", ["/none.mmdb"])).toThrow("/none.mmdb: no such file");
    expect(databases.get("City")!.country(london)).toBe("GB");
    expect(databases.reload()).toBeEmpty();
    databases.open("City", [ISP]);
    expect(databases.get("City")!.type).toBe("GeoIP2-ISP");
  });

  test("take the first file that exists, and refuse when it is bad", () => {
    const databases = new GeoIPDatabases(log);
    databases.open("x", ["/none.mmdb", ISP, CITY]);
    expect(databases.get("x")!.type).toBe("GeoIP2-ISP");
    const bad = write(Buffer.from("bad"));
    expect(() => databases.open("y", ["/none.mmdb", bad, CITY])).toThrow(bad);
    expect(() => databases.open("z", ["/none.mmdb", "/nor.mmdb"])).toThrow(
      "none of these files exists: /none.mmdb, /nor.mmdb",
    );
  });
});
