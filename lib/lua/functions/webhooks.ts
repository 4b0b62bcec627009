/** Custom webhooks: registering them, sending, and what the console shows of them. */
import { resolve } from "node:path";

import type { Log } from "../../log/log.ts";
import { type ByteString, percentDecode, toByteString, toText } from "../../text/byte-string.ts";
import { formatDeadLetters, formatHooks, formatQueue } from "../../webhooks/console.ts";
import type { WebHookDelivery, WebHookSink } from "../../webhooks/delivery.ts";
import { datedUrl, standardKey, type WebHook } from "../../webhooks/hook.ts";
import { DEFAULT_ATTEMPTS } from "../../webhooks/retry.ts";
import type { WebHookSettings } from "../../webhooks/settings.ts";
import type { Call, HostFunction } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import type { ConsoleOutput } from "../console-output.ts";
import { LuaError } from "../state.ts";

/** `num_conns` is accepted for old configurations, and ignored. */
const KEYS = ["url", "secret", "basic-auth", "api-key", "content-type", "kafka", "max_attempts", "num_conns"];
/** What cannot stand in a header. */
const UNFIT_FOR_HEADERS = /[\x00-\x1f\x7f]/;
const MOST = 1_000_000;
/** What begins a url with a host; user and password are what stands before the last at-sign of the second part. */
const URL_PARTS = /^(https?:\/\/)([^/?#\\]+)(.*)$/is;
/** An attempt each 6 hours for ten months. */
const MOST_ATTEMPTS = 1000;
/** Characters of a name that a policy made up. */
const LONGEST_NAME = 200;

/** For the configuration. @param directory what relative paths are relative to */
export function webhookConfiguration(settings: WebHookSettings, log: Log, directory: string): HostFunction[] {
  const path = (call: Call, position: number): string => resolve(directory, call.text(position));
  return [
    {
      name: "addCustomWebHook",
      body(call) {
        const nameBytes = call.bytes(1);
        const name = toText(nameBytes);
        if (settings.hooks.some((hook) => hook.name === name)) {
          throw new LuaError(`addCustomWebHook: a webhook is named ${JSON.stringify(name)} already`);
        }
        settings.hooks.push({ id: settings.hooks.length + 1, name, nameBytes, ...readKeys(call, name, log) });
      },
    },
    { name: "setNumWebHookThreads", body: (call) => void (settings.threads = call.integer(1, 1, MOST)) },
    { name: "setNumWebHookConnsPerThread", body: (call) => void (settings.connsPerThread = call.integer(1, 1, MOST)) },
    { name: "setWebHookQueueSize", body: (call) => void (settings.queueSize = call.integer(1, 1, MOST)) },
    { name: "setWebHookTimeoutSecs", body: (call) => void (settings.timeout = call.integer(1, 1, MOST)) },
    { name: "disableCurlPeerVerification", body: () => void (settings.tls.verifyPeer = false) },
    { name: "disableCurlHostVerification", body: () => void (settings.tls.verifyHost = false) },
    {
      name: "setCurlCABundleFile",
      body: (call) => void (settings.tls.authorities = { file: path(call, 1), where: call.where() }),
    },
    {
      name: "setCurlClientCertAndKey",
      body(call) {
        settings.tls.client = { files: { certificate: path(call, 1), key: path(call, 2) }, where: call.where() };
      },
    },
  ];
}

/** For policies: hands an event over and returns at once. */
export const runCustomWebHook = (settings: WebHookSettings, sink: WebHookSink, { tell }: Complaints): HostFunction => ({
  name: "runCustomWebHook",
  body(call) {
    const name = call.text(1);
    const data = call.bytes(2);
    const hook = settings.hooks.find((candidate) => candidate.name === name);
    if (hook) return sink.send(hook, data);
    const shown = JSON.stringify(name.slice(0, LONGEST_NAME));
    tell(`runCustomWebHook: no webhook is named ${shown}: addCustomWebHook() registers one`);
  },
});

/** For the console: what becomes of events. */
export const webhookConsole = (delivery: WebHookDelivery, output: ConsoleOutput): HostFunction[] => [
  { name: "showCustomWebHooks", body: () => output.print(toByteString(formatHooks(delivery))) },
  { name: "showWebHookQueue", body: () => output.print(toByteString(formatQueue(delivery))) },
  { name: "showDeadLetters", body: () => output.print(toByteString(formatDeadLetters(delivery))) },
  {
    name: "resendDeadLetters",
    body(call) {
      const count = delivery.resend(call.has(1) ? call.text(1) : undefined);
      const { size } = delivery.events.deadLetters;
      output.print(toByteString(`${count} events are in the queue again, ${size} dead letters are left\n`));
    },
  },
];

/** @throws {LuaError} that names hook and key */
function readKeys(call: Call, name: string, log: Log): Omit<WebHook, "id" | "name" | "nameBytes"> {
  const values = new Map<string, ByteString>();
  const refuse = (key: string, problem: string): LuaError =>
    new LuaError(`addCustomWebHook: webhook ${JSON.stringify(name)}: key '${key}' ${problem}`);
  if (name === "" || UNFIT_FOR_HEADERS.test(name)) throw call.wrong(1, "name that can stand in a header expected");
  for (const [key, value] of call.table(2)) {
    const text = typeof key === "string" ? toText(key) : String(key);
    if (!KEYS.includes(text))
      log.warn(`addCustomWebHook: webhook ${JSON.stringify(name)}: unknown key '${text}' is ignored`);
    else if (typeof value !== "string" && typeof value !== "number") throw refuse(text, "must be a string");
    else values.set(text, typeof value === "string" ? value : toByteString(String(value)));
  }
  for (const key of ["api-key", "content-type"]) {
    if (UNFIT_FOR_HEADERS.test(values.get(key) ?? "")) throw refuse(key, "has a character that would break a header");
  }
  const secret = values.get("secret");
  if (secret !== undefined && !standardKey(secret)) throw refuse("secret", "begins with whsec_ and is no base64");
  const attempts = Number(values.get("max_attempts") ?? DEFAULT_ATTEMPTS);
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > MOST_ATTEMPTS) {
    throw refuse("max_attempts", `must be a whole number from 1 to ${MOST_ATTEMPTS}`);
  }
  const { url, credentials } = readUrl(values.get("url"), refuse);
  return {
    url,
    secret,
    basicAuth: values.get("basic-auth") ?? credentials,
    apiKey: values.get("api-key"),
    contentType: values.get("content-type"),
    kafka: values.get("kafka") === "true",
    maxAttempts: attempts,
  };
}

/** User and password of a url are credentials as curl takes them. Nothing of the url is shown: a secret may be in it. */
function readUrl(
  bytes: ByteString | undefined,
  refuse: (key: string, problem: string) => LuaError,
): { url: string; credentials: ByteString | undefined } {
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
