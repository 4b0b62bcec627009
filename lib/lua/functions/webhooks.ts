/** Custom webhooks: registering them, and sending. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { toText } from "../../byte-string.ts";
import type { WebHookSettings } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { WebHookSink } from "../../webhooks/delivery.ts";
import { datedUrl, type WebHook } from "../../webhooks/hook.ts";
import type { Call, HostFunction } from "../call.ts";
import { LuaError } from "../state.ts";

/** `num_conns` is accepted for old configurations, and ignored. */
const KEYS = ["url", "secret", "basic-auth", "api-key", "content-type", "kafka", "num_conns"];
/** What cannot stand in a header. */
const UNFIT_FOR_HEADERS = /[^\x20-\x7e\x80-\xff]/;
const MOST = 1_000_000;

/** For the configuration. @param directory what relative paths are relative to */
export function webhookConfiguration(settings: WebHookSettings, log: Log, directory: string): HostFunction[] {
  const readFile = (call: Call, position: number): string => {
    const file = call.text(position);
    try {
      return readFileSync(resolve(directory, file), "utf8");
    } catch (error) {
      throw call.wrong(position, `${JSON.stringify(file)} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
  };
  return [
    {
      name: "addCustomWebHook",
      body(call) {
        const name = call.text(1);
        if (settings.hooks.some((hook) => hook.name === name)) {
          throw new LuaError(`addCustomWebHook: a webhook is named ${JSON.stringify(name)} already`);
        }
        settings.hooks.push({ id: settings.hooks.length + 1, name, ...readKeys(call, name, log) });
      },
    },
    { name: "setNumWebHookThreads", body: (call) => void (settings.threads = call.integer(1, 1, MOST)) },
    { name: "setNumWebHookConnsPerThread", body: (call) => void (settings.connsPerThread = call.integer(1, 1, MOST)) },
    { name: "setWebHookQueueSize", body: (call) => void (settings.queueSize = call.integer(1, 1, MOST)) },
    { name: "setWebHookTimeoutSecs", body: (call) => void (settings.timeout = call.integer(1, 1, MOST)) },
    { name: "disableCurlPeerVerification", body: () => void (settings.tls.verifyPeer = false) },
    { name: "disableCurlHostVerification", body: () => void (settings.tls.verifyHost = false) },
    { name: "setCurlCABundleFile", body: (call) => void (settings.tls.ca = readFile(call, 1)) },
    {
      name: "setCurlClientCertAndKey",
      body(call) {
        for (const position of [1, 2]) call.text(position); // before any file is read
        settings.tls.client = { cert: readFile(call, 1), key: readFile(call, 2) };
      },
    },
  ];
}

/** For policies: hands an event over and returns at once. */
export const runCustomWebHook = (settings: WebHookSettings, sink: WebHookSink, log: Log): HostFunction => ({
  name: "runCustomWebHook",
  body(call) {
    const name = call.text(1);
    const data = call.bytes(2);
    const hook = settings.hooks.find((candidate) => candidate.name === name);
    if (hook) sink.send(hook, data);
    else log.error(`runCustomWebHook: no webhook is named ${JSON.stringify(name)}: addCustomWebHook() registers one`);
  },
});

/** @throws {LuaError} that names hook and key */
function readKeys(call: Call, name: string, log: Log): Omit<WebHook, "id" | "name"> {
  const values = new Map<string, string>();
  const refuse = (key: string, problem: string): LuaError =>
    new LuaError(`addCustomWebHook: webhook ${JSON.stringify(name)}: key '${key}' ${problem}`);
  if (name === "" || UNFIT_FOR_HEADERS.test(name)) throw call.wrong(1, "name that can stand in a header expected");
  for (const [key, value] of call.table(2)) {
    const text = typeof key === "string" ? toText(key) : String(key);
    if (!KEYS.includes(text))
      log.warn(`addCustomWebHook: webhook ${JSON.stringify(name)}: unknown key '${text}' is ignored`);
    else if (typeof value !== "string" && typeof value !== "number") throw refuse(text, "must be a string");
    else values.set(text, typeof value === "string" ? toText(value) : String(value));
  }
  for (const key of ["api-key", "content-type", "basic-auth"]) {
    if (UNFIT_FOR_HEADERS.test(values.get(key) ?? "")) throw refuse(key, "has a character that would break a header");
  }
  const url = values.get("url");
  if (url === undefined) throw refuse("url", "is missing");
  const parsed = URL.parse(datedUrl(url, 0));
  if (!parsed) throw refuse("url", `is no url: ${JSON.stringify(url)}`);
  if (!/^https?:$/.test(parsed.protocol)) throw refuse("url", `must be http or https: ${JSON.stringify(url)}`);
  return {
    url,
    secret: values.get("secret"),
    basicAuth: values.get("basic-auth"),
    apiKey: values.get("api-key"),
    contentType: values.get("content-type"),
    kafka: values.get("kafka") === "true",
  };
}
