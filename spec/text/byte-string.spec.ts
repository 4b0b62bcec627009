import { describe, expect, test } from "bun:test";

import { type ByteString, fromBytes, toByteString, toText } from "../../lib/text/byte-string.ts";
import { property } from "../support/random.ts";

describe("toByteString", () => {
  test.each([
    ["", ""],
    ["plain", "plain"],
    ["\0\x7f", "\0\x7f"],
    ["\x80", "\xc2\x80"],
    ["ü", "\xc3\xbc"],
    ["€", "\xe2\x82\xac"],
    ["😀", "\xf0\x9f\x98\x80"],
    ["\ud83d", "\xef\xbf\xbd"],
  ])("of %p is its UTF-8, a character a byte", (text, bytes) => {
    expect(toByteString(text)).toBe(bytes as ByteString);
  });
});

describe("toText", () => {
  test.each([
    ["plain", "plain"],
    ["\xc3\xbc", "ü"],
    ["\xef\xbb\xbfx", "\ufeffx"],
    ["a\xffb", "a\ufffdb"],
    ["\xc3", "\ufffd"],
    ["\xed\xa0\x80", "\ufffd\ufffd\ufffd"],
    ["\xc0\xaf", "\ufffd\ufffd"],
  ])("of %p is %p", (bytes, text) => {
    expect(toText(bytes as ByteString)).toBe(text);
  });

  property("gives back what toByteString took, byte for byte what UTF-8 says", 300, (random) => {
    const text = random.text(30);
    const string = toByteString(text);
    expect(toText(string)).toBe(text);
    expect(Uint8Array.from(string, (character) => character.charCodeAt(0))).toEqual(new TextEncoder().encode(text));
  });
});

describe("fromBytes", () => {
  test("keeps each byte, valid UTF-8 or not", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(Array.from(fromBytes(bytes), (character) => character.charCodeAt(0))).toEqual([...bytes]);
  });

  test("takes no more than the part of the buffer it is given", () => {
    expect(fromBytes(new TextEncoder().encode("abcdef").subarray(2, 4))).toBe("cd" as ByteString);
  });
});
