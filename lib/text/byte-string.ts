/**
 * Strings in which each character is one byte, 0 to 255. Report fields travel as such from the HTTP body into Lua: no
 * decoding, no encoding, and a login name that is not valid UTF-8 arrives as it was sent. Lengths are lengths in bytes.
 */
declare const bytes: unique symbol;
export type ByteString = string & { readonly [bytes]: true };

/** U+FEFF in UTF-8, which some editors put at the beginning of a file. */
export const BYTE_ORDER_MARK = "\xef\xbb\xbf";

const BEYOND_ASCII = /[^\x00-\x7f]/;
const BEYOND_LATIN_1 = /[^\x00-\xff]/;

/** The UTF-8 bytes of a text. */
export const toByteString = (text: string): ByteString =>
  (BEYOND_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text) as ByteString;

/** The text that the bytes are in UTF-8; what is not valid becomes U+FFFD. */
export const toText = (string: ByteString): string =>
  BEYOND_ASCII.test(string) ? Buffer.from(string, "latin1").toString("utf8") : string;

/** What follows the byte order mark, if there is one. */
export const withoutByteOrderMark = (string: ByteString): ByteString =>
  (string.startsWith(BYTE_ORDER_MARK) ? string.slice(BYTE_ORDER_MARK.length) : string) as ByteString;

/** A string of its own, to be kept: a part of another one keeps the whole of that in memory. */
export function copyOf<S extends string>(part: S): S {
  const encoding = BEYOND_LATIN_1.test(part) ? "utf16le" : "latin1";
  return Buffer.from(part, encoding).toString(encoding) as S;
}

/** Undoes percent-encoding, into any bytes. What is no escape stays as it is. */
export const percentDecode = (text: string): ByteString =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))) as ByteString;

/** Raw bytes as a byte string. */
export const fromBytes = (bytes: Uint8Array | ArrayBuffer): ByteString =>
  (bytes instanceof ArrayBuffer
    ? Buffer.from(bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  ).toString("latin1") as ByteString;
