/** Reads request bodies, up to a limit. */
import { DecodedTooLarge, decoderOf } from "./content-coding.ts";

/** The largest body that is read, in bytes, encoded and decoded. */
export const LARGEST_BODY = 1_048_576;
const FIRST_BUFFER = 4096;

export class BodyTooLarge extends Error {
  override name = "BodyTooLarge";
  constructor() {
    super(`the body is larger than ${LARGEST_BODY} bytes`);
  }
}

/** What the headers say of a body. */
export interface Announced {
  /** In bytes as they come; undefined when it is not told. */
  length: number | undefined;
  coding: string | null;
  /** The most bytes that it can take while its request is answered. */
  most: number;
}

export function announced({ headers }: Request): Announced {
  const length = headers.get("content-length");
  const coding = headers.get("content-encoding");
  const encoded = length === null ? LARGEST_BODY : Math.min(Number(length), LARGEST_BODY);
  return {
    length: length === null ? undefined : Number(length),
    coding,
    most: coding === null ? encoded : encoded + LARGEST_BODY,
  };
}

/**
 * Not an async function: a report waits for Bun's own promise, not for another around it.
 * @throws {BodyTooLarge} without having read more than the limit; {@link UnknownCoding}, {@link CodingError}
 */
export function readBody(request: Request, { length, coding }: Announced): Promise<ArrayBuffer | Uint8Array> {
  if (length !== undefined && length > LARGEST_BODY) throw new BodyTooLarge();
  if (coding !== null) return readEncoded(request, decoderOf(coding, LARGEST_BODY));
  return length === undefined ? readChunks(request) : request.arrayBuffer();
}

async function readEncoded(request: Request, decode: ReturnType<typeof decoderOf>): Promise<Uint8Array> {
  try {
    return await decode(await readChunks(request));
  } catch (error) {
    throw error instanceof DecodedTooLarge ? new BodyTooLarge() : error;
  }
}

/** A body of unknown length, in one buffer that grows: a chunk may be a single byte, and its object takes a hundred. */
async function readChunks(request: Request): Promise<Uint8Array> {
  let buffer = new Uint8Array(FIRST_BUFFER);
  let size = 0;
  for await (const chunk of request.body ?? []) {
    const end = size + chunk.length;
    if (end > LARGEST_BODY) throw new BodyTooLarge();
    if (end > buffer.length) {
      const larger = new Uint8Array(Math.max(end, 2 * buffer.length));
      larger.set(buffer.subarray(0, size));
      buffer = larger;
    }
    buffer.set(chunk, size);
    size = end;
  }
  return buffer.subarray(0, size);
}
