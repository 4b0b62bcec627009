/**
 * IP addresses and netmasks as text and as bytes.
 *
 * Bytes are a {@link ByteString} of 4 or 16. Text is written as glibc's inet_ntop writes it, which is how the reference
 * shows addresses to its policies: the first longest run of two or more zero groups is `::`, and `::ffff:a.b.c.d` and
 * `::a.b.c.d` keep dotted decimals.
 */
import type { ByteString } from "../text/byte-string.ts";

export interface Address {
  bytes: ByteString;
  /** Undefined when the text named none. */
  port: number | undefined;
}

export interface Netmask {
  /** The address with its host bits cleared. */
  network: ByteString;
  bits: number;
}

/** What an address that cannot be read stands for: 0.0.0.0. */
export const UNSET_ADDRESS: Address = { bytes: "\0\0\0\0" as ByteString, port: undefined };

const MAPPED_PREFIX = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
const ZERO_GROUPS = "\0\0\0\0\0\0\0\0\0\0\0\0";
const HIGHEST_PORT = 65_535;
/** Characters of an address with its zone, brackets and port; a text that is longer is none. */
const LONGEST_TEXT = 256;

/** Reads `ip`, `ipv4:port`, `[ipv6]`, `[ipv6]:port`; an IPv6 zone (`%eth0`) is dropped. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > LONGEST_TEXT) return undefined;
  const { ip, port } = splitPort(text);
  const bytes = ip.includes(":") ? parseIPv6(ip) : parseIPv4(ip);
  if (!bytes) return undefined;
  if (port === undefined) return { bytes, port };
  const number = parseDecimal(port, HIGHEST_PORT);
  return number === undefined ? undefined : { bytes, port: number };
}

const NO_ADDRESS = { ip: "", port: undefined };

/** A single colon parts IPv4 address and port; IPv6 needs brackets for that. */
function splitPort(text: string): { ip: string; port: string | undefined } {
  const colon = text.indexOf(":");
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    const ip = text.slice(1, end);
    if (end < 0 || !ip.includes(":")) return NO_ADDRESS;
    if (end + 1 === text.length) return { ip, port: undefined };
    return text[end + 1] === ":" ? { ip, port: text.slice(end + 2) } : NO_ADDRESS;
  }
  if (colon < 0 || text.includes(":", colon + 1)) return { ip: text, port: undefined };
  return { ip: text.slice(0, colon), port: text.slice(colon + 1) };
}

/** An address or `address/bits`; without bits the whole address. */
export function parseNetmask(text: string): Netmask | undefined {
  if (text.length > LONGEST_TEXT) return undefined;
  const slash = text.indexOf("/");
  const ip = slash < 0 ? text : text.slice(0, slash);
  const bytes = ip.includes(":") ? parseIPv6(ip) : parseIPv4(ip);
  if (!bytes) return undefined;
  const most = bytes.length * 8;
  const bits = slash < 0 ? most : parseDecimal(text.slice(slash + 1), most);
  return bits === undefined ? undefined : { network: maskBytes(bytes, bits), bits };
}

/** `network/bits`. */
export const formatNetmask = ({ network, bits }: Netmask): string => `${formatAddress(network)}/${bits}`;

/** Clears all bits behind the first `bits`. */
export function maskBytes(bytes: ByteString, bits: number): ByteString {
  const whole = bits >> 3;
  if (whole >= bytes.length) return bytes;
  const partial = bytes.charCodeAt(whole) & (0xff00 >> (bits & 7)) & 0xff;
  return (bytes.slice(0, whole) + String.fromCharCode(partial)).padEnd(bytes.length, "\0") as ByteString;
}

export const matchesNetmask = (mask: Netmask, bytes: ByteString): boolean =>
  mask.network.length === bytes.length && maskBytes(bytes, mask.bits) === mask.network;

/** `::ffff:a.b.c.d` as a.b.c.d, everything else as it is. */
export const unmapAddress = (bytes: ByteString): ByteString =>
  bytes.length === 16 && bytes.startsWith(MAPPED_PREFIX) ? (bytes.slice(12) as ByteString) : bytes;

/** The address as text, without port. */
export function formatAddress(bytes: ByteString): string {
  if (bytes.length === 4) return formatIPv4(bytes, 0);
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes.charCodeAt(i) << 8) | bytes.charCodeAt(i + 1));
  const run = longestZeroRun(groups);
  const dotted =
    bytes.startsWith(MAPPED_PREFIX) || (bytes.startsWith(ZERO_GROUPS) && run.start === 0 && run.length === 6);
  const texts = groups.map((group) => group.toString(16));
  if (dotted) texts.splice(6, 2, formatIPv4(bytes, 12));
  if (run.length < 2) return texts.join(":");
  return `${texts.slice(0, run.start).join(":")}::${texts.slice(run.start + run.length).join(":")}`;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  }
  return best;
}

const formatIPv4 = (bytes: ByteString, at: number): string =>
  `${bytes.charCodeAt(at)}.${bytes.charCodeAt(at + 1)}.${bytes.charCodeAt(at + 2)}.${bytes.charCodeAt(at + 3)}`;

/** Four decimals without leading zeros, as inet_pton takes them. Runs for each report: no regular expression. */
function parseIPv4(text: string): ByteString | undefined {
  let bytes = "";
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code === 0x2e /* . */) {
      if (value < 0) return undefined;
      bytes += String.fromCharCode(value);
      value = -1;
      continue;
    }
    if (code < 0x30 || code > 0x39 || value === 0) return undefined;
    value = Math.max(value, 0) * 10 + code - 0x30;
    if (value > 255) return undefined;
  }
  return bytes.length === 4 ? (bytes as ByteString) : undefined;
}

function parseIPv6(text: string): ByteString | undefined {
  const zone = text.indexOf("%");
  if (zone === text.length - 1) return undefined;
  const halves = (zone < 0 ? text : text.slice(0, zone)).split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, i) => parseGroups(half, i === halves.length - 1));
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 16 ? (head as ByteString) : undefined;
  if (tail === undefined || head.length + tail.length > 14) return undefined;
  return (head + "\0".repeat(16 - head.length - tail.length) + tail) as ByteString;
}

/** Groups of up to four hexadecimal digits; the last two of an address may be dotted decimals. */
function parseGroups(text: string, last: boolean): string | undefined {
  if (text === "") return "";
  let bytes = "";
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (last && i === groups.length - 1 && group.includes(".")) {
      const dotted = parseIPv4(group);
      return dotted && bytes + dotted;
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = parseInt(group, 16);
    bytes += String.fromCharCode(value >> 8, value & 0xff);
  }
  return bytes;
}

function parseDecimal(text: string, most: number): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= most ? value : undefined;
}
