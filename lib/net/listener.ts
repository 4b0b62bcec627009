/** Addresses to listen on, as the configuration names them. */
import type { Tls } from "./tls.ts";

/** An address and port to listen on. */
export interface Listener {
  hostname: string;
  port: number;
  /** Set where another listener has the port for IPv4, which `[::]` would take as well. */
  ipv6Only?: boolean;
}

/** Where HTTP is served. */
export interface HttpListener extends Listener {
  tls?: Tls;
}

/** Lets listeners of IPv4 and of all of IPv6 have the same port. */
export const apart = <L extends Listener>(listener: L, all: readonly Listener[]): L =>
  listener.hostname === "::" && all.some(({ hostname, port }) => port === listener.port && !hostname.includes(":"))
    ? { ...listener, ipv6Only: true }
    : listener;

/** `127.0.0.1:8084`, `[::1]:8084`. */
export const formatListener = ({ hostname, port }: Listener): string =>
  hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
