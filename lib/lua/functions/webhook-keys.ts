/** What addCustomWebHook is told: the keys of one webhook. */
import type { Log } from "../../log/log.ts";
import { FRAMING } from "../../net/http-client.ts";
import { type ByteString, percentDecode, toByteString, toText } from "../../text/byte-string.ts";
import { createRequest, datedUrl, standardKey, type WebHook } from "../../webhooks/hook.ts";
import { DEFAULT_ATTEMPTS } from "../../webhooks/retry.ts";
import type { Call } from "../call.ts";
import { LuaError, type LuaTable, type LuaValue } from "../state.ts";
import { readHeaders } from "./http.ts";
import { readTlsChoice } from "./outgoing.ts";

/** Their values are strings, as the reference's are, or numbers. `num_conns` is accepted for old configurations, and ignored. */
const TEXT_KEYS = [
  "url",
  "secret",
  "basic-auth",
  "bearer",
  "api-key",
  "content-type",
  "kafka",
  "max_attempts",
  "timeout",
  "ca",
  "cert",
  "key",
  "num_conns",
];
export const WEBHOOK_KEYS = [...TEXT_KEYS, "headers", "verify"];
/** What cannot stand in a header. */
const UNFIT_FOR_HEADERS = /[\x00-\x1f\x7f]/;
/** What begins a url with a host; user and password are what stands before the last at-sign of the second part. */
const URL_PARTS = /^(https?:\/\/)([^/?#\\]+)(.*)$/is;
/** An attempt each 6 hours for ten months. */
const MOST_ATTEMPTS = 1000;
/** Seconds; more than an hour is no answer any more. */
const LONGEST_TIMEOUT = 3600;

export type Refuse = (key: string, problem: string) => LuaError;

/** What the keys of a webhook are read from. */
export interface HookSource {
  id: number;
  nameBytes: ByteString;
  table: LuaTable;
  /** Begins messages: the function, and the name. */
  shown: string;
  /** `file:line: ` of the call. */
  where: string;
  /** What relative paths are relative to. */
  directory: string;
}

/** The first argument: what a webhook or channel is called. @param taken those that there are */
export function readName(call: Call, caller: string, taken: readonly WebHook[]): ByteString {
  const nameBytes = call.bytes(1);
  const name = toText(nameBytes);
  if (name === "" || UNFIT_FOR_HEADERS.test(name)) throw call.wrong(1, "name that can stand in a header expected");
  const other = taken.find((hook) => hook.name === name);
  if (!other) return nameBytes;
  const kind = other.channel === undefined ? "a webhook" : "an alert channel";
  throw new LuaError(`${caller}: ${kind} is named ${JSON.stringify(name)} already`);
}

export const refuseFor =
  (shown: string): Refuse =>
  (key, problem) =>
    new LuaError(`${shown}: key '${key}' ${problem}`);

/** Warns of keys that nobody knows, as the reference's configurations may have them. */
export function tellUnknownKeys(table: LuaTable, shown: string, log: Log): void {
  for (const key of table.keys()) {
    const text = typeof key === "string" ? toText(key) : String(key);
    if (!WEBHOOK_KEYS.includes(text)) log.warn(`${shown}: unknown key '${text}' is ignored`);
  }
}

/**
 * @param ownUrl of a receiver that is not named by `url`
 * @throws {LuaError} that names hook and key
 */
export function readHook(source: HookSource, ownUrl?: string): WebHook {
  const { id, nameBytes, table, shown, where, directory } = source;
  const name = toText(nameBytes);
  const refuse = refuseFor(shown);
  const texts = readTexts(table, refuse);
  const { url, credentials } =
    ownUrl === undefined ? readUrl(texts.get("url"), refuse) : { url: ownUrl, credentials: undefined };
  const basicAuth = texts.get("basic-auth") ?? credentials;
  const bearer = texts.get("bearer");
  if (basicAuth !== undefined && bearer !== undefined)
    throw refuse("bearer", "and a user's password exclude each other");
  const hook: WebHook = {
    id,
    name,
    nameBytes,
    url,
    secret: texts.get("secret"),
    basicAuth,
    bearer,
    apiKey: texts.get("api-key"),
    contentType: texts.get("content-type"),
    headers: {},
    kafka: texts.get("kafka") === "true",
    maxAttempts: readAttempts(texts.get("max_attempts"), refuse),
    timeout: readTimeout(texts.get("timeout"), refuse),
    tls: readTls(table, texts, { directory, where, shown }),
  };
  return { ...hook, headers: readOwnHeaders(hook, table.get("headers" as ByteString), refuse) };
}

function readTexts(table: LuaTable, refuse: Refuse): Map<string, ByteString> {
  const texts = new Map<string, ByteString>();
  for (const key of TEXT_KEYS) {
    const value = table.get(key as ByteString);
    if (value === undefined) continue;
    if (typeof value !== "string" && typeof value !== "number") throw refuse(key, "must be a string");
    texts.set(key, typeof value === "string" ? value : toByteString(String(value)));
  }
  for (const key of ["api-key", "content-type", "bearer"]) {
    if (UNFIT_FOR_HEADERS.test(texts.get(key) ?? "")) throw refuse(key, "has a character that would break a header");
  }
  const secret = texts.get("secret");
  if (secret !== undefined && !standardKey(secret)) throw refuse("secret", "begins with whsec_ and is no base64");
  return texts;
}

function readAttempts(text: ByteString | undefined, refuse: Refuse): number {
  const attempts = Number(text ?? DEFAULT_ATTEMPTS);
  if (Number.isInteger(attempts) && attempts >= 1 && attempts <= MOST_ATTEMPTS) return attempts;
  throw refuse("max_attempts", `must be a whole number from 1 to ${MOST_ATTEMPTS}`);
}

function readTimeout(text: ByteString | undefined, refuse: Refuse): number | undefined {
  const seconds = text === undefined ? undefined : Number(text.trim() || NaN);
  if (seconds === undefined || (seconds > 0 && seconds <= LONGEST_TIMEOUT)) return seconds;
  throw refuse("timeout", `must be seconds above 0 and up to ${LONGEST_TIMEOUT}`);
}

/** `verify` may be a text, as `kafka` is. */
function readTls(
  table: LuaTable,
  texts: ReadonlyMap<string, ByteString>,
  { directory, where, shown }: { directory: string; where: string; shown: string },
): WebHook["tls"] {
  const choice: LuaTable = new Map();
  for (const key of ["ca", "cert", "key"] as ByteString[]) choice.set(key, texts.get(key));
  const verify = table.get("verify" as ByteString);
  choice.set("verify" as ByteString, verify === "false" ? false : verify === "true" ? true : verify);
  try {
    return readTlsChoice(choice, directory, where);
  } catch (error) {
    throw new LuaError(`${shown}: ${(error as Error).message}`);
  }
}

/** @throws {LuaError} for a header that cannot be sent, or that a request has anyway */
function readOwnHeaders(hook: WebHook, value: LuaValue, refuse: Refuse): Record<string, string> {
  if (value === undefined) return {};
  if (!(value instanceof Map)) throw refuse("headers", "must be a table");
  const event = { hook: { ...hook, secret: hook.secret ?? ("" as ByteString) }, deliveryId: "", body: Buffer.alloc(0) };
  const taken = createRequest(event, 0).headers;
  delete taken["user-agent"];
  let headers: [name: string, value: string][];
  try {
    headers = readHeaders(value);
  } catch (error) {
    throw refuse("headers", `is wrong: ${(error as Error).message}`);
  }
  return Object.fromEntries(
    headers.map(([name, text]) => {
      const lower = name.toLowerCase();
      if (Object.hasOwn(taken, lower) || FRAMING.has(lower))
        throw refuse("headers", `has ${name}, which is set already`);
      return [lower, text];
    }),
  );
}

/** User and password of a url are credentials as curl takes them. Nothing of the url is shown: a secret may be in it. */
function readUrl(bytes: ByteString | undefined, refuse: Refuse): { url: string; credentials: ByteString | undefined } {
  if (bytes === undefined) throw refuse("url", "is missing");
  const url = toText(bytes);
  const parsed = URL.parse(datedUrl(url, 0));
  if (!parsed) throw refuse("url", "is no url");
  if (!/^https?:$/.test(parsed.protocol)) throw refuse("url", "must be http or https");
  const [, scheme, authority, rest] = URL_PARTS.exec(url) ?? [];
  // URL forgives what nobody else does: control characters, backslashes, missing slashes.
  if (authority === undefined || /[\s\x00-\x1f\\]/.test(url)) throw refuse("url", "is no url");
  const at = authority.lastIndexOf("@");
  if (at < 0) return { url, credentials: undefined };
  const credentials = percentDecode(`${parsed.username}:${parsed.password}`);
  return { url: `${scheme}${authority.slice(at + 1)}${rest}`, credentials };
}
