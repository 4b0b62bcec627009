import { describe, expect, test } from "bun:test";

import { parseAddress } from "../../lib/address/address.ts";
import { NetmaskGroup } from "../../lib/address/netmask-group.ts";
import { fromBytes } from "../../lib/text/byte-string.ts";
import { property, type Random } from "../support/random.ts";

function groupOf(...masks: string[]): NetmaskGroup {
  const group = new NetmaskGroup();
  for (const mask of masks) group.add(mask);
  return group;
}
const matches = (group: NetmaskGroup, text: string): boolean => group.match(parseAddress(text)!.bytes);

describe("match", () => {
  test.each([
    [[], "1.2.3.4", false],
    [["10.0.0.0/8"], "10.255.0.1", true],
    [["10.0.0.0/8"], "11.0.0.1", false],
    [["10.1.2.3/8"], "10.9.9.9", true],
    [["1.2.3.4"], "1.2.3.4", true],
    [["1.2.3.4"], "1.2.3.5", false],
    [["0.0.0.0/0"], "9.9.9.9", true],
    [["0.0.0.0/0"], "::1", false],
    [["::/0"], "::1", true],
    [["::/0"], "9.9.9.9", false],
    [["fc00::/7"], "fdff::1", true],
    [["fc00::/7"], "fe00::1", false],
    [["::1"], "::1", true],
    [["10.0.0.0/8", "!10.1.0.0/16"], "10.1.2.3", false],
    [["10.0.0.0/8", "!10.1.0.0/16"], "10.2.2.3", true],
    [["!10.1.0.0/16", "10.0.0.0/8"], "10.1.2.3", false],
    [["10.0.0.0/8", "!10.1.0.0/16", "10.1.2.0/24"], "10.1.2.3", true],
    [["0.0.0.0/0", "!1.2.3.4"], "1.2.3.4", false],
    [["0.0.0.0/0", "!1.2.3.4"], "1.2.3.5", true],
    [["!0.0.0.0/0"], "1.2.3.4", false],
    [["10.0.0.0/8", "!10.0.0.0/8"], "10.0.0.1", false],
    [["!10.0.0.0/8", "10.0.0.0/8"], "10.0.0.1", true],
  ] as [string[], string, boolean][])("of %p and %p is %p", (masks, address, expected) => {
    expect(matches(groupOf(...masks), address)).toBe(expected);
  });

  /** Prefixes share their beginnings, so that masks nest, repeat and exclude each other. */
  function randomPrefix(random: Random, width: number): string {
    const stem = random.pick(["0", "1", "01"]).repeat(width).slice(0, width);
    const kept = random.below(width + 1);
    return stem.slice(0, kept) + random.list(4, () => random.pick("01")).join("");
  }
  const toBytes = (bits: string): Uint8Array => Uint8Array.from(bits.match(/.{8}/g)!, (byte) => parseInt(byte, 2));
  const toMask = (bytes: Uint8Array, bits: number): string =>
    `${bytes.length === 4 ? bytes.join(".") : Buffer.from(bytes).toString("hex").match(/.{4}/g)!.join(":")}/${bits}`;

  property("agrees with a search for the longest prefix in a list", 150, (random) => {
    const group = new NetmaskGroup();
    const prefixes = new Map<string, boolean>();
    for (let left = random.below(30); left > 0; left--) {
      const width = random.pick([32, 128]);
      const prefix = randomPrefix(random, width).slice(0, width);
      // Zeros and then ones may be IPv4 mapped into IPv6, which has its own tests.
      const hostBits = random.pick(/^0*1*$/.test(prefix) ? ["0"] : ["0", "1"]).repeat(width - prefix.length);
      const excluded = random.chance(0.4);
      prefixes.set(`${width} ${prefix}`, !excluded);
      group.add((excluded ? "!" : "") + toMask(toBytes(prefix + hostBits), prefix.length));
    }
    expect(group.size).toBe(prefixes.size);
    for (let i = 0; i < 20; i++) {
      const width = random.pick([32, 128]);
      const prefix = randomPrefix(random, width);
      const bits = (prefix + random.pick(/^0*1*$/.test(prefix) ? ["0"] : ["0", "1"]).repeat(width)).slice(0, width);
      const [, expected] = [...prefixes]
        .filter(([prefix]) => `${width} ${bits}`.startsWith(prefix))
        .reduce((longest, next) => (next[0].length > longest[0].length ? next : longest), ["", false]);
      expect([bits, group.match(fromBytes(toBytes(bits)))]).toEqual([bits, expected]);
    }
  });
});

describe("add", () => {
  test.each(["", "!", "!!1.2.3.4", "! 1.2.3.4", "1.2.3.4/33", "::/129", "/8", "x/8", "1.2.3.4/8!", "example.com"])(
    "refuses %p and stays as it was",
    (text) => {
      const group = groupOf("10.0.0.0/8");
      expect(() => group.add(text)).toThrow(JSON.stringify(text));
      expect(group.size).toBe(1);
      expect(matches(group, "10.0.0.1")).toBe(true);
    },
  );
});

describe("IPv4 mapped into IPv6", () => {
  test("holds what it maps to as well, and counts once", () => {
    const group = groupOf("::ffff:10.0.0.0/104", "!::ffff:10.0.0.1/128", "::ffff:192.0.2.7");
    expect(
      ["10.0.0.2", "::ffff:10.0.0.2", "10.0.0.1", "::ffff:10.0.0.1", "11.0.0.0", "192.0.2.7", "192.0.2.8"].filter(
        (address) => matches(group, address),
      ),
    ).toEqual(["10.0.0.2", "::ffff:10.0.0.2", "192.0.2.7"]);
    expect(matches(groupOf("::ffff:0:0/96"), "203.0.113.5")).toBe(true);
    expect([group.size, groupOf("10.0.0.0/8", "::ffff:10.0.0.0/104").size]).toEqual([3, 1]);
  });

  test.each(["::ffff:10.0.0.1/95", "!::ffff:0:0/80", "::ffff:1.2.3.4/0"])(
    "refuses %p: others would be in it",
    (text) => {
      const group = groupOf("10.0.0.0/8");
      expect(() => group.add(text)).toThrow("at least /96");
      expect(group.size).toBe(1);
    },
  );
});

describe("size", () => {
  test("counts masks of both families, exclusions among them, and each network once", () => {
    expect(groupOf("10.0.0.0/8", "!10.1.0.0/16", "::1", "10.9.9.9/8", "!10.0.0.0/8").size).toBe(3);
  });
});

describe("clear", () => {
  test("leaves an empty group that can be filled again", () => {
    const group = groupOf("10.0.0.0/8", "::/0");
    group.clear();
    expect(group.size).toBe(0);
    expect([matches(group, "10.0.0.1"), matches(group, "::1")]).toEqual([false, false]);
    group.add("11.0.0.0/8");
    expect([matches(group, "10.0.0.1"), matches(group, "11.0.0.1")]).toEqual([false, true]);
  });
});
