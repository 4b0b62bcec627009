/** The zone of local time, `TZ`: JavaScript's own where it knows it, else rules that it takes for UTC. */
import { PosixZone } from "./posix-zone.ts";

/** In front of a zone's name: libc takes both, JavaScript neither. */
const ZONE_FILES = /^:?\/usr\/share\/zoneinfo\/|^:/;

let read: { text: string; zone: PosixZone | undefined } | undefined;

/**
 * The rules of `TZ`, while they are what holds. Where this is undefined, JavaScript's local time is right, else it is UTC's.
 * The variable is looked at each time: replays set it.
 */
export function posixZone(): PosixZone | undefined {
  const text = process.env["TZ"] ?? "";
  if (read?.text !== text) read = { text, zone: isKnown(text) ? undefined : PosixZone.parse(text.replace(/^:/, "")) };
  return read.zone;
}

/**
 * Makes `TZ=/usr/share/zoneinfo/Europe/Berlin` the zone's name, which is what JavaScript knows it by.
 * @returns why local time is UTC all the same, if so
 */
export function settleZone(): string | undefined {
  const text = process.env["TZ"] ?? "";
  const name = text.replace(ZONE_FILES, "");
  if (name !== text && isKnown(name)) process.env["TZ"] = name;
  else if (!isKnown(text) && posixZone() === undefined) {
    return `TZ=${JSON.stringify(text)} is no time zone: local time is UTC (Europe/Berlin and CET-1CEST,M3.5.0,M10.5.0/3 are some)`;
  }
  return undefined;
}

/** A date whose UTC fields are those that clocks show at a time, in milliseconds since 1970. */
export function shownTime(time: number): Date {
  const zone = posixZone();
  const seconds = zone ? zone.at(time).seconds : new Date(time).getTimezoneOffset() * -60;
  return new Date(time + seconds * 1000);
}

/** Whether JavaScript knows the zone; none at all is the machine's. */
function isKnown(zone: string): boolean {
  const name = zone.replace(/^:/, "");
  if (name === "") return true;
  try {
    // Intl knows offsets as zones, the process does not.
    return !/^[+-]/.test(name) && new Intl.DateTimeFormat("en", { timeZone: name }) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
