/** Abbreviations of time zones, such as `CEST`, which JavaScript does not tell: from the files that libc reads. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { posixZone } from "./local-zone.ts";
import { PosixZone } from "./posix-zone.ts";

const FOLDER = "/usr/share/zoneinfo";
const LOCAL = "/etc/localtime";
const HEADER = 44;

/** The abbreviations of a zone. */
interface Names {
  /** When one takes over from another, in seconds since 1970, ascending. */
  times: number[];
  /** What holds from each of the times on. */
  names: string[];
  /** What holds before the first of them. */
  first: string;
  /** For what comes after the last; without, that goes on. */
  rules: PosixZone | undefined;
}

let read: { zone: string | undefined; names: Names | undefined } | undefined;

/**
 * What local time is called at a time, by `TZ` or the machine's zone.
 * @param time seconds since 1970
 * @param offset seconds east of Greenwich
 * @returns hours of the offset, such as `+05`, where no name is known
 */
export function zoneName(time: number, offset: number): string {
  const rules = posixZone();
  if (rules) return rules.at(time * 1000).name;
  const zone = process.env["TZ"];
  // The variable is looked at each time: replays set it.
  if (!read || read.zone !== zone) read = { zone, names: readNames(zone) };
  if (read.names) return nameInFile(read.names, time);
  const hours = String(Math.trunc(Math.abs(offset) / 3600)).padStart(2, "0");
  return offset === 0 ? "UTC" : `${offset < 0 ? "-" : "+"}${hours}`;
}

function nameInFile({ times, names, first, rules }: Names, time: number): string {
  const next = times.findIndex((change) => change > time);
  if (next < 0 && rules) return rules.at(time * 1000).name;
  return (next < 0 ? names.at(-1) : names[next - 1]) ?? first;
}

function readNames(zone: string | undefined): Names | undefined {
  const file = zone === undefined ? LOCAL : resolve(FOLDER, zone.replace(/^:/, "") || "UTC");
  if (file !== LOCAL && !file.startsWith(`${FOLDER}/`)) return undefined;
  try {
    return parseZoneFile(readFileSync(file));
  } catch {
    return undefined; // such as on a machine without these files
  }
}

/** The counts of a part's header, RFC 8536, 3.1. */
function readCounts(
  file: Buffer,
  at: number,
): Record<"utc" | "standard" | "leaps" | "times" | "types" | "letters", number> {
  const count = (position: number): number => file.readUInt32BE(at + 20 + 4 * position);
  return { utc: count(0), standard: count(1), leaps: count(2), times: count(3), types: count(4), letters: count(5) };
}

/** RFC 8536: a first part for readers of old, then one with times of 64 bits, then the rules. */
function parseZoneFile(file: Buffer): Names {
  if (file.toString("latin1", 0, 4) !== "TZif" || file.toString("latin1", 4, 5) < "2") {
    throw new Error("no zone file with times of 64 bits");
  }
  const old = readCounts(file, 0);
  const part = HEADER + old.times * 5 + old.types * 6 + old.letters + old.leaps * 8 + old.standard + old.utc;
  const { utc, standard, leaps, times, types, letters } = readCounts(file, part);
  const timesAt = part + HEADER;
  const typesAt = timesAt + times * 9;
  const lettersAt = typesAt + types * 6;
  const name = (type: number): string => {
    const start = lettersAt + file.readUInt8(typesAt + type * 6 + 5);
    return file.toString("latin1", start, file.indexOf(0, start));
  };
  return {
    times: Array.from({ length: times }, (_, i) => Number(file.readBigInt64BE(timesAt + 8 * i))),
    names: Array.from({ length: times }, (_, i) => name(file.readUInt8(timesAt + 8 * times + i))),
    first: name(0),
    rules: PosixZone.parse(file.toString("latin1", lettersAt + letters + leaps * 12 + standard + utc).trim()),
  };
}
