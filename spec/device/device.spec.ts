import { describe, expect, test } from "bun:test";

import { DeviceParser } from "../../lib/device/device.ts";
import type { UserAgentRules } from "../../lib/device/user-agent.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";

/** A browser is `<family>/<major>.<minor>`, whatever the family's characters. */
const RULES: UserAgentRules = {
  browser: [{ pattern: /([^ /]+)\/(\d+)\.(\d+)/, templates: ["$1", "$2", "$3"] }],
  os: [],
  device: [],
};
const bytes = (text: string): ByteString => text as ByteString;
const parse = (parser: DeviceParser, protocol: string, id: string): string[] =>
  parser.parse(bytes(protocol), bytes(id));
const browserFamily = (pairs: string[]): string => pairs[pairs.indexOf("browser.family") + 1]!;

describe("the attributes", () => {
  const http = [
    ...["device.family", "device.model", "device.brand"],
    ...["os.family", "os.major", "os.minor"],
    ...["browser.family", "browser.major", "browser.minor"],
  ];
  const imap = ["imapc.family", "imapc.major", "imapc.minor", "os.family", "os.major", "os.minor"];
  const mobile = [
    ...["app.brand", "app.name", "app.major", "app.minor"],
    ...["os.family", "os.major", "os.minor", "device.family"],
  ];
  test.each([
    ["http", http],
    ["https", http],
    ["imap", imap],
    ["imaps", imap],
    ["mobileapi", mobile],
    ...["pop3", "smtp", "", "HTTP", "Imap", "http ", "constructor"].map((protocol): [string, string[]] => [
      protocol,
      [],
    ]),
  ])("of protocol %p", (protocol, names) => {
    for (const parser of [new DeviceParser(), new DeviceParser(RULES)]) {
      expect(parse(parser, protocol, "x").filter((_, i) => i % 2 === 0)).toEqual(names);
    }
  });

  test.each(["http", "imap", "mobileapi"])("of an empty device id are none: %s", (protocol) => {
    expect(parse(new DeviceParser(RULES), protocol, "")).toEqual([]);
  });
});

test("rules read user agents in place of the bundled parser", () => {
  const agent = "Wonder/4.5 Firefox/127.0";
  expect(browserFamily(parse(new DeviceParser(RULES), "http", agent))).toBe("Wonder");
  expect(browserFamily(parse(new DeviceParser(), "http", agent))).toBe("Firefox");
});

describe("bytes", () => {
  const family = (id: string): string => browserFamily(parse(new DeviceParser(RULES), "https", id));

  test("of an agent are read as UTF-8 and come back as such", () => {
    const name = toByteString("prohlížeč日本");
    expect(family(`${name}/1.2`)).toBe(name);
  });
  test("of an agent that are no UTF-8 become U+FFFD", () => expect(family("a\xffb/1.2")).toBe("a\xef\xbf\xbdb"));
  test("NUL is a character like others", () => expect(family("a\0b/1.2")).toBe("a\0b"));
  test("of IMAP and mobile ids come through", () => {
    const parser = new DeviceParser();
    expect(parse(parser, "imap", '"name" "\xff\0\xc3\xa9"')).toContain("\xff\0\xc3\xa9");
    expect(parse(parser, "mobileapi", "\xff\0\xc3\xa9.b.c/1.2")).toContain("\xff\0\xc3\xa9");
  });
});

describe("the cache", () => {
  const id = bytes('"name" "A"');
  const [imap, http] = [bytes("imap"), bytes("http")];

  test("answers the same string again with what was parsed before", () => {
    const parser = new DeviceParser(RULES);
    expect(parser.parse(imap, bytes('"name" "A"'))).toBe(parser.parse(imap, id));
    expect(parser.parse(http, id)).toBe(parser.parse(http, id));
  });

  test("tells protocols apart", () => {
    const parser = new DeviceParser(RULES);
    expect(parser.parse(imap, id)).toContain(bytes("A"));
    expect(parser.parse(http, id)).not.toContain(bytes("A"));
    expect(parser.parse(bytes("mobileapi"), id)[0]).toBe(bytes("app.brand"));
  });

  test("holds 10,000 of the usual length, 16 MiB in all, and forgets the one unused for longest", () => {
    const parser = new DeviceParser();
    const [used, unused] = [parser.parse(imap, id), parser.parse(imap, bytes("unused"))];
    for (let i = 0; i < 9_998; i++) parser.parse(imap, bytes(`id ${i}`));
    expect(parser.parse(imap, id)).toBe(used);
    expect(parser.parse(imap, bytes("unused"))).toBe(unused);
    for (let i = 0; i < 20_000; i++) {
      parser.parse(imap, bytes(`${i}`.padEnd(1024, ".")));
      if (i % 1000 === 0) expect(parser.parse(imap, id)).toBe(used);
    }
    expect(parser.parse(imap, bytes("unused"))).not.toBe(unused);
  });
});

describe("a long device id", () => {
  test("is read for 1 KiB", () => {
    const family = (before: number): string =>
      browserFamily(parse(new DeviceParser(RULES), "http", `${" ".repeat(before)}Fox/1.2`));
    expect(family(1024 - "Fox/1.2".length)).toBe("Fox");
    expect(family(1024)).toBe("Other");
    const space = " ".repeat(1024);
    expect(parse(new DeviceParser(), "imap", `${space}"name" "A"`)).not.toContain("A");
  });

  test("cut within a character is no error", () => {
    expect(browserFamily(parse(new DeviceParser(RULES), "http", "\xe6\x97\xa5".repeat(1 << 18)))).toBe("Other");
  });
});
