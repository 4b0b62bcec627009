/** Filters of questions as values: which rows are meant. */
import { formatAddress, parseAddress, parseNetmask, unmapAddress } from "../address/address.ts";
import { type ByteString, toByteString, toText } from "../text/byte-string.ts";
import { quoted } from "../text/quoted.ts";
import { DURATION_EXAMPLES, parseDuration } from "../time/duration.ts";
import { type Column, COLUMN_NAMES, COLUMNS, isColumn, keptText, type Value } from "./row.ts";

/** All of them must hold. */
export type Filter = readonly Condition[];

export type Condition =
  /** Any of these values. */
  | { column: Column; values: Value[] }
  /** An address in any of these ranges. */
  | { ranges: Range[] }
  /** Seconds since 1970; the second is not included. */
  | { since: number }
  | { before: number };

/** Addresses of one family, both included. */
export interface Range {
  first: ByteString;
  last: ByteString;
}

/** As a policy gives it; undefined for a value that no column can have. */
export type Given = ByteString | number | boolean | undefined;

/** A filter is wrong; the message names what. */
export class FilterError extends Error {
  override name = "FilterError";
}

const MOST_VALUES = 1000;

/**
 * @param given names with a value, or with a list of which any may be
 * @param now seconds since 1970
 * @throws {FilterError}
 */
export function readFilter(given: Iterable<readonly [name: string, value: Given | Given[]]>, now: number): Filter {
  return Array.from(given, ([name, value]): Condition => {
    const values = Array.isArray(value) ? value : [value];
    if (values.length > MOST_VALUES) throw new FilterError(`${name}: more than ${MOST_VALUES} values`);
    if (name === "net") return { ranges: values.map(readNetwork) };
    if (name === "since") return { since: readTime(name, value, now) };
    if (name === "before") return { before: readTime(name, value, now) };
    const column = readColumn(name);
    return { column, values: values.map((one) => readValue(column, one)) };
  });
}

/** @throws {FilterError} that names it and those there are */
export function readColumn(name: string): Column {
  if (isColumn(name)) return name;
  throw new FilterError(`unknown column ${quoted(name)}: there are ${COLUMN_NAMES.join(", ")}, and net, since, before`);
}

/**
 * A value as rows have it.
 * @throws {FilterError} for one that the column cannot have
 */
export function readValue(column: Column, given: Given): Value {
  switch (COLUMNS[column]) {
    case "text":
      if (typeof given === "string") return keptText(given);
      if (typeof given === "number") return toByteString(String(given));
      throw wrong(column, "string", given);
    case "address": {
      const address = typeof given === "string" ? parseAddress(given) : undefined;
      if (address) return unmapAddress(address.bytes);
      throw wrong(column, "IP address", given);
    }
    case "boolean":
      if (typeof given === "boolean") return given;
      throw wrong(column, "boolean", given);
    case "integer": {
      const number = typeof given === "string" ? Number(/^(?:AS)?(\d{1,10})$/i.exec(given)?.[1]) : given;
      if (Number.isSafeInteger(number)) return number as number;
      throw wrong(column, "whole number", given);
    }
    default:
      if (typeof given === "number" && Number.isFinite(given)) return given;
      throw wrong(column, "number", given);
  }
}

/** A value for people and policies: addresses as text. */
export const shownValue = (column: Column, value: Value): Value =>
  COLUMNS[column] === "address" && typeof value === "string" ? toByteString(formatAddress(value as ByteString)) : value;

function readNetwork(given: Given): Range {
  const mask = typeof given === "string" ? parseNetmask(given) : undefined;
  if (!mask) throw wrong("net", "network such as 192.0.2.0/24", given);
  const last = Buffer.from(mask.network, "latin1");
  for (let bit = mask.bits; bit < last.length * 8; bit++) last[bit >> 3]! |= 0x80 >> (bit & 7);
  const range = { first: mask.network, last: last.toString("latin1") as ByteString };
  // Addresses of ::ffff:0:0/96 are kept as what they map.
  const [first, end] = [unmapAddress(range.first), unmapAddress(range.last)];
  return first.length === 4 && end.length === 4 ? { first, last: end } : range;
}

/** A duration back from now, or seconds since 1970. */
function readTime(name: string, given: Given | Given[], now: number): number {
  if (typeof given === "number" && Number.isFinite(given)) return given;
  const duration = typeof given === "string" ? parseDuration(given) : undefined;
  if (duration !== undefined) return now - duration;
  throw wrong(name, `${DURATION_EXAMPLES}, or seconds since 1970,`, Array.isArray(given) ? undefined : given);
}

function wrong(name: string, expected: string, given: Given): FilterError {
  return new FilterError(`${name}: ${expected} expected, got ${describe(given)}`);
}

function describe(given: Given): string {
  if (given === undefined) return "something else";
  return typeof given === "string" ? quoted(toText(given)) : String(given);
}
