import { describe, expect, test } from "bun:test";

import { parseImapId } from "../../lib/device/imap-id.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";

const NOTHING = {
  "imapc.family": "",
  "imapc.major": "",
  "imapc.minor": "",
  "os.family": "",
  "os.major": "",
  "os.minor": "",
};

describe("parseImapId", () => {
  test.each([
    [
      "name and version",
      '"name" "Mail" "version" "16.2.1"',
      { "imapc.family": "Mail", "imapc.major": "16", "imapc.minor": "2" },
    ],
    [
      "os and os-version",
      '"os" "iOS" "os-version" "17.5 (21F90)"',
      { "os.family": "iOS", "os.major": "17", "os.minor": "5" },
    ],
    ["any order and unknown keys", '"vendor" "A" "os" "X" "name" "B"', { "os.family": "X", "imapc.family": "B" }],
    ["no space between", '"name""Mail"', { "imapc.family": "Mail" }],
    ["parentheses around", '("name" "Mail")', { "imapc.family": "Mail" }],
    ["NIL as a value", '"name" NIL "os" "X"', { "os.family": "X" }],
    ["names without regard to case", '"Name" "Mail"', { "imapc.family": "Mail" }],
    ["escaped quotes and backslashes", '"name" "A \\"B\\" \\\\ C"', { "imapc.family": 'A "B" \\ C' }],
    ["the first of two equal names", '"name" "A" "name" "B"', { "imapc.family": "A" }],
    ["a value that is a key's name", '"vendor" "name" "os" "X"', { "os.family": "X" }],
    ["a name with bytes that are no UTF-8", '"name" "\xfc"', { "imapc.family": "\xfc" }],
  ])("reads %s", (_, id, expected) => {
    expect(parseImapId(id as ByteString)).toEqual({ ...NOTHING, ...expected });
  });

  test.each([
    ["no version in front of the number", '"version" "v1.2"'],
    ["one number only", '"version" "16"'],
    ["a build instead of a version", '"version" "21F90"'],
    ["a key without value", '"name"'],
    ["no quotes", "name Mail"],
    ["an open quote", '"name" "Mail'],
    ["a trailing backslash", '"name" "Mail\\'],
    ["nothing", ""],
  ])("finds nothing in %s", (_, id) => {
    expect(parseImapId(id as ByteString)).toEqual(NOTHING);
  });
});
