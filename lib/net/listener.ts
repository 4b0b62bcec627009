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
  listener.hostname === "::" && all.some((other) => other.port === listener.port && !isIPv6(other))
    ? { ...listener, ipv6Only: true }
    : listener;

/**
 * Whether two cannot be had at once: their addresses are the same, or one is all addresses of the other's family. Port 0 is
 * another one each time.
 */
export function collide(one: Listener, other: Listener): boolean {
  if (one.port !== other.port || one.port === 0) return false;
  if (isIPv6(one) !== isIPv6(other)) return false;
  const hostnames = [one.hostname, other.hostname];
  return one.hostname === other.hostname || hostnames.includes("0.0.0.0") || hostnames.includes("::");
}

const isIPv6 = ({ hostname }: Listener): boolean => hostname.includes(":");

/** `127.0.0.1:8084`, `[::1]:8084`. */
export const formatListener = (listener: Listener): string =>
  isIPv6(listener) ? `[${listener.hostname}]:${listener.port}` : `${listener.hostname}:${listener.port}`;
