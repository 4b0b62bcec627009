/** What the daemon answers. Every reason is valid JSON, whatever the input held. */

const JSON_HEADERS = { "content-type": "application/json; charset=utf-8" };
const METRICS_HEADERS = { "content-type": "text/plain; version=0.0.4; charset=utf-8", vary: "accept-encoding" };
const OK = { status: 200, headers: JSON_HEADERS };

export const json = (body: string, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(body, { status, headers: { ...JSON_HEADERS, ...headers } });

/** A report has been handled. Sent for each one, so nothing is built. */
export const reportAccepted = (): Response => new Response('{"status":"ok"}', OK);

export const empty = (): Response => new Response(null, { status: 200 });

export const metrics = (text: string, gzip: boolean): Response =>
  gzip
    ? new Response(Bun.gzipSync(Buffer.from(text)), { headers: { ...METRICS_HEADERS, "content-encoding": "gzip" } })
    : new Response(text, { headers: METRICS_HEADERS });

/** Spaced as the reference does. */
export const failure = (status: number, reason: string, headers?: Record<string, string>): Response =>
  json(`{"status":"failure", "reason":${JSON.stringify(reason)}}`, status, headers);

/** The failure of a custom endpoint. */
export const endpointFailure = (status: number, reason: string, headers?: Record<string, string>): Response =>
  json(`{"success":false, "reason":${JSON.stringify(reason)}}`, status, headers);

export const notFound = (): Response => failure(404, "Not found");

export const unauthorized = (): Response =>
  failure(401, "Unauthorized", { "www-authenticate": 'Basic realm="trackalert"' });

export const notInAcl = (peer: string): Response =>
  json(`{"status":"failure", "reason":"Source IP Address not in ACL", "ip":${JSON.stringify(peer)}}`, 401, {
    connection: "close",
  });

/** Seconds after which a client that met too many requests in flight may try again. */
const RETRY_AFTER = "1";

export const busy = (): Response => failure(503, "Too many requests", { "retry-after": RETRY_AFTER });

export const endpointBusy = (): Response => endpointFailure(503, "Too many requests", { "retry-after": RETRY_AFTER });
