/**
 * Strings in which each character is one byte, 0 to 255. Report fields travel as such from the HTTP body into Lua: no
 * decoding, no encoding, and a login name that is not valid UTF-8 arrives as it was sent. Lengths are lengths in bytes.
 */
declare const bytes: unique symbol;
export type ByteString = string & { readonly [bytes]: true };

const BEYOND_ASCII = /[^\x00-\x7f]/;

/** The UTF-8 bytes of a text. */
export const toByteString = (text: string): ByteString =>
  (BEYOND_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text) as ByteString;

/** The text that the bytes are in UTF-8; what is not valid becomes U+FFFD. */
export const toText = (string: ByteString): string =>
  BEYOND_ASCII.test(string) ? Buffer.from(string, "latin1").toString("utf8") : string;

/** Raw bytes as a byte string. */
export const fromBytes = (bytes: Uint8Array | ArrayBuffer): ByteString =>
  (bytes instanceof ArrayBuffer
    ? Buffer.from(bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  ).toString("latin1") as ByteString;
