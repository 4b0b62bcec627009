import { describe, expect, test } from "bun:test";

import { type Config, defaultConfig } from "../../lib/config.ts";
import { Access } from "../../lib/http/access.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";

function accessWith(settings: Partial<Config>): { access: Access; config: Config } {
  const config = { ...defaultConfig(), ...settings };
  return { access: new Access(config), config };
}
const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64");
const basic = (credentials: string): string => `Basic ${base64(credentials)}`;

describe("admits", () => {
  test.each([
    ["127.0.0.1", true],
    ["127.255.255.255", true],
    ["128.0.0.1", false],
    ["10.0.0.0", true],
    ["10.255.255.255", true],
    ["11.0.0.0", false],
    ["100.64.0.0", true],
    ["100.127.255.255", true],
    ["100.128.0.0", false],
    ["169.254.1.1", true],
    ["169.253.1.1", false],
    ["172.16.0.1", true],
    ["172.31.255.255", true],
    ["172.15.0.1", false],
    ["172.32.0.1", false],
    ["192.168.1.1", true],
    ["192.169.1.1", false],
    ["8.8.8.8", false],
    ["::1", true],
    ["::2", false],
    ["::", false],
    ["fc00::1", true],
    ["fdff:ffff::1", true],
    ["fe00::1", false],
    ["fe80::1", true],
    ["fe80::1%eth0", true],
    ["febf::1", true],
    ["fec0::1", false],
    ["2001:db8::1", false],
    ["::ffff:10.1.1.1", true],
    ["::ffff:8.8.8.8", false],
    ["", false],
    ["unix", false],
  ])("by default %p: %p", (peer, admitted) => {
    const { access } = accessWith({});
    expect(access.admits(peer)).toBe(admitted);
    expect(access.admits(peer)).toBe(admitted);
  });

  test.each([
    [[], "127.0.0.1", false],
    [["8.8.8.0/24"], "8.8.8.8", true],
    [["8.8.8.0/24"], "::ffff:8.8.8.8", true],
    [["8.8.8.0/24"], "127.0.0.1", false],
    [["0.0.0.0/0"], "2001:db8::1", false],
    [["10.0.0.0/8", "!10.1.0.0/16"], "10.1.2.3", false],
    [["10.0.0.0/8", "!10.1.0.0/16"], "::ffff:10.1.2.3", false],
    [["10.0.0.0/8", "!10.1.0.0/16"], "10.2.2.3", true],
  ] as [string[], string, boolean][])("with the ACL %j %p: %p", (acl, peer, admitted) => {
    expect(accessWith({ acl }).access.admits(peer)).toBe(admitted);
  });

  test("follows a list that replaces the former one, also for peers it has seen", () => {
    const { access, config } = accessWith({});
    const verdicts = (): boolean[] => ["127.0.0.1", "8.8.8.8"].map((peer) => access.admits(peer));
    expect(verdicts()).toEqual([true, false]);
    config.acl = ["8.8.8.8"];
    expect(verdicts()).toEqual([false, true]);
    config.acl = [...config.acl, "127.0.0.1"];
    expect(verdicts()).toEqual([true, true]);
    config.acl = [];
    expect(verdicts()).toEqual([false, false]);
  });

  test("stays right over more peers than are remembered", () => {
    const { access } = accessWith({ acl: ["10.0.0.0/8", "!10.0.1.0/24"] });
    for (let i = 0; i < 3000; i++) {
      const third = (i >> 8) % 8;
      expect(access.admits(`10.0.${third}.${i & 255}`)).toBe(third !== 1);
    }
  });
});

describe("authorizes", () => {
  test.each([
    ["secret", basic("wforce:secret")],
    ["secret", basic("anyone:secret")],
    ["secret", basic(":secret")],
    ["secret", `basic ${base64("wforce:secret")}`],
    ["secret", `BASIC ${base64("wforce:secret")}`],
    ["secret", `Basic  ${base64("wforce:secret")}`],
    ["secret", `Basic ${base64("x:secret").replaceAll("=", "")}`],
    ["with:colon:s", basic("wforce:with:colon:s")],
    [":", basic("::")],
    ["pässwörd€", basic("wforce:pässwörd€")],
    [" spaced ", basic("wforce: spaced ")],
  ])("accepts the password %j from %j", (password, header) => {
    const { access } = accessWith({ webserverPassword: toByteString(password) });
    expect(access.authorizes(header)).toBe(true);
    expect(access.authorizes(header)).toBe(true);
  });

  test.each([
    ["secret", null],
    ["secret", ""],
    ["secret", "Basic"],
    ["secret", "Basic "],
    ["secret", basic("secret")],
    ["secret", basic("wforce:")],
    ["secret", basic("secret:")],
    ["secret", basic("wforce:Secret")],
    ["secret", basic("wforce:secret ")],
    ["secret", basic("wforce:secre")],
    ["secret", basic("wforce:secrets")],
    ["secret", basic("a:b:secret")],
    ["secret", base64("wforce:secret")],
    ["secret", `Bearer ${base64("wforce:secret")}`],
    ["secret", `Basic${base64("wforce:secret")}`],
    ["secret", `XBasic ${base64("wforce:secret")}`],
    ["secret", "Basic wforce:secret"],
    ["secret", "Basic !!!!"],
    ["secret", "Basic ===="],
    ["secret", `Basic ${base64("wforce:secret")}!`],
    ["secret", `Basic ${base64("wforce:secret")} x`],
    ["secret", `Basic x, ${basic("wforce:secret")}`],
    [undefined, basic("wforce:secret")],
    [undefined, basic("wforce:undefined")],
    [undefined, basic(":")],
    [undefined, null],
    ["", basic(":")],
    ["", basic("wforce:")],
    ["", basic("wforce:secret")],
    ["", null],
  ])("with the password %j refuses %j", (password, header) => {
    const { access } = accessWith({ webserverPassword: password === undefined ? password : toByteString(password) });
    expect(access.authorizes(header)).toBe(false);
    expect(access.authorizes(header)).toBe(false);
  });

  test("forgets what it accepted when the password changes", () => {
    const { access, config } = accessWith({ webserverPassword: toByteString("old") });
    const verdicts = (): boolean[] => ["old", "new"].map((password) => access.authorizes(basic(`wforce:${password}`)));
    expect(verdicts()).toEqual([true, false]);
    for (const [password, expected] of [
      ["new", [false, true]],
      [undefined, [false, false]],
      ["old", [true, false]],
      ["", [false, false]],
    ] as const) {
      config.webserverPassword = password === undefined ? password : toByteString(password);
      expect(verdicts()).toEqual([...expected]);
    }
  });

  test("compares bytes: two that are no UTF-8 are not equal for that", () => {
    const { access } = accessWith({ webserverPassword: "\xff\xfe" as ByteString });
    const verdict = (password: string): boolean =>
      access.authorizes(`Basic ${Buffer.from(`x:${password}`, "latin1").toString("base64")}`);
    expect([verdict("\xfd\xfc"), verdict("\xff\xfe"), verdict("\xef\xbf\xbd\xef\xbf\xbd")]).toEqual([
      false,
      true,
      false,
    ]);
  });

  test("stays right over more users than are remembered", () => {
    const { access } = accessWith({ webserverPassword: toByteString("secret") });
    for (let i = 0; i < 1500; i++) {
      expect(access.authorizes(basic(`user${i}:secret`))).toBe(true);
      expect(access.authorizes(basic(`user${i}:wrong`))).toBe(false);
    }
  });
});
