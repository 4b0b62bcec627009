import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";

import {
  formatAddress,
  formatNetmask,
  maskBytes,
  matchesNetmask,
  parseAddress,
  parseNetmask,
  unmapAddress,
  UNSET_ADDRESS,
} from "../../lib/address/address.ts";
import { type ByteString, fromBytes } from "../../lib/text/byte-string.ts";
import { property, type Random } from "../support/random.ts";

const bytesOf = (...bytes: number[]): ByteString => fromBytes(Uint8Array.from(bytes));
const bytesOfGroups = (groups: number[]): ByteString =>
  bytesOf(...groups.flatMap((group) => [group >> 8, group & 255]));
const read = (text: string): ByteString => parseAddress(text)!.bytes;
const expand = (groups: number[]): string => groups.map((group) => group.toString(16)).join(":");

/** Many zeros and repetitions, so that all rules of compression come up. */
const randomGroups = (random: Random): number[] =>
  Array.from({ length: 8 }, () => random.pick([0, 0, 0, 0, 1, 0xffff, random.below(0x100), random.below(0x10000)]));

/** One of the many spellings of an address. */
function spell(groups: number[], random: Random): string {
  const write = (group: number): string => {
    const hex = group.toString(16).padStart(1 + random.below(4), "0");
    return random.chance(0.5) ? hex.toUpperCase() : hex;
  };
  const texts = groups.map(write);
  let end = 8;
  if (random.chance(0.3)) {
    texts.splice(
      6,
      2,
      groups
        .slice(6)
        .flatMap((group) => [group >> 8, group & 255])
        .join("."),
    );
    end = 6;
  }
  const start = random.below(end);
  const run = groups.slice(start, end).findIndex((group) => group !== 0);
  const length = run < 0 ? end - start : run;
  if (length === 0) return texts.join(":");
  return `${texts.slice(0, start).join(":")}::${texts.slice(start + length).join(":")}`;
}

describe("parseAddress", () => {
  test.each([
    ["1.2.3.4", [1, 2, 3, 4], undefined],
    ["0.0.0.0", [0, 0, 0, 0], undefined],
    ["255.255.255.255", [255, 255, 255, 255], undefined],
    ["1.2.3.4:0", [1, 2, 3, 4], 0],
    ["1.2.3.4:65535", [1, 2, 3, 4], 65535],
    ["::", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], undefined],
    ["::1", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], undefined],
    ["[::1]", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], undefined],
    ["[::1]:53", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 53],
    ["2001:DB8::a:b", [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa, 0, 0xb], undefined],
    ["1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8], undefined],
    ["1:2:3:4:5:6:7::", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0], undefined],
    ["::2:3:4:5:6:7:8", [0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8], undefined],
    ["1:2:3:4:5:6:7.8.9.10", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 7, 8, 9, 10], undefined],
    ["::ffff:1.2.3.4", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4], undefined],
    ["[::ffff:1.2.3.4]:80", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4], 80],
  ] as [string, number[], number | undefined][])("reads %p", (text, bytes, port) => {
    expect(parseAddress(text)).toEqual({ bytes: bytesOf(...bytes), port });
  });

  test.each([
    ["fe80::1%eth0", "fe80::1"],
    ["fe80::1%2", "fe80::1"],
    ["[fe80::1%eth0]:25", "[fe80::1]:25"],
  ])("drops the zone of %p", (text, without) => {
    expect(parseAddress(text)).toEqual(parseAddress(without)!);
  });

  test.each(
    [
      "",
      " ",
      ".",
      "1",
      "1.2.3",
      "1.2.3.",
      ".1.2.3",
      "1..2.3",
      "1.2.3.4.5",
      "1.2.3.4.",
      "01.2.3.4",
      "1.2.3.00",
      "256.1.1.1",
    ]
      .concat([
        "1.2.3.999",
        "1.2.3.-4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.a",
        "0x1.2.3.4",
        "1.2.3.4\0",
        "1.2.3.٤",
        "localhost",
      ])
      .concat([
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:x",
        "1.2.3.4: 80",
        "1.2.3.4:80:80",
        ":80",
        "[1.2.3.4]:80",
      ])
      .concat([
        "1.2.3.4%eth0",
        "[]",
        "[::1",
        "::1]",
        "[::1]x",
        "[::1]:",
        "[::1]:65536",
        "[::1]:x",
        "[[::1]]",
        "[::1]:80:80",
      ])
      .concat([
        ":",
        ":::",
        "::::",
        "1::2::3",
        "1:::2",
        ":1::2",
        "1::2:",
        ":1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7",
      ])
      .concat([
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "1:2:3:4::5:6:7:8",
        "g::",
        "12345::",
        "::-1",
        ":: 1",
        "::1%",
        "%eth0",
        "::%",
      ])
      .concat([
        "::1.2.3",
        "::1.2.3.4.5",
        "::01.2.3.4",
        "::256.1.1.1",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1/128",
      ])
      .map((text) => [text]),
  )("refuses %p", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  property("reads every spelling of an IPv6 address", 300, (random) => {
    const groups = randomGroups(random);
    const text = spell(groups, random);
    expect([text, parseAddress(text)?.bytes]).toEqual([text, bytesOfGroups(groups)]);
    expect([text, parseAddress(`[${text}]:1`)?.bytes]).toEqual([text, bytesOfGroups(groups)]);
  });

  property("accepts what node:net takes for an address, and nothing else", 2000, (random) => {
    const valid = random.chance(0.3) ? random.bytes(4).join(".") : spell(randomGroups(random), random);
    const text = random.mutate(valid, "0123456789abcdefgF:.:. ");
    // With one colon it may be an address and a port, which node:net does not know.
    if (text.split(":").length === 2) return;
    expect([text, parseAddress(text) !== undefined]).toEqual([text, isIP(text) !== 0]);
  });
});

describe("formatAddress", () => {
  // As glibc's inet_ntop prints them.
  test.each([
    ["0.0.0.0", "0.0.0.0"],
    ["10.1.200.255", "10.1.200.255"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["::ffff", "::ffff"],
    ["1::", "1::"],
    ["ABCD::0ef", "abcd::ef"],
    ["fe80::1%eth0", "fe80::1"],
    ["1:0:0:2::", "1:0:0:2::"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["0:0:1:0:0:2:0:0", "::1:0:0:2:0:0"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:1:1:0:0:1:1:1", "1:1:1::1:1:1"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"],
    ["0:1:2:3:4:5:6:0", "0:1:2:3:4:5:6:0"],
    ["::ffff:10.1.1.1", "::ffff:10.1.1.1"],
    ["::ffff:0:0", "::ffff:0.0.0.0"],
    ["::1.2.3.4", "::1.2.3.4"],
    ["::1:0", "::0.1.0.0"],
    ["::1:ffff", "::0.1.255.255"],
    ["::fffe:1.2.3.4", "::fffe:102:304"],
    ["::ffff:0:1.2.3.4", "::ffff:0:102:304"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
  ])("writes %p as %p", (text, formatted) => {
    expect(formatAddress(read(text))).toBe(formatted);
  });

  test("writes the unset address as 0.0.0.0", () => {
    expect(formatAddress(UNSET_ADDRESS.bytes)).toBe("0.0.0.0");
    expect(UNSET_ADDRESS.port).toBeUndefined();
  });

  property("writes IPv4 as four decimals", 100, (random) => {
    const bytes = random.bytes(4);
    expect(formatAddress(fromBytes(bytes))).toBe(bytes.join("."));
    expect(read(bytes.join("."))).toBe(fromBytes(bytes));
  });

  property("writes IPv6 as URLs do, but mapped and compatible addresses with dotted decimals", 1000, (random) => {
    const groups = randomGroups(random);
    const formatted = formatAddress(bytesOfGroups(groups));
    const inUrl = new URL(`http://[${expand(groups)}]/`).hostname.slice(1, -1);
    const dotted = groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 255])
      .join(".");
    const head = expand(groups.slice(0, 6));
    const mapped = head === "0:0:0:0:0:ffff";
    const compatible = head === "0:0:0:0:0:0" && groups[6] !== 0;
    expect(formatted).toBe(mapped ? `::ffff:${dotted}` : compatible ? `::${dotted}` : inUrl);
    expect(read(formatted)).toBe(bytesOfGroups(groups));
  });
});

describe("unmapAddress", () => {
  test.each([
    ["::ffff:10.1.1.1", "10.1.1.1"],
    ["::ffff:0:0", "0.0.0.0"],
    ["10.1.1.1", "10.1.1.1"],
    ["::10.1.1.1", "::10.1.1.1"],
    ["::fffe:a01:101", "::fffe:a01:101"],
    ["1::ffff:a01:101", "1::ffff:a01:101"],
  ])("makes %p %p", (text, unmapped) => {
    expect(formatAddress(unmapAddress(read(text)))).toBe(unmapped);
  });
});

describe("parseNetmask", () => {
  test.each([
    ["1.2.3.4", "1.2.3.4/32"],
    ["1.2.3.4/24", "1.2.3.0/24"],
    ["1.2.3.4/0", "0.0.0.0/0"],
    ["1.2.3.4/32", "1.2.3.4/32"],
    ["10.255.255.255/9", "10.128.0.0/9"],
    ["255.255.255.255/31", "255.255.255.254/31"],
    ["::1", "::1/128"],
    ["ffff:ffff::/17", "ffff:8000::/17"],
    ["fe80::1%eth0/10", "fe80::/10"],
    ["::ffff:1.2.3.4/120", "::ffff:1.2.3.0/120"],
    ["::/0", "::/0"],
  ])("reads %p as %p", (text, formatted) => {
    expect(formatNetmask(parseNetmask(text)!)).toBe(formatted);
  });

  test.each(
    [
      "",
      "/",
      "/24",
      "x/8",
      "1.2.3.4/",
      "1.2.3.4/33",
      "1.2.3.4/-1",
      "1.2.3.4/+8",
      "1.2.3.4/8 ",
      "1.2.3.4 /8",
      "1.2.3.4/8/8",
    ]
      .concat([
        "1.2.3.4/a",
        "1.2.3.4/0x8",
        "1.2.3.4/8.0",
        "1.2.3.4/1e1",
        "1.2.3/24",
        "1.2.3.4/255.255.255.0",
        "!1.2.3.4/8",
      ])
      .concat([
        "1.2.3.4:80/8",
        "::/129",
        "::/",
        "::/-1",
        "[::1]/128",
        "[::1]:80",
        "::1%/64",
        ":::/8",
        "::/64%eth0",
        "*",
      ])
      .map((text) => [text]),
  )("refuses %p", (text) => {
    expect(parseNetmask(text)).toBeUndefined();
  });
});

describe("maskBytes and matchesNetmask", () => {
  const toNumber = (bytes: Uint8Array): bigint => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

  property("clear and compare bits as arithmetic does", 1000, (random) => {
    const width = random.pick([32, 128]);
    const bits = random.below(width + 1);
    const one = random.bytes(width / 8);
    const other = Uint8Array.from(one);
    if (random.chance(0.9)) {
      const flipped = random.below(width);
      other[flipped >> 3]! ^= 0x80 >> (flipped & 7);
    }
    const hostBits = BigInt(width - bits);
    const network = maskBytes(fromBytes(one), bits);
    expect(toNumber(Buffer.from(network, "latin1"))).toBe((toNumber(one) >> hostBits) << hostBits);
    expect(network).toHaveLength(width / 8);
    expect(matchesNetmask({ network, bits }, fromBytes(other))).toBe(
      toNumber(one) >> hostBits === toNumber(other) >> hostBits,
    );
  });

  test("the families never match each other", () => {
    expect(matchesNetmask(parseNetmask("0.0.0.0/0")!, read("::"))).toBe(false);
    expect(matchesNetmask(parseNetmask("::/0")!, read("0.0.0.0"))).toBe(false);
    expect(matchesNetmask(parseNetmask("::ffff:0:0/96")!, read("1.2.3.4"))).toBe(false);
  });
});
