import { describe, expect, test } from "bun:test";

import { type ByteString, toByteString, toText } from "../../lib/text/byte-string.ts";
import { isObject, type Json, JsonError, parseJson } from "../../lib/text/json.ts";
import { property, type Random } from "../support/random.ts";

const raw = (body: string): Json => parseJson(body as ByteString);
const accepts = (parse: () => unknown): boolean => {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
};
const faultOf = (body: string): string => {
  try {
    raw(body);
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError);
    return (error as JsonError).message;
  }
  throw new Error(`accepted: ${JSON.stringify(body.slice(0, 100))}`);
};

/** All strings and names of a document, mapped. */
function mapStrings(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [map(name), mapStrings(item, map)]));
}

const SPACES = ["", "", "", " ", "\n", "\t\r\n "];

/** JSON text with every way to write a character: raw, short escapes, \u escapes, also of lone surrogates. */
function randomJson(random: Random, depth: number): string {
  const space = (): string => random.pick(SPACES);
  const hex = (unit: number): string => {
    const digits = unit.toString(16).padStart(4, "0");
    return `\\u${random.chance(0.5) ? digits.toUpperCase() : digits}`;
  };
  const string = (text: string): string => {
    const characters = Array.from(text, (character) => {
      if (random.chance(0.4))
        return character
          .split("")
          .map((unit) => hex(unit.charCodeAt(0)))
          .join("");
      return JSON.stringify(character).slice(1, -1);
    });
    return `"${characters.join("")}"`;
  };
  const list = (item: (i: number) => string): string =>
    random
      .list(4, () => 0)
      .map((_, i) => `${space()}${item(i)}${space()}`)
      .join(",") || space();
  const value = (left: number): string => {
    const kind = random.below(left > 0 ? 8 : 6);
    if (kind === 0) return random.pick(["null", "true", "false"]);
    if (kind === 1)
      return random.pick(["0", "-0", "7", "-1.5", "1e3", "1E-2", "1795329293.2416379", "123456789012345678"]);
    if (kind === 2) return `"${random.list(4, () => hex(0xd7f0 + random.below(0x820))).join("")}"`;
    if (kind < 6) return string(random.text(8));
    if (kind === 6) return `[${list(() => value(left - 1))}]`;
    return `{${list((i) => `${string(i + random.text(4))}${space()}:${space()}${value(left - 1)}`)}}`;
  };
  return space() + value(depth) + space();
}

describe("parseJson", () => {
  test.each([
    ['{"a":[1,2.5,-1e2,true,false,null,"x"]}', { a: [1, 2.5, -100, true, false, null, "x"] }],
    [' \t\r\n"" ', ""],
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'],
    ['"\\u0000\\u0022\\u005C\\u000a"', '\0"\\\n'],
    ['"\\\\u00fc"', "\\u00fc"],
    ['"\\u00fc"', "\xc3\xbc"],
    ['"\xc3\xbc"', "\xc3\xbc"],
    ['"\xff\\u0041\xfe"', "\xffA\xfe"],
    ['"\\uD83D\\ude00"', "\xf0\x9f\x98\x80"],
    ['"\\u00fc\\ud83d\\ude00"', "\xc3\xbc\xf0\x9f\x98\x80"],
    ['"\\ud83d\\ude00\\ud83d\\ude00\\u0041"', "\xf0\x9f\x98\x80\xf0\x9f\x98\x80A"],
    ['"\\ud83d"', "\xef\xbf\xbd"],
    ['"\\ude00\\ud83d"', "\xef\xbf\xbd\xef\xbf\xbd"],
    ['"\\ud83d\\ud83d\\ude00"', "\xef\xbf\xbd\xf0\x9f\x98\x80"],
    ['{"n\\u00e4me":"\\u2028"}', { "n\xc3\xa4me": "\xe2\x80\xa8" }],
    ['{"a":1,"\\u0061":2}', { a: 2 }],
  ])("reads %p", (body, value) => {
    expect(raw(body)).toEqual(value as Json);
  });

  test("keeps a name such as __proto__ a name", () => {
    const value = raw('{"__proto__":{"login":"joe"}}') as Record<string, Json>;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(value["login"]).toBeUndefined();
  });

  test.each([
    ["", 1, "a value", "the body ends"],
    [" \n", 3, "a value", "the body ends"],
    ["login=joe", 1, "a value", "login=joe"],
    ["tru", 1, "a value", "tru"],
    ["nulls", 5, "nothing more", "s"],
    ["01", 2, "nothing more", "1"],
    ["1.", 2, "nothing more", "."],
    ["-", 1, "a value", "-"],
    ["+1", 1, "a value", "+1"],
    ["NaN", 1, "a value", "NaN"],
    ["'a'", 1, "a value", "'a'"],
    ["{} {}", 4, "nothing more", "{}"],
    ["[1 2]", 4, "',' or ']'", "2]"],
    ["[1,]", 4, "a value", "]"],
    ["[,1]", 2, "a value or ']'", ",1]"],
    ["[1}", 3, "',' or ']'", "}"],
    ["[", 2, "a value or ']'", "the body ends"],
    ["{", 2, "a name or '}'", "the body ends"],
    ["{a:1}", 2, "a name or '}'", "a:1}"],
    ['{"a"}', 5, "':'", "}"],
    ['{"a":}', 6, "a value", "}"],
    ['{"a":1,}', 8, "a name", "}"],
    ['{"a":1', 7, "',' or '}'", "the body ends"],
    ['{"a":1]', 7, "',' or '}'", "]"],
    ['{"a":{"b":[]},"c" 1}', 19, "':'", "1}"],
    ['"a', 1, "a value", '"a'],
    ['"\\x"', 1, "a value", '"\\x"'],
    ['"\\u12"', 1, "a value", '"\\u12"'],
    ['["\xc3\xbc",x]', 7, "a value", "x]"],
    ["[\xc3\xbc]", 2, "a value or ']'", "ü]"],
    ["\xef\xbb\xbf{}", 1, "a value", "\ufeff{}"],
    ["[1,\x0b2]", 4, "a value", "\x0b2]"],
    ['{"a":\\u0031}', 6, "a value", "\\u0031}"],
    ["\\u005b\\u005d", 1, "a value", "\\u005b\\u005d"],
    ['["\\u0041",\\u0031]', 11, "a value", "\\u0031]"],
  ])("refuses %p and names byte %p", (body, byte, expected, got) => {
    const found = got === "the body ends" ? got : `got ${JSON.stringify(got)}`;
    expect(faultOf(body)).toBe(`not JSON: ${expected} expected at byte ${byte}, ${found}`);
  });

  test.each([
    ['"\n"', "U+000A, in a string at byte 2: it is written \\n"],
    ['{"login":"a\tb"}', "U+0009, in a string at byte 12: it is written \\t"],
    ['{"a\\"\x00":1}', "U+0000, in a string at byte 6: it is written \\u0000"],
    ['["\x1f', "U+001F, in a string at byte 3: it is written \\u001f"],
  ])("refuses %p and names the control character", (body, said) => {
    expect(faultOf(body)).toBe(`not JSON: a control character, ${said}`);
  });

  test("takes 100 levels and no more, of whatever kind, also where the brackets are many and not deep", () => {
    const nested = (levels: number, inner: string): string =>
      `${'[{"a":'.repeat(levels / 2)}${inner}${"}]".repeat(levels / 2)}`;
    expect(accepts(() => raw(nested(100, "1")))).toBe(true);
    expect(faultOf(nested(100, "[]"))).toBe("not accepted: nested deeper than 100 levels");
    expect(faultOf(nested(400_000, "1"))).toBe("not accepted: nested deeper than 100 levels");
    expect(accepts(() => raw(`[${"[{}],".repeat(1000)}"${"[".repeat(1000)}"]`))).toBe(true);
  });

  test("quotes no more than a few bytes of the body", () => {
    expect(faultOf("x".repeat(1000)).length).toBeLessThan(100);
  });

  test("refuses a large body without failing over its size or depth", () => {
    expect(faultOf("[".repeat(1_000_000))).toContain("at byte 1000001");
    expect(faultOf(`${'{"a":['.repeat(150_000)}x`)).toContain("at byte 900001");
    expect(faultOf(`["${"a".repeat(1_000_000)}" x`)).toContain("at byte 1000005");
  });

  property("reads the same document as JSON.parse", 400, (random) => {
    const text = randomJson(random, 4);
    const expected = mapStrings(JSON.parse(text), (string) => string.toWellFormed());
    const actual = mapStrings(parseJson(toByteString(text)), (string) => toText(string as ByteString));
    expect([text, actual]).toEqual([text, expected]);
  });

  property(
    "accepts a damaged document exactly when JSON.parse does, and names a byte of it otherwise",
    2000,
    (random) => {
      const text = random.mutate(randomJson(random, 2), '[]{}:,"\\u0019.eE-+tfn \n\x01ü');
      const body = toByteString(text);
      const valid = accepts(() => JSON.parse(body));
      expect([text, accepts(() => parseJson(body))]).toEqual([text, valid]);
      if (valid) return;
      // A control character has a message of its own.
      if (
        /^not JSON: a control character, U\+00[01][\dA-F], in a string at byte \d+: it is written \\/.test(
          faultOf(body),
        )
      )
        return;
      const [, byte, end] =
        /^not JSON: .* expected at byte (\d+), (?:got ".*"|(the body ends))$/s.exec(faultOf(body)) ?? [];
      expect(Number(byte)).toBeGreaterThan(0);
      expect(Number(byte) > body.length).toBe(end !== undefined);
      // What stands before that byte is sound: by itself it is only too short.
      const before = body.slice(0, Number(byte) - 1);
      if (!accepts(() => raw(before))) expect(faultOf(before)).toEndWith(`at byte ${byte}, the body ends`);
    },
  );
});

describe("isObject", () => {
  test.each([
    ["{}", true],
    ['{"a":1}', true],
    ["[]", false],
    ["null", false],
    ['"{}"', false],
    ["1", false],
  ])("of %p is %p", (body, expected) => {
    expect(isObject(raw(body))).toBe(expected);
  });

  test("of nothing is false", () => {
    expect(isObject(undefined)).toBe(false);
  });
});
