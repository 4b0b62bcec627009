/** Addresses to listen on, as the configuration names them. */
import type { Tls } from "./tls.ts";

/** An address and port to listen on. */
export interface Listener {
  hostname: string;
  port: number;
}

/** Where HTTP is served. */
export interface HttpListener extends Listener {
  tls?: Tls;
}

/** `127.0.0.1:8084`, `[::1]:8084`. */
export const formatListener = ({ hostname, port }: Listener): string =>
  hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
