/** Reports as JSON, one a line: as wforce posts them, as --record writes them, and as Elasticsearch exports them. */
import { BodyError } from "../login-tuple.ts";
import { type ByteString, toText } from "../text/byte-string.ts";
import { isObject, type Json, type JsonObject, parseJson } from "../text/json.ts";
import { parseIso } from "../time/iso.ts";
import type { Recorded } from "./format.ts";

const T = "t" as ByteString;
const TIMESTAMP = "@timestamp" as ByteString;
const SOURCE = "_source" as ByteString;

/**
 * What is no object is left to whoever reads the body.
 * @throws {JsonError}, {BodyError}
 */
export function readJsonLine(line: ByteString): Recorded {
  const parsed = parseJson(line);
  const source = isObject(parsed) ? parsed[SOURCE] : undefined;
  const body = (isObject(source) ? source : parsed) as JsonObject;
  if (isObject(body)) {
    const t = readTime(body);
    if (t !== undefined) body[T] = t;
  }
  return { body, count: 1 };
}

/** Seconds since 1970; undefined where the line has no time. */
function readTime(body: JsonObject): number | undefined {
  const t = body[T];
  if (t !== undefined) return readNumberOr(t, "t", 1);
  // Elasticsearch takes a number for milliseconds.
  const timestamp = body[TIMESTAMP];
  return timestamp === undefined ? undefined : readNumberOr(timestamp, "@timestamp", 1 / 1000);
}

/** A number, or an ISO 8601 text. */
function readNumberOr(value: Json, name: string, unit: number): number {
  if (typeof value === "number") return value * unit;
  const time = typeof value === "string" ? parseIso(toText(value)) : undefined;
  if (time !== undefined) return time / 1000;
  const shown = JSON.stringify(value).slice(0, 64);
  throw new BodyError(`${name}: a number or an ISO 8601 time expected, got ${shown}`);
}
