/**
 * JSON bodies as byte strings.
 *
 * The body is read as Latin-1, one character a byte, and parsed as such: a string then holds the bytes that came, valid
 * UTF-8 or not. Only `\u` escapes need care, for JSON.parse would turn `\u00fc` into one character, not its two bytes:
 * a body that has any gets them replaced by their UTF-8 bytes first.
 */
import { type ByteString, toByteString, toText } from "./byte-string.ts";

/** A parsed body: object keys and strings are {@link ByteString}s. */
export type Json = null | boolean | number | ByteString | Json[] | JsonObject;
export interface JsonObject {
  [name: ByteString]: Json;
}

/** The body is no JSON; the message says where. */
export class JsonError extends Error {
  override name = "JsonError";
}

const ESCAPES = /\\(?:u([0-9a-fA-F]{4})(?:\\u([0-9a-fA-F]{4}))?|[^])/g;

/** @throws {JsonError} */
export function parseJson(body: ByteString): Json {
  try {
    return JSON.parse(body.includes("\\u") ? unescapeUnicode(body) : body);
  } catch {
    throw new JsonError(findFault(body));
  }
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Replaces `\uXXXX` by UTF-8 bytes. What JSON must keep escaped (controls, quote, backslash) stays escaped. */
function unescapeUnicode(body: ByteString): string {
  return body.replace(ESCAPES, (escape, first?: string, second?: string) => {
    if (first === undefined) return escape;
    const low = second === undefined ? -1 : parseInt(second, 16);
    const high = parseInt(first, 16);
    if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
      return toByteString(String.fromCharCode(high, low));
    }
    return unescapeOne(high) + (second === undefined ? "" : unescapeOne(low));
  });
}

/** A lone surrogate has no UTF-8; it becomes U+FFFD. */
function unescapeOne(code: number): string {
  if (code < 0x20 || code === 0x22 || code === 0x5c) return `\\u${code.toString(16).padStart(4, "0")}`;
  return toByteString(code >= 0xd800 && code < 0xe000 ? "\ufffd" : String.fromCharCode(code));
}

/** Sticky: both are tried at one position only. */
const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|[[\]{},:]/y;

/** What may come next, and what is expected behind it; "" is whatever the innermost open bracket wants. */
const VALUE = { string: "", scalar: "", "[": "a value or ']'", "{": "a name or '}'" };
const GRAMMAR: Record<string, Record<string, string>> = {
  "a value": VALUE,
  "a value or ']'": { ...VALUE, "]": "" },
  "a name": { string: "':'" },
  "a name or '}'": { string: "':'", "}": "" },
  "':'": { ":": "a value" },
  "',' or ']'": { ",": "a value", "]": "" },
  "',' or '}'": { ",": "a name", "}": "" },
  "nothing more": {},
};

/** Where and why a body is no JSON: JSON.parse does not say where. Keeps open brackets in a list, so depth is no danger. */
function findFault(body: ByteString): string {
  const open: string[] = [];
  let expected = "a value";
  for (let at = 0; ;) {
    SPACE.lastIndex = at;
    SPACE.test(body);
    TOKEN.lastIndex = at = SPACE.lastIndex;
    const match = TOKEN.exec(body);
    if (!match && at === body.length && expected === "nothing more") return "not accepted: nested too deeply";
    const token = match?.[0] ?? "";
    const kind = match?.[1] !== undefined ? "scalar" : token.startsWith('"') ? "string" : token;
    const next = GRAMMAR[expected]![kind];
    if (next === undefined) {
      const found =
        at < body.length ? `got ${JSON.stringify(toText(body.slice(at, at + 16) as ByteString))}` : "the body ends";
      return `not JSON: ${expected} expected at byte ${at + 1}, ${found}`;
    }
    if (kind === "[" || kind === "{") open.push(kind);
    if (kind === "]" || kind === "}") open.pop();
    const around = open.at(-1);
    expected = next || (around === undefined ? "nothing more" : around === "[" ? "',' or ']'" : "',' or '}'");
    at += token.length;
  }
}
