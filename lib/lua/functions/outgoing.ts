/** Settings for every request that leaves, of policies and of webhooks; and the TLS that one request or webhook names. */
import { resolve } from "node:path";

import type { OutgoingSettings, TlsChoice } from "../../net/outgoing.ts";
import { readProxyUrl } from "../../net/proxy.ts";
import { toText } from "../../text/byte-string.ts";
import type { Call, HostFunction } from "../call.ts";
import { LuaError, type LuaTable } from "../state.ts";
import { optional } from "./keys.ts";

/** For the configuration. @param directory what relative paths are relative to */
export function outgoingConfiguration(settings: OutgoingSettings, directory: string): HostFunction[] {
  const path = (call: Call, position: number): string => resolve(directory, call.text(position));
  return [
    { name: "disableCurlPeerVerification", body: () => void (settings.verify = false) },
    { name: "disableCurlHostVerification", body: () => void (settings.verifyHost = false) },
    {
      name: "setCurlCABundleFile",
      body: (call) => void (settings.authorities = { file: path(call, 1), where: call.where() }),
    },
    {
      name: "setCurlClientCertAndKey",
      body(call) {
        settings.client = { files: { certificate: path(call, 1), key: path(call, 2) }, where: call.where() };
      },
    },
    {
      name: "setHTTPProxy",
      body(call) {
        const text = call.text(1);
        const url = text === "" ? undefined : readProxyUrl(text);
        // Its user and password are nobody's business.
        if (text !== "" && url === undefined) {
          throw call.wrong(1, "url of a proxy such as http://proxy.example:3128 expected");
        }
        const proxy = url === undefined ? undefined : { url, from: "setHTTPProxy" };
        settings.proxies = { ...settings.proxies, http: proxy, https: proxy };
      },
    },
  ];
}

/**
 * The TLS that a table names: `ca`, `cert`, `key`, `verify`.
 * @param directory what relative paths are relative to
 * @param where `file:line: ` of the call, for messages that come later
 * @throws {LuaError} that names the key whose value is wrong
 */
export function readTlsChoice(table: LuaTable, directory: string, where: string): TlsChoice {
  const path = (key: string): string | undefined => {
    const text = optional(table, key, "string");
    if (text === "") throw new LuaError(`${key}: path expected, got an empty string`);
    return text === undefined ? undefined : resolve(directory, toText(text));
  };
  const [ca, certificate, key] = [path("ca"), path("cert"), path("key")];
  if ((certificate === undefined) !== (key === undefined)) throw new LuaError("cert and key belong together");
  return {
    verify: optional(table, "verify", "boolean"),
    authorities: ca === undefined ? undefined : { file: ca, where },
    client: certificate === undefined || key === undefined ? undefined : { files: { certificate, key }, where },
  };
}
