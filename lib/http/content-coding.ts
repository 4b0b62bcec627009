/** Undoes the `Content-Encoding` of a body, up to a bound: RFC 9110, section 8.4. */
import { promisify } from "node:util";
import * as zlib from "node:zlib";

import { quoted } from "../text/quoted.ts";

type Decode = (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>;

const gunzip: Decode = promisify(zlib.gunzip);
const inflate: Decode = promisify(zlib.inflate);
const inflateRaw: Decode = promisify(zlib.inflateRaw);

const DECODERS: Record<string, Decode> = {
  gzip: gunzip,
  "x-gzip": gunzip,
  // Some clients leave out zlib's header.
  deflate: (body, options) => (hasZlibHeader(body) ? inflate : inflateRaw)(body, options),
  br: promisify(zlib.brotliDecompress),
  zstd: promisify(zlib.zstdDecompress),
};

/** What is accepted, as a header says it. */
export const ACCEPTED_CODINGS = "gzip, deflate, br, zstd";

/** The body has a coding that is not accepted; the message names it, and what is. */
export class UnknownCoding extends Error {
  override name = "UnknownCoding";
}

/** The body is not what its coding says. */
export class CodingError extends Error {
  override name = "CodingError";
}

/** The decoded body would be larger than allowed. */
export class DecodedTooLarge extends Error {
  override name = "DecodedTooLarge";
}

/**
 * What decodes a body with a `Content-Encoding`.
 * @param mostBytes that the decoded body may have
 * @returns a function that throws {@link CodingError} or {@link DecodedTooLarge}
 * @throws {UnknownCoding}
 */
export function decoderOf(header: string, mostBytes: number): (body: Uint8Array) => Promise<Uint8Array> {
  const coding = header.trim().toLowerCase();
  if (coding === "identity" || coding === "") return (body) => Promise.resolve(body);
  const decode = Object.hasOwn(DECODERS, coding) ? DECODERS[coding]! : undefined;
  if (!decode) {
    throw new UnknownCoding(`Content-Encoding: ${quoted(header)} is not accepted, but one of ${ACCEPTED_CODINGS}`);
  }
  return async (body) => {
    try {
      return await decode(body, { maxOutputLength: mostBytes });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "ERR_BUFFER_TOO_LARGE") throw new DecodedTooLarge();
      throw new CodingError(`Content-Encoding: the body is not ${coding}: ${message}`);
    }
  };
}

/** RFC 1950, section 2.2: method 8 in the low bits of the first byte, and both as a number a multiple of 31. */
const hasZlibHeader = ([first = 0, second = 0]: Uint8Array): boolean =>
  (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
