/**
 * JSON bodies as byte strings.
 *
 * The body is read as Latin-1, one character a byte, and parsed as such: a string then holds the bytes that came, valid
 * UTF-8 or not. Only `\u` escapes need care, for JSON.parse would turn `\u00fc` into one character, not its two bytes:
 * a body that has any gets them replaced by their UTF-8 bytes first.
 */
import { type ByteString, toByteString } from "./byte-string.ts";
import { findFault } from "./json-fault.ts";

/** A parsed body: object keys and strings are {@link ByteString}s. */
export type Json = null | boolean | number | ByteString | Json[] | JsonObject;
export interface JsonObject {
  [name: ByteString]: Json;
}

/** Levels of arrays and objects: no report needs many, and what is deep breaks those who walk it. */
const DEEPEST = 100;

/** The body is no JSON, or nested too deeply; the message says where. */
export class JsonError extends Error {
  override name = "JsonError";
}

/** A surrogate pair, one code unit, or any other escape: that one is matched so that `\\u` is not taken for an escape. */
const ESCAPES = /\\(?:u(?:([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|([0-9a-fA-F]{4}))|[^])/g;

/** @throws {JsonError} */
export function parseJson(body: ByteString): Json {
  let value: Json;
  try {
    value = JSON.parse(body);
    if (body.includes("\\u")) value = JSON.parse(unescapeUnicode(body));
  } catch {
    throw new JsonError(findFault(body) ?? TOO_DEEP);
  }
  if (count(body, "[") + count(body, "{") > DEEPEST && isDeeper(value, DEEPEST)) throw new JsonError(TOO_DEEP);
  return value;
}

const TOO_DEEP = `not accepted: nested deeper than ${DEEPEST} levels`;

/** How often a character is there, counted until there are more than {@link DEEPEST}. */
function count(body: string, character: string): number {
  let found = 0;
  for (let at = body.indexOf(character); at >= 0 && found <= DEEPEST; at = body.indexOf(character, at + 1)) found++;
  return found;
}

/** Whether a value has arrays and objects in more levels. Goes no deeper than that. */
const isDeeper = (value: Json, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner as Json, levels - 1)));

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Replaces `\uXXXX` by UTF-8 bytes. What JSON must keep escaped (controls, quote, backslash) stays escaped. */
const unescapeUnicode = (body: ByteString): string =>
  body.replace(ESCAPES, (escape, high?: string, low?: string, single?: string) => {
    if (high !== undefined) return toByteString(String.fromCharCode(parseInt(high, 16), parseInt(low!, 16)));
    return single === undefined ? escape : unescapeOne(parseInt(single, 16));
  });

/** A lone surrogate has no UTF-8; it becomes U+FFFD. */
function unescapeOne(code: number): string {
  if (code < 0x20 || code === 0x22 || code === 0x5c) return `\\u${code.toString(16).padStart(4, "0")}`;
  return toByteString(code >= 0xd800 && code < 0xe000 ? "\ufffd" : String.fromCharCode(code));
}
