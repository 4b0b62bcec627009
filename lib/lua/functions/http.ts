/** HTTP requests of policies: `httpRequest`, and what the module socket.http (modules/socket-http.lua) asks of the host. */
import {
  checkHeader,
  checkMethod,
  type HttpClient,
  HttpFailure,
  type HttpRequest,
  type HttpResponse,
} from "../../net/http-client.ts";
import type { TlsChoice } from "../../net/outgoing.ts";
import { type ByteString, fromBytes, percentDecode, toByteString, toText } from "../../text/byte-string.ts";
import type { Call, Returned } from "../call.ts";
import { LuaError, type LuaTable, type LuaValue, typeName } from "../state.ts";
import { checkKeys, optional, required } from "./keys.ts";
import { readTlsChoice } from "./outgoing.ts";
import type { WaitingFunction } from "./wait.ts";

/** Seconds; a day is longer than any policy should wait. */
const DEFAULT_TIMEOUT = 10;
const LONGEST_TIMEOUT = 86_400;

const KEYS = ["url", "method", "headers", "body", "timeout", "auth", "tls"];
const TLS_KEYS = ["ca", "cert", "key", "verify"];

/**
 * `httpRequest{ url=, method=, headers=, body=, timeout=, auth=, tls= }` answers a table, or nil and a message.
 * @param directory what the names of certificates are relative to
 */
export const httpRequestFunction = (client: HttpClient, directory: string): WaitingFunction => ({
  name: "httpRequest",
  begin(call) {
    const request = readRequest(call, directory);
    const found = (response: HttpResponse): LuaTable =>
      new Map<ByteString, LuaValue>([
        [bytes("status"), response.status],
        [bytes("headers"), headerTable(response)],
        [bytes("body"), fromBytes(response.body)],
      ]);
    return client.request(request).then(found, (error) => [undefined, toByteString(describe(request.url, error))]);
  },
});

/**
 * For the module socket.http: `request(url, method, headers, body or nil, timeout, tls)` answers status, reason, headers
 * and body, or nil and a message. There a wrong URL is no error but a failure, as in LuaSocket.
 * @param directory what the names of certificates are relative to
 */
export const socketRequestFunction = (client: HttpClient, directory: string): WaitingFunction => ({
  name: "socket.http.request",
  async begin(call): Promise<Returned> {
    try {
      const request: HttpRequest = {
        url: readUrl(call.bytes(1)).url,
        method: readMethod(call.bytes(2)),
        headers: readHeaders(call.table(3)),
        body: call.has(4) ? Buffer.from(call.bytes(4), "latin1") : undefined,
        timeout: Math.min(call.number(5), LONGEST_TIMEOUT),
        tls: readTlsChoice(call.table(6), directory, ""),
      };
      const response = await client.request(request);
      const { status, reason, body } = response;
      return [status, bytes(reason), headerTable(response), fromBytes(body)];
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof LuaError || error instanceof HttpFailure) return [undefined, toByteString(message)];
      return [undefined, toByteString(`failed: ${message}`)];
    }
  },
});

/** @throws {LuaError} that names the key whose value is wrong */
function readRequest(call: Call, directory: string): HttpRequest {
  const table = call.table(1, 2);
  try {
    checkKeys(table, KEYS);
    const { url, credentials } = readUrl(required(table, "url", "string"));
    const body = optional(table, "body", "string");
    const headers = readHeaders(optional(table, "headers", "table") ?? new Map());
    const auth = optional(table, "auth", "string") ?? credentials;
    if (auth !== undefined) {
      if (!auth.includes(":")) throw new LuaError("auth: user:password expected");
      headers.push(["Authorization", `Basic ${Buffer.from(auth, "latin1").toString("base64")}`]);
    }
    const timeout = optional(table, "timeout", "number") ?? DEFAULT_TIMEOUT;
    if (!(timeout > 0 && timeout <= LONGEST_TIMEOUT)) {
      throw new LuaError(`timeout: seconds above 0 and up to ${LONGEST_TIMEOUT} expected, got ${timeout}`);
    }
    return {
      url,
      method: readMethod(optional(table, "method", "string") ?? bytes(body === undefined ? "GET" : "POST")),
      headers,
      body: body === undefined ? undefined : Buffer.from(body, "latin1"),
      timeout,
      tls: readTls(optional(table, "tls", "table"), directory),
    };
  } catch (error) {
    if (error instanceof LuaError) throw call.wrong(1, error.message);
    throw error;
  }
}

function readTls(table: LuaTable | undefined, directory: string): TlsChoice {
  if (!table) return {};
  try {
    checkKeys(table, TLS_KEYS);
    return readTlsChoice(table, directory, "");
  } catch (error) {
    throw new LuaError(`tls: ${(error as Error).message}`);
  }
}

/** @returns the URL without its credentials, which become those of the request */
function readUrl(text: ByteString): { url: URL; credentials: ByteString | undefined } {
  if (/[\x00-\x1f\x7f]/.test(text)) throw new LuaError("url: it has a control character");
  const ascii = text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
  let url: URL;
  try {
    url = new URL(ascii);
  } catch {
    throw new LuaError("url: not an absolute URL");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new LuaError(`url: only http and https are supported, not ${url.protocol.slice(0, -1)}`);
  }
  const { username, password } = url;
  url.username = url.password = url.hash = "";
  const credentials = username || password ? percentDecode(`${username}:${password}`) : undefined;
  return { url, credentials };
}

function readMethod(method: ByteString): string {
  const problem = checkMethod(method);
  if (problem) throw new LuaError(`method: ${problem}`);
  return method;
}

/** @throws {LuaError} that names the header */
export function readHeaders(table: LuaTable): [string, string][] {
  return [...table].map(([name, value]) => {
    if (typeof name !== "string") throw new LuaError(`headers: names must be strings, ${name} is a number`);
    if (typeof value !== "string" && typeof value !== "number") {
      throw new LuaError(`headers: string expected for '${toText(name)}', got ${typeName(value)}`);
    }
    const problem = checkHeader(name, String(value));
    if (problem) throw new LuaError(`headers: ${problem}`);
    return [name, String(value)];
  });
}

const headerTable = ({ headers }: HttpResponse): LuaTable =>
  new Map([...headers].map(([name, value]) => [bytes(name), bytes(value)]));

/** A text whose characters are bytes already. */
const bytes = (text: string): ByteString => text as ByteString;

/** Neither credentials nor the query get into messages, and so into logs. */
function describe({ origin, pathname }: URL, error: unknown): string {
  const { message } = error as Error;
  return `${origin}${pathname}: ${error instanceof HttpFailure ? message : `failed: ${message}`}`;
}
