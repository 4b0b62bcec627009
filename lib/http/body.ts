/** Reads request bodies, up to a limit. */
/** The largest body that is read, in bytes. */
export const LARGEST_BODY = 1_048_576;

export class BodyTooLarge extends Error {
  override name = "BodyTooLarge";
  constructor() {
    super(`the body is larger than ${LARGEST_BODY} bytes`);
  }
}

/**
 * Not an async function: a report waits for Bun's own promise, not for another around it.
 * @throws {BodyTooLarge} without having read more than the limit
 */
export function readBody(request: Request): Promise<ArrayBuffer | Uint8Array> {
  const length = request.headers.get("content-length");
  if (length === null) return readChunks(request);
  if (Number(length) > LARGEST_BODY) throw new BodyTooLarge();
  return request.arrayBuffer();
}

/** A body of unannounced length. */
async function readChunks(request: Request): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > LARGEST_BODY) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
