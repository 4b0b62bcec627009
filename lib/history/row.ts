/** A row of the history: one report, as its columns. */
import { type ByteString, toByteString } from "../text/byte-string.ts";

/**
 * What a column holds. A text is bytes, over {@link LONGEST_TEXT} its beginning and a hash; an address is 4 or 16 bytes in
 * the stores and text to policies.
 */
type ColumnType = "time" | "text" | "address" | "boolean" | "integer" | "number";

/** The columns, in the order of a {@link Row}. Those from `country` on come from `extra`, and may be missing. */
export const COLUMNS = {
  t: "time",
  login: "text",
  remote: "address",
  success: "boolean",
  policy_reject: "boolean",
  tls: "boolean",
  fail_type: "text",
  protocol: "text",
  device: "text",
  country: "text",
  asn: "integer",
  city: "text",
  latitude: "number",
  longitude: "number",
} as const satisfies Record<string, ColumnType>;

export type Column = keyof typeof COLUMNS;
export const COLUMN_NAMES = Object.keys(COLUMNS) as Column[];

export const isColumn = (name: string): name is Column => Object.hasOwn(COLUMNS, name);

/** A text or an address as bytes, a number, true or false; null where there is none. Fit for JSON. */
export type Value = ByteString | number | boolean | null;

/** A value for each column, then the rest of `extra` as JSON, whose strings are bytes, or null. */
export type Row = Value[];

/** Where a column's value is in a {@link Row}. */
export const indexOf = (column: Column): number => COLUMN_NAMES.indexOf(column);
export const [T, LOGIN, REMOTE, SUCCESS] = [0, 1, 2, 3] as const;
/** Where the rest of `extra` is. */
export const MORE = COLUMN_NAMES.length;

/** Bytes of a text that is kept whole; of a longer one {@link KEPT_BYTES} and a SHA-256 in hexadecimal, together as long. */
const LONGEST_TEXT = 1024;
const KEPT_BYTES = 960;

/** A text as the stores keep it, and look for it. */
export function keptText(text: ByteString): ByteString {
  if (text.length <= LONGEST_TEXT) return text;
  const hash = new Bun.CryptoHasher("sha256").update(Buffer.from(text, "latin1")).digest("hex");
  return (text.slice(0, KEPT_BYTES) + hash) as ByteString;
}

/** Seconds since 1970: 2000-01-01T00:00:00Z. */
const EARLIEST = 946_684_800;
const DAY = 86_400;

/** The time that a row is kept under: that of its report, unless the report cannot know better than its receipt. */
export const keptTime = (t: number, received: number): number => (t >= EARLIEST && t <= received + DAY ? t : received);

/** About how much memory a row takes while it waits. */
export function sizeOfRow(row: Row): number {
  let size = 200;
  for (const value of row) if (typeof value === "string") size += value.length;
  return size;
}

/** What stands for a login that never succeeded and may be a password: nobody can tell it from the hash without the key. */
export const hashedLogin = (login: ByteString, key: ByteString): ByteString =>
  toByteString(
    `hmac:${new Bun.CryptoHasher("sha256", Buffer.from(key, "latin1")).update(Buffer.from(login, "latin1")).digest("hex").slice(0, 32)}`,
  );
