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
import type { ClientTls, Outgoing, TlsChoice } from "./outgoing.ts";
import { type Proxy, proxyEndpoint, publicProxyUrl, withoutBrackets } from "./proxy.ts";
import { openTunnel } from "./tunnel.ts";

export interface HttpRequest {
  /** Absolute, http or https, without credentials. */
  url: URL;
  method: string;
  /** Checked by {@link checkHeader}; each character of a value is one byte. */
  headers: [name: string, value: string][];
  body: Uint8Array | undefined;
  /** Seconds for the whole exchange, the response's body included. */
  timeout: number;
  tls: TlsChoice;
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
export const FRAMING: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "te",
  "trailer",
  "upgrade",
]);

/** A client for the real network. Each request has its own connection, so none fails for a stale one. */
export const networkClient = (clock: Clock, outgoing: Outgoing): HttpClient => ({
  async request(request) {
    const { url, timeout } = request;
    const proxy = outgoing.proxy(url);
    const exchange = new Exchange(request, proxy);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const cancelTimer = clock.after(timeout * 1000, () => reject(new HttpFailure(`timed out after ${timeout} s`)));
    try {
      const tls = url.protocol === "https:" ? outgoing.tls(request.tls) : undefined;
      return await Promise.race([exchange.run(tls), late]);
    } catch (error) {
      const reason = error instanceof HttpFailure ? error.message : describe(error as NodeJS.ErrnoException);
      throw new HttpFailure(proxy ? `${reason} (through the proxy ${publicProxyUrl(proxy)})` : reason);
    } finally {
      cancelTimer();
      exchange.destroy();
    }
  },
});

/** One request and its response, and the connections that they take. */
class Exchange {
  private readonly used: { destroy(): void }[] = [];

  constructor(
    private readonly asked: HttpRequest,
    private readonly proxy: Proxy | undefined,
  ) {}

  /** Ends what is still open. */
  destroy(): void {
    for (const connection of this.used) connection.destroy();
  }

  async run(tls: ClientTls | undefined): Promise<HttpResponse> {
    const { url } = this.asked;
    const hostname = withoutBrackets(url.hostname);
    const port = Number(url.port || (tls ? 443 : 80));
    const path = url.pathname + url.search;
    if (!this.proxy) return this.send(tls ? https : http, { host: hostname, port, path, agent: false, ...tls });
    if (tls) {
      const tunnel = openTunnel(this.proxy, { hostname, port }, tls);
      this.used.push(tunnel);
      const connection = await tunnel.opened;
      const agent = new http.Agent();
      agent.createConnection = () => connection;
      return this.send(http, { host: hostname, port, path, agent });
    }
    const { host, credentials } = proxyEndpoint(this.proxy);
    return this.send(http, { ...host, path: url.origin + path, agent: false }, credentials);
  }

  private send(
    protocol: typeof http | typeof https,
    options: https.RequestOptions,
    credentials: Record<string, string> = {},
  ): Promise<HttpResponse> {
    const { method, body } = this.asked;
    return new Promise((resolve, reject) => {
      const headers = { ...outgoingHeaders(this.asked), ...credentials };
      const request = protocol.request({ ...options, method, headers }, (incoming) => {
        receive(incoming).then(resolve, reject);
      });
      this.used.push(request);
      request.on("error", reject);
      request.end(body);
    });
  }
}

function receive(incoming: http.IncomingMessage): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const broken = (): void => reject(new HttpFailure("connection closed before the end of the response"));
    incoming.on("error", reject);
    incoming.on("aborted", broken);
    incoming.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size <= LARGEST_BODY) chunks.push(chunk);
      else reject(new HttpFailure(`the response's body is larger than ${LARGEST_BODY / 1024 / 1024} MiB`));
    });
    incoming.on("end", () => {
      if (!incoming.complete) return broken();
      const { statusCode: status = 0, statusMessage: reason = "", rawHeaders } = incoming;
      resolve({ status, reason, headers: joinHeaders(rawHeaders), body: Buffer.concat(chunks) });
    });
  });
}

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
