/**
 * One attempt to deliver an event, over the network.
 *
 * It is made with fetch: that costs half the processor time of node:http, and connections are kept and used again, also
 * over TLS. (The exception is `disableCurlHostVerification` alone, where fetch opens a connection for each request.)
 */
import type { Outgoing } from "../net/outgoing.ts";
import { publicProxyUrl } from "../net/proxy.ts";
import { TlsError } from "../net/tls-library.ts";
import { fromBytes } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import type { WebHookRequest } from "./hook.ts";
import { readKafkaAnswer } from "./kafka.ts";
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
/** Of an answer that says of each record what became of it. */
const MOST_READ_OF_KAFKA = 4 * 1024 * 1024;
/** Of what a receiver says, to be shown. */
const MOST_HEARD = 500;
/** Below 500: a proxy on the way wants a password, and too many requests. */
const RETRIED = [407, 429];

export const networkAttempt =
  (settings: WebHookSettings, outgoing: Outgoing, clock: Clock): Attempt =>
  async ({ hook, url, headers, body, heard }, signal) => {
    const timeout = hook.timeout ?? settings.timeout;
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    signal.addEventListener("abort", abort);
    let late = false;
    const cancelTimer = clock.after(timeout * 1000, () => {
      late = true;
      abort();
    });
    const proxy = outgoing.proxy(new URL(url));
    try {
      const response = await fetch(url, {
        method: "POST",
        headers,
        body: body as Uint8Array<ArrayBuffer>,
        redirect: "manual",
        decompress: false,
        signal: controller.signal,
        tls: outgoing.tls(hook.tls),
        proxy: proxy ? { url: proxy.url, respectNoProxy: false } : false,
      });
      const answer = await readAnswer(response, hook.kafka ? MOST_READ_OF_KAFKA : MOST_READ);
      // An answer that breaks off is a failure, as it is for curl.
      if (!answer.whole) abort();
      heard?.(`${response.status} ${new TextDecoder().decode(answer.body.subarray(0, MOST_HEARD))}`.trim());
      return hook.kafka ? judgeKafka(response, answer, clock.now()) : judge(response, clock.now());
    } catch (error) {
      const reason = late ? `timed out after ${timeout} s` : describe(error as Error);
      return { kind: "failed", reason: proxy ? `${reason} (through the proxy ${publicProxyUrl(proxy)})` : reason };
    } finally {
      cancelTimer();
      signal.removeEventListener("abort", abort);
    }
  };

interface Answer {
  /** As far as it was read. */
  body: Uint8Array;
  whole: boolean;
}

async function readAnswer(response: Response, most: number): Promise<Answer> {
  const { body, headers } = response;
  if (!body) return { body: new Uint8Array(), whole: true };
  const length = headers.get("content-length");
  // Beside a transfer encoding the length says nothing.
  if (length !== null && Number(length) <= most && !headers.has("transfer-encoding")) {
    return { body: new Uint8Array(await response.arrayBuffer()), whole: true }; // a third cheaper than a reader
  }
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  for (let read = 0; read <= most;) {
    const { done, value } = await reader.read();
    if (done) return { body: Buffer.concat(chunks), whole: true };
    chunks.push(value);
    read += value.length;
  }
  return { body: Buffer.concat(chunks), whole: false };
}

/** A redirect is final: to follow one would send the event, and what signs it, to somebody who was not configured. */
function judge({ ok, status, headers }: Response, now: number): Outcome {
  if (ok) return { kind: "delivered" };
  const reason = `the receiver answered ${status}`;
  if (!RETRIED.includes(status) && status < 500) return { kind: "refused", reason };
  return { kind: "failed", reason, retryAfter: readRetryAfter(headers.get("retry-after"), now) };
}

/** What the answer says counts more than its status. */
function judgeKafka(response: Response, { body, whole }: Answer, now: number): Outcome {
  const plain = judge(response, now);
  if (!whole && response.ok) return { kind: "failed", reason: "the answer is too long to be read" };
  const failure = readKafkaAnswer(fromBytes(body));
  if (!failure) return plain;
  const reason = response.ok ? failure.reason : `the receiver answered ${response.status}: ${failure.reason}`;
  if (plain.kind === "failed") return { ...plain, reason };
  return { kind: failure.retriable ? "failed" : "refused", reason };
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
  ERR_PROXY_TUNNEL: "the proxy refused to open a tunnel",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate's authority is not known",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate's authority is not known",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate's authority is not known",
};

/** Not the error's message, which may show the url: who can open the receiver with it is not to be found in the log. */
function describe(error: NodeJS.ErrnoException & { status?: number }): string {
  if (error instanceof TlsError) return error.message;
  const { code, status } = error;
  if (code === undefined) return "the request failed";
  return (REASONS[code] ?? `the request failed: ${code}`) + (status === undefined ? "" : ` (${status})`);
}
