/**
 * The proxy of a request, from the variables that other programs know, too: HTTP_PROXY and HTTPS_PROXY, by the scheme of
 * the request's url, ALL_PROXY for what they leave open, NO_PROXY for servers that are reached without. As for curl the
 * lower case counts first, and a value without a scheme is one of http.
 */
import { matchesNetmask, parseAddress, parseNetmask, unmapAddress } from "../address/address.ts";
import { type ByteString, percentDecode } from "../text/byte-string.ts";

export interface Proxy {
  /** http, with user and password if there are any. */
  url: string;
  /** The variable or function that named it. */
  from: string;
}

/** Which request takes which proxy. */
export interface Proxies {
  http: Proxy | undefined;
  https: Proxy | undefined;
  /** The entries of NO_PROXY. */
  exceptions: readonly string[];
  /** Variables whose values cannot be used, as sentences. */
  problems: readonly string[];
}

/** Where a request goes. */
interface Target {
  hostname: string;
  /** Its bytes when it is an address, IPv4 whichever way it is written. */
  address: ByteString | undefined;
  port: string;
}

export function readProxies(environment: NodeJS.ProcessEnv): Proxies {
  const problems: string[] = [];
  const variable = (name: string): string => environment[name.toLowerCase()] || environment[name] || "";
  const proxy = (name: string): Proxy | undefined => {
    const value = variable(name);
    const url = value === "" ? undefined : readProxyUrl(value);
    if (value !== "" && url === undefined) {
      problems.push(`${name} is ignored: it is not the url of a proxy, http://host:port`);
    }
    return url === undefined ? undefined : { url, from: name };
  };
  const all = proxy("ALL_PROXY");
  return {
    http: proxy("HTTP_PROXY") ?? all,
    https: proxy("HTTPS_PROXY") ?? all,
    exceptions: variable("NO_PROXY")
      .split(/[\s,]+/)
      .filter(Boolean),
    problems,
  };
}

/** @returns undefined when it is no url of an HTTP proxy */
export function readProxyUrl(text: string): string | undefined {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  return url?.protocol === "http:" && url.hostname !== "" && url.pathname === "/" ? url.href : undefined;
}

/** `http://host:port`: user and password are nobody's business. */
export const publicProxyUrl = ({ url }: Proxy): string => new URL(url).origin;

/** For node:http: where the proxy is, and the header with user and password, if there are any. */
export function proxyEndpoint({ url }: Proxy): {
  host: { host: string; port: number };
  credentials: Record<string, string>;
} {
  const { hostname, port, username, password } = new URL(url);
  const login = Buffer.from(percentDecode(`${username}:${password}`), "latin1").toString("base64");
  return {
    host: { host: withoutBrackets(hostname), port: Number(port || 80) },
    credentials: username || password ? { "Proxy-Authorization": `Basic ${login}` } : {},
  };
}

/** The brackets of an IPv6 address belong to the URL. */
export const withoutBrackets = (hostname: string): string => hostname.replace(/^\[|\]$/g, "");

export function proxyFor(url: URL, { http, https, exceptions }: Proxies): Proxy | undefined {
  const proxy = url.protocol === "https:" ? https : http;
  if (!proxy) return undefined;
  // The dot ends a full name.
  const hostname = withoutBrackets(url.hostname).replace(/\.$/, "");
  const address = parseAddress(url.hostname)?.bytes;
  const target: Target = {
    hostname,
    address: address && unmapAddress(address),
    port: url.port || (url.protocol === "https:" ? "443" : "80"),
  };
  return exceptions.some((entry) => matches(entry, target)) ? undefined : proxy;
}

/** `*`, a name that stands for what is below it, too, an address, or a network; names and addresses may have a port. */
function matches(entry: string, { hostname, address, port }: Target): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) {
    const mask = parseNetmask(entry);
    return mask !== undefined && address !== undefined && matchesNetmask(mask, address);
  }
  const named = parseAddress(entry);
  if (named) {
    return unmapAddress(named.bytes) === address && (named.port === undefined || String(named.port) === port);
  }
  const [, name = "", onPort] = /^(?:\*?\.)?(.*?)\.?(?::(\d+))?$/s.exec(entry.toLowerCase())!;
  if (name === "" || (onPort !== undefined && onPort !== port)) return false;
  return hostname === name || hostname.endsWith(`.${name}`);
}
