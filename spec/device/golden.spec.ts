/** What the parser says beside what uap-core's own suite expects and what a real wforce has computed. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { DeviceParser } from "../../lib/device/device.ts";
import { readRegexesFile } from "../../lib/device/regexes-file.ts";
import { type ByteString, toByteString, toText } from "../../lib/text/byte-string.ts";

interface Case {
  protocol: string;
  device_id: string;
  device_attrs: Record<string, string>;
}

const readCases = (name: string): Case[] =>
  readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

const parseWith = (parser: DeviceParser, { protocol, device_id }: Case): Record<string, string> => {
  const pairs = parser.parse(toByteString(protocol), toByteString(device_id)).map((bytes: ByteString) => toText(bytes));
  return Object.fromEntries(Array.from({ length: pairs.length / 2 }, (_, i) => [pairs[2 * i], pairs[2 * i + 1]]));
};

const { rules, problems } = await readRegexesFile(Bun.resolveSync("uap-core/regexes.yaml", import.meta.dir));
const withRules = new DeviceParser(rules);
const bundled = new DeviceParser();

describe("uap-core's regexes", () => {
  test("are all usable", () => {
    expect(problems).toEqual([]);
    expect([rules.browser.length, rules.os.length, rules.device.length]).toEqual([350, 197, 628]);
  });

  const cases = readCases("devices/http-cases.jsonl");
  test("come with 620 cases", () => expect(cases.length).toBe(620));
  test.each(cases.map((row) => [row.device_id, row] as const))("know %s", (_, row) => {
    expect(parseWith(withRules, row)).toMatchObject(row.device_attrs);
  });
});

describe("wforce's recordings", () => {
  const cases = readCases("devices/imap-mobile-cases.jsonl");
  test("are eight", () => expect(cases.length).toBe(8));
  test.each(cases.map((row) => [row.protocol, row.device_id, row] as const))("%s %s", (_, __, row) => {
    expect(parseWith(bundled, row)).toEqual(row.device_attrs);
  });
});

describe("reports that wforce posted", () => {
  const reports = readCases("traffic/wforce-reports.jsonl");
  const others = reports.filter(({ protocol }) => protocol !== "http");
  const agents = reports.filter(({ protocol }) => protocol === "http");

  test("have the same attributes here, empty device ids and other protocols included", () => {
    expect(new Set(others.map(({ protocol }) => protocol))).toEqual(new Set(["imap", "mobileapi", "pop3", "smtp"]));
    expect(others.some(({ protocol, device_id }) => protocol === "imap" && device_id === "")).toBe(true);
    for (const report of others) expect(parseWith(withRules, report)).toEqual(report.device_attrs);
  });

  // Its uap-core is of another version than ours: the values may differ, the names may not.
  test.each([
    ["with a regexes file", withRules],
    ["without", bundled],
  ])("over HTTP have the same names of attributes %s", (_, parser) => {
    expect(agents.length).toBe(77);
    for (const agent of agents) {
      expect(Object.keys(parseWith(parser, agent)).sort()).toEqual(Object.keys(agent.device_attrs).sort());
    }
  });
});
