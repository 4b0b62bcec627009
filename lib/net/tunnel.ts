/**
 * Connections to https servers through a proxy: CONNECT (RFC 9110, 9.3.6), and TLS in what it opens. Bun's own agent does
 * this too, but leaves the connection open when a request is given up before the server has answered.
 */
import http from "node:http";
import { isIP, type Socket } from "node:net";
import tls from "node:tls";

import type { ClientTls } from "./outgoing.ts";
import { type Proxy, proxyEndpoint } from "./proxy.ts";

interface Tunnel {
  /** Resolved with the connection when the server has shown its certificate. */
  opened: Promise<Socket>;
  /** Ends it, however far it is. */
  destroy(): void;
}

/** @param hostname without brackets */
export function openTunnel(
  proxy: Proxy,
  { hostname, port }: { hostname: string; port: number },
  trust: ClientTls,
): Tunnel {
  const { host, credentials } = proxyEndpoint(proxy);
  const target = isIP(hostname) === 6 ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  const sockets: Socket[] = [];
  const request = http.request({
    ...host,
    method: "CONNECT",
    path: target,
    headers: { Host: target, ...credentials },
    agent: false,
  });
  const { promise: opened, resolve, reject } = Promise.withResolvers<Socket>();
  request.on("error", reject);
  request.on("connect", ({ statusCode = 0 }: http.IncomingMessage, socket: Socket) => {
    sockets.push(socket);
    socket.on("error", reject);
    if (statusCode < 200 || statusCode > 299)
      return reject(new Error(`the proxy refused to open a tunnel (${statusCode})`));
    // An address is no name that a server could choose a certificate by.
    const servername = isIP(hostname) ? {} : { servername: hostname };
    const secure = tls.connect({ socket, host: hostname, ...servername, ...trust });
    sockets.push(secure);
    secure.on("error", reject);
    secure.on("close", () => reject(new Error("connection closed")));
    secure.on("secureConnect", () => resolve(secure));
    return undefined;
  });
  request.end();
  return {
    opened,
    destroy() {
      request.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}
