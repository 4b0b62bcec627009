/**
 * Requests to other HTTP servers, as a port: policies reach the network through an {@link HttpClient}, so that a replay can
 * answer from fixtures.
 *
 * The real one is built on node:http rather than on fetch: Bun's fetch refuses a GET with a body, which Elasticsearch
 * clients send, and turns a method that it does not know into GET without a word.
 */
import http from "node:http";
import https from "node:https";

import type { Clock } from "../time/clock.ts";

export interface HttpRequest {
  /** Absolute, http or https, without credentials. */
  url: URL;
  method: string;
  /** Checked by {@link checkHeader}; each character of a value is one byte. */
  headers: [name: string, value: string][];
  body: Uint8Array | undefined;
  /** Seconds for the whole exchange, the response's body included. */
  timeout: number;
}

export interface HttpResponse {
  status: number;
  /** What stands behind the status in the first line. */
  reason: string;
  /** Names are lower-case and occur once; what was repeated is joined by `, `. Each character of a value is one byte. */
  headers: Map<string, string>;
  body: Uint8Array;
}

/** There is no response. The message says why, in a few words and without the URL. */
export class HttpFailure extends Error {
  override name = "HttpFailure";
}

export interface HttpClient {
  /**
   * Does not follow redirects.
   * @throws {HttpFailure}
   */
  request(request: HttpRequest): Promise<HttpResponse>;
}

/** Bytes of a response's body that are accepted at most. */
export const LARGEST_BODY = 10 * 1024 * 1024;

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** What is wrong with a method, if anything. CONNECT would turn the connection into something else. */
export function checkMethod(method: string): string | undefined {
  if (!TOKEN.test(method)) return "not the name of a method";
  if (method.toUpperCase() === "CONNECT") return "CONNECT is not supported";
  return undefined;
}

/** What is wrong with a header, if anything: nobody puts a second header, or a second request, into a value. */
export function checkHeader(name: string, value: string): string | undefined {
  if (!TOKEN.test(name)) return `${JSON.stringify(name)} is not the name of a header`;
  if (CONTROL.test(value)) return `the value of ${JSON.stringify(name)} has a control character`;
  return undefined;
}

/** The client frames the message itself; what a policy says about it could only contradict. */
const FRAMING = new Set([
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "te",
  "trailer",
  "upgrade",
]);

/** A client for the real network. Each request has its own connection, so none fails for a stale one. */
export const networkClient = (clock: Clock): HttpClient => ({
  request: (request) =>
    new Promise((resolve, reject) => {
      const { url, method, body, timeout } = request;
      let outgoing: http.ClientRequest | undefined;
      const cancelTimer = clock.after(timeout * 1000, () => fail(`timed out after ${timeout} s`));
      // node:http may report one failure twice, the second time when nobody listens any more.
      function fail(reason: string): void {
        cancelTimer();
        reject(new HttpFailure(reason));
        outgoing?.destroy();
      }
      const failed = (error: unknown): void => fail(describe(error as NodeJS.ErrnoException));
      const received = (incoming: http.IncomingMessage): void => {
        const chunks: Uint8Array[] = [];
        let size = 0;
        const tooLarge = (): void => fail(`the response's body is larger than ${LARGEST_BODY / 1024 / 1024} MiB`);
        incoming.on("error", failed);
        incoming.on("aborted", () => fail("connection closed before the end of the response"));
        incoming.on("data", (chunk: Uint8Array) => {
          size += chunk.length;
          if (size > LARGEST_BODY) return tooLarge();
          chunks.push(chunk);
        });
        incoming.on("end", () => {
          if (!incoming.complete) return fail("connection closed before the end of the response");
          cancelTimer();
          const { statusCode = 0, statusMessage = "", rawHeaders } = incoming;
          resolve({
            status: statusCode,
            reason: statusMessage,
            headers: joinHeaders(rawHeaders),
            body: Buffer.concat(chunks),
          });
        });
      };
      try {
        outgoing = (url.protocol === "https:" ? https : http).request(
          {
            agent: false,
            // The brackets of an IPv6 address belong to the URL.
            host: url.hostname.replace(/^\[|\]$/g, ""),
            port: url.port || (url.protocol === "https:" ? 443 : 80),
            path: url.pathname + url.search,
            method,
            headers: outgoingHeaders(request),
          },
          received,
        );
        outgoing.on("error", failed);
        outgoing.end(body);
      } catch (error) {
        failed(error);
      }
    }),
});

function outgoingHeaders({ url, headers, body }: HttpRequest): Record<string, string> {
  const all: Record<string, string> = { Host: url.host, "User-Agent": "trackalert", Accept: "*/*" };
  const spelling = new Map(Object.keys(all).map((name) => [name.toLowerCase(), name]));
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (FRAMING.has(lower)) continue;
    delete all[spelling.get(lower) ?? ""];
    spelling.set(lower, name);
    all[name] = value;
  }
  if (body) all["Content-Length"] = String(body.length);
  return { ...all, Connection: "close" };
}

function joinHeaders(raw: string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? raw[i + 1]! : `${before}, ${raw[i + 1]}`);
  }
  return headers;
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection closed",
  EPIPE: "connection closed",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "connection timed out",
};

/** A host of several addresses fails with all their errors in one; the first tells enough. */
function describe(error: NodeJS.ErrnoException | AggregateError): string {
  const first = (error instanceof AggregateError ? error.errors[0] : error) as NodeJS.ErrnoException;
  const { code = "", message } = first ?? error;
  if (REASONS[code]) return REASONS[code];
  if (code.startsWith("HPE_")) return `not an HTTP response (${message})`;
  return message;
}
