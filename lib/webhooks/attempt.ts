/**
 * One attempt to deliver an event, over the network.
 *
 * It is made with fetch: that costs half the processor time of node:http, and connections are kept and used again, also
 * over TLS. (The exception is `disableCurlHostVerification` alone, where fetch opens a connection for each request.)
 */
import type { Clock } from "../time/clock.ts";
import type { WebHookRequest } from "./hook.ts";
import type { ReceiverTls } from "./receiver-tls.ts";
import { readRetryAfter } from "./retry-after.ts";
import type { WebHookSettings } from "./settings.ts";

/** How an attempt ended. Reasons are a few words, without the url. */
export type Outcome =
  | { kind: "delivered" }
  /** Trying again would not help. */
  | { kind: "refused"; reason: string }
  /** @param retryAfter milliseconds, when the receiver asks to be left alone */
  | { kind: "failed"; reason: string; retryAfter?: number | undefined };

/** Makes one attempt. Never rejects. Ends soon after the signal is aborted. */
export type Attempt = (request: WebHookRequest, signal: AbortSignal) => Promise<Outcome>;

/** Bytes of an answer that are read, so that the connection can be used again; one that has more is cut. */
const MOST_READ = 64 * 1024;
const TOO_MANY_REQUESTS = 429;

export const networkAttempt =
  (settings: WebHookSettings, tls: ReceiverTls, clock: Clock): Attempt =>
  async ({ url, headers, body }, signal) => {
    const { timeout } = settings;
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    signal.addEventListener("abort", abort);
    let late = false;
    const cancelTimer = clock.after(timeout * 1000, () => {
      late = true;
      abort();
    });
    try {
      const response = await fetch(url, {
        method: "POST",
        headers,
        body: body as Uint8Array<ArrayBuffer>,
        redirect: "manual",
        decompress: false,
        signal: controller.signal,
        tls: tls.options,
      });
      // An answer that breaks off is a failure, as it is for curl.
      if (!(await readSome(response))) abort();
      return judge(response, clock.now());
    } catch (error) {
      return { kind: "failed", reason: late ? `timed out after ${timeout} s` : describe(error as Error) };
    } finally {
      cancelTimer();
      signal.removeEventListener("abort", abort);
    }
  };

/** @returns whether that was all */
async function readSome(response: Response): Promise<boolean> {
  const { body, headers } = response;
  if (!body) return true;
  const length = headers.get("content-length");
  // Beside a transfer encoding the length says nothing.
  if (length !== null && Number(length) <= MOST_READ && !headers.has("transfer-encoding")) {
    await response.arrayBuffer(); // a third cheaper than a reader
    return true;
  }
  const reader = body.getReader();
  for (let read = 0; read <= MOST_READ;) {
    const { done, value } = await reader.read();
    if (done) return true;
    read += value.length;
  }
  return false;
}

/** A redirect is final: to follow one would send the event, and what signs it, to somebody who was not configured. */
function judge({ ok, status, headers }: Response, now: number): Outcome {
  if (ok) return { kind: "delivered" };
  const reason = `the receiver answered ${status}`;
  if (status !== TOO_MANY_REQUESTS && status < 500) return { kind: "refused", reason };
  return { kind: "failed", reason, retryAfter: readRetryAfter(headers.get("retry-after"), now) };
}

const CLOSED = "connection closed before the end of the answer";
const NO_HTTP = "the answer is not HTTP";

const REASONS: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: CLOSED,
  ConnectionClosed: CLOSED,
  FailedToOpenSocket: "connection failed",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "connection timed out",
  Malformed_HTTP_Response: NO_HTTP,
  InvalidHTTPResponse: NO_HTTP,
  InvalidContentLength: NO_HTTP,
  UnrequestedUpgrade: "the receiver wants another protocol",
  ResponseHeadersTooLarge: "the answer's headers are too large",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another host",
  CERT_HAS_EXPIRED: "the certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is signed by itself, and not trusted",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate's authority is not trusted",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate's authority is not known",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate's authority is not known",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate's authority is not known",
};

/** Not the error's message, which may show the url: who can open the receiver with it is not to be found in the log. */
const describe = ({ code }: NodeJS.ErrnoException): string =>
  code === undefined ? "the request failed" : (REASONS[code] ?? `the request failed: ${code}`);
