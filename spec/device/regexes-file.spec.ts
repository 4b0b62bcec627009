import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readRegexesFile, RegexesFileError } from "../../lib/device/regexes-file.ts";
import { parseUserAgent, type Rule } from "../../lib/device/user-agent.ts";

const folder = mkdtempSync(join(tmpdir(), "trackalert-regexes-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "regexes.yaml");

function read(text: string | Uint8Array): ReturnType<typeof readRegexesFile> {
  writeFileSync(file, text);
  return readRegexesFile(file);
}

/** The error's message, with the name of the file shortened to FILE. */
async function failureOf(path: string): Promise<string> {
  const error: unknown = await readRegexesFile(path).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(RegexesFileError);
  return (error as Error).message.replace(path, "FILE");
}

test("entries become rules, and what they lack gets the specification's templates", async () => {
  const { rules, problems } = await read(`
user_agent_parsers:
  - regex: '(Fox)/(\\d+)\\.(\\d+)'
  - regex: 'Plain'
    family_replacement: 'Named'
    v1_replacement: 'one'
    v2_replacement: 'two'
os_parsers:
  - regex: '(Hurd)'
  - regex: 'Win'
    os_replacement: 'Windows'
    os_v1_replacement: 'NT'
    os_v2_replacement: '4'
device_parsers:
  - regex: '(phone)'
    regex_flag: 'i'
  - regex: 'x'
    device_replacement: 'd'
    brand_replacement: 'b'
    model_replacement: 'm'
`);
  expect(problems).toEqual([]);
  const written = (list: Rule[]): string[][] => list.map(({ pattern, templates }) => [String(pattern), ...templates]);
  expect(written(rules.browser)).toEqual([
    ["/(Fox)\\/(\\d+)\\.(\\d+)/", "$1", "$2", "$3"],
    ["/Plain/", "Named", "one", "two"],
  ]);
  expect(written(rules.os)).toEqual([
    ["/(Hurd)/", "$1", "$2", "$3"],
    ["/Win/", "Windows", "NT", "4"],
  ]);
  expect(written(rules.device)).toEqual([
    ["/(phone)/i", "$1", "", "$1"],
    ["/x/", "d", "b", "m"],
  ]);
});

test("values are the text that stands in the file, numbers and empty ones too", async () => {
  const { rules } = await read(`
user_agent_parsers:
  - regex: (A)(1)(2)
    family_replacement: true
    v1_replacement: 8.10
    v2_replacement: ''
os_parsers: []
device_parsers: []
`);
  expect(parseUserAgent(rules, "A12").browser).toEqual({ family: "true", major: "8.10", minor: "" });
});

test("unknown keys do not matter", async () => {
  const { rules, problems } = await read(`
version: 7
user_agent_parsers:
  - regex: 'a'
    debug: [1, { b: c }]
os_parsers: []
device_parsers: []
extra_parsers:
  - nonsense
`);
  expect([rules.browser.length, problems]).toEqual([1, []]);
});

describe("an entry that cannot be used is reported with its line and skipped", () => {
  test.each([
    ["unclosed group", "regex: '(a'", ":4: regex does not compile, entry skipped: "],
    [
      "construct of another dialect",
      "regex: 'a++'",
      ":4: regex has no equal here for the possessive ++, entry skipped",
    ],
    ["no regex", "family_replacement: 'a'", ":4: entry of user_agent_parsers without a regex, skipped"],
    ["empty regex", "regex: ''", ":4: entry of user_agent_parsers without a regex, skipped"],
    ["regex that is a list", "regex: [a]", ":4: entry of user_agent_parsers without a regex, skipped"],
    ["entry that is a text", "a", ":4: entry of user_agent_parsers without a regex, skipped"],
    ["unknown flag", "{regex: a, regex_flag: g}", `:4: regex_flag "g" is not known, only 'i' is; entry skipped`],
  ])("%s", async (_, entry, problem) => {
    const { rules, problems } = await read(`user_agent_parsers:
  # a comment
  - regex: 'before'
  - ${entry}
  - regex: 'behind'
os_parsers: []
device_parsers: []
`);
    expect(problems).toEqual([expect.stringContaining(file + problem)]);
    expect(rules.browser.map(({ pattern }) => pattern.source)).toEqual(["before", "behind"]);
  });
});

test("lists that are missing or no lists are reported, the others used", async () => {
  const { rules, problems } = await read("os_parsers: 7\nuser_agent_parsers:\n  - regex: 'a'\n");
  expect(problems).toEqual([
    `${file}:1: os_parsers is not a list, nothing will be known by it`,
    `${file}: device_parsers is missing, nothing will be known by it`,
  ]);
  expect([rules.browser.length, rules.os.length, rules.device.length]).toEqual([1, 0, 0]);
});

describe("a file that cannot be used is an error that says where and what to do", () => {
  test.each([
    ["unclosed quote", "os_parsers:\n  - regex: 'a\n", /^FILE:3: not YAML: Missing closing 'quote; -R takes a file in/],
    ["tab", "os_parsers:\n\t- regex: 'a'\n", /^FILE:2: not YAML: /],
    ["key given twice", "os_parsers: []\nos_parsers: []\n", /^FILE:2: not YAML: Map keys must be unique; /],
    ["two documents", "os_parsers: []\n---\nos_parsers: []\n", /^FILE:2: not YAML: /],
    ["empty", "", /^FILE: has none of user_agent_parsers, os_parsers, device_parsers; -R takes/],
    ["a list at the top", "- os_parsers\n", /^FILE: has none of /],
    ["other keys only", "parsers: []\n", /^FILE: has none of /],
    ["binary", Uint8Array.from({ length: 256 }, (_, i) => i), /^FILE:?\d*: (not YAML|has none of)/],
  ])("%s", async (_, text, message) => {
    writeFileSync(file, text);
    expect(await failureOf(file)).toMatch(message);
  });

  test("missing", async () => {
    expect(await failureOf(join(folder, "absent.yaml"))).toBe(
      "FILE: cannot be read: ENOENT; -R takes a file in the format of uap-core's regexes.yaml",
    );
  });

  test("a folder", async () => expect(await failureOf(folder)).toStartWith("FILE: cannot be read: EISDIR; "));
});
