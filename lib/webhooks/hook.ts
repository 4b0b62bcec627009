/** Custom webhooks: what the configuration says of one, and the request it makes of an event. */
import { randomBytes } from "node:crypto";

import type { TlsChoice } from "../net/outgoing.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Attempt } from "./attempt.ts";
import { isKafkaEvent, KAFKA_TYPE, kafkaBody } from "./kafka.ts";

export interface WebHook {
  /** Counted from 1 in the order of registration. */
  id: number;
  name: string;
  /** The name's bytes as they were given, which need not be UTF-8. */
  nameBytes: ByteString;
  /** With `%{YYYY}`, `%{MM}` and `%{dd}` for the date of the attempt in UTC, and without user and password. */
  url: string;
  /** Signs the body. */
  secret: ByteString | undefined;
  /** `user:password`. */
  basicAuth: ByteString | undefined;
  /** A token. */
  bearer: ByteString | undefined;
  apiKey: ByteString | undefined;
  contentType: ByteString | undefined;
  /** Further ones; names are lower-case, each character of a value is one byte. */
  headers: Record<string, string>;
  /** The receiver is Kafka's REST proxy, see kafka.ts. */
  kafka: boolean;
  tls: TlsChoice;
  /** Seconds for one attempt; undefined for what holds for all. */
  timeout: number | undefined;
  /** After so many the event is a dead letter. */
  maxAttempts: number;
  /** The kind of alert channel that it carries: policies do not send to it, and the path of its url is a secret. */
  channel?: string;
  /** What is sent of an event, made for each attempt; the event as it is unless given. @param now as in {@link createRequest} */
  format?: (event: Buffer, now: number) => Buffer;
  /** How it is sent; by HTTP unless given. */
  transport?: Attempt;
}

/** One event of a hook, to be delivered under one id however often it is tried. */
interface WebHookEvent {
  hook: WebHook;
  deliveryId: string;
  /** The body's bytes, wrapped as the hook demands. */
  body: Buffer;
}

export interface WebHookRequest {
  hook: WebHook;
  url: string;
  /** Each character is sent as one byte. */
  headers: Record<string, string>;
  body: Buffer;
  /** Told what the receiver answers, in a few words of its own. */
  heard?: (answer: string) => void;
}

const JSON_TYPE = "application/json";
const STANDARD_SECRET_PREFIX = "whsec_";
/** Bytes of randomness in a delivery id, as the reference has. */
const ID_BYTES = 32;

/** Why the data cannot be an event of a hook; undefined when it can. */
export const problemOf = ({ name, kafka }: WebHook, data: ByteString): string | undefined =>
  kafka && !isKafkaEvent(data) ? `webhook ${name}: kafka = "true" takes JSON alone: an event is lost` : undefined;

/** @param data see {@link problemOf} */
export function createEvent(hook: WebHook, data: ByteString): WebHookEvent {
  const body = bytesOf(hook.kafka ? kafkaBody(data) : data);
  return { hook, deliveryId: randomBytes(ID_BYTES).toString("base64"), body };
}

/** @param now milliseconds since 1970, of this attempt */
export function createRequest({ hook, deliveryId, body: event }: WebHookEvent, now: number): WebHookRequest {
  const body = hook.format?.(event, now) ?? event;
  const timestamp = String(Math.floor(now / 1000));
  const headers: Record<string, string> = {
    "user-agent": "trackalert",
    ...hook.headers,
    "content-type": hook.contentType ?? (hook.kafka ? KAFKA_TYPE : JSON_TYPE),
    "x-wforce-event": hook.nameBytes,
    "x-wforce-hookid": String(hook.id),
    "x-wforce-delivery": deliveryId,
    "webhook-id": deliveryId,
    "webhook-timestamp": timestamp,
    "accept-encoding": "identity",
  };
  if (hook.basicAuth !== undefined) {
    headers["authorization"] = `Basic ${bytesOf(hook.basicAuth).toString("base64")}`;
  }
  if (hook.bearer !== undefined) headers["authorization"] = `Bearer ${hook.bearer}`;
  if (hook.apiKey !== undefined) headers["x-api-key"] = hook.apiKey;
  if (hook.secret !== undefined) {
    headers["x-wforce-signature"] = sign(bytesOf(hook.secret), body);
    headers["webhook-signature"] = `v1,${sign(standardKey(hook.secret)!, `${deliveryId}.${timestamp}.`, body)}`;
  }
  return { hook, url: datedUrl(hook.url, now), headers, body };
}

/** The url as it is at a time, in milliseconds since 1970. */
export function datedUrl(url: string, now: number): string {
  const date = new Date(now).toISOString();
  return url
    .replaceAll("%{YYYY}", date.slice(0, 4))
    .replaceAll("%{MM}", date.slice(5, 7))
    .replaceAll("%{dd}", date.slice(8, 10));
}

/** The url as it may be shown: a query can hold what opens the receiver, and so does the path of a chat's webhook. */
export const publicUrl = (hook: WebHook): string =>
  hook.channel === undefined ? hook.url.replace(/[?#].*$/, "") : receiverOf(hook);

/** The receiver alone, without path and query. */
export function receiverOf({ url }: WebHook): string {
  const { protocol, host, pathname, search } = new URL(datedUrl(url, 0));
  return `${protocol}//${host}${pathname + search === "/" || pathname + search === "" ? "" : "/…"}`;
}

const bytesOf = (string: ByteString): Buffer => Buffer.from(string, "latin1");

/** Base64 of the HMAC-SHA256 over the parts. */
function sign(key: Buffer, ...parts: (string | Buffer)[]): string {
  const hmac = new Bun.CryptoHasher("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest("base64");
}

/**
 * The key of a secret in https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
 * @returns undefined for a secret `whsec_<base64>` that is none
 */
export function standardKey(secret: ByteString): Buffer | undefined {
  if (!secret.startsWith(STANDARD_SECRET_PREFIX)) return bytesOf(secret);
  const encoded = secret.slice(STANDARD_SECRET_PREFIX.length);
  const key = Buffer.from(encoded, "base64");
  return key.length > 0 && key.toString("base64") === encoded ? key : undefined;
}
