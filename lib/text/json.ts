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

/** The body is no JSON; the message says where. */
export class JsonError extends Error {
  override name = "JsonError";
}

/** A surrogate pair, one code unit, or any other escape: that one is matched so that `\\u` is not taken for an escape. */
const ESCAPES = /\\(?:u(?:([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|([0-9a-fA-F]{4}))|[^])/g;

/** @throws {JsonError} */
export function parseJson(body: ByteString): Json {
  try {
    const value = JSON.parse(body);
    return body.includes("\\u") ? JSON.parse(unescapeUnicode(body)) : value;
  } catch {
    throw new JsonError(findFault(body));
  }
}

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
