/** Servers for specs of what policies send over HTTP. */
import net from "node:net";

import { LARGEST_BODY } from "../../lib/net/http-client.ts";

export interface WebServer extends Disposable {
  /** Without a slash at the end. */
  origin: string;
  port: number;
}

/**
 * - `/echo` answers with what it got as JSON (body as base64), `/body` with the body itself
 * - `/status/N`, `/redirect?to=URL&code=N`, `/loop`, `/large?bytes=N`, `/hang`, `/headers`
 */
export function startWeb(): WebServer {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    maxRequestBodySize: 4 * LARGEST_BODY,
    async fetch(request) {
      const { pathname, searchParams, search } = new URL(request.url);
      const body = Buffer.from(await request.arrayBuffer());
      const [, first, second] = pathname.split("/");
      switch (first) {
        case "echo": {
          const headers = Object.fromEntries(request.headers);
          return Response.json({
            method: request.method,
            path: pathname + search,
            headers,
            body: body.toString("base64"),
          });
        }
        case "body":
          return new Response(body);
        case "status":
          return new Response(second === "204" ? null : `status ${second}`, { status: Number(second) });
        case "redirect":
          return new Response("moved", {
            status: Number(searchParams.get("code") ?? 302),
            headers: { Location: searchParams.get("to")! },
          });
        case "loop":
          return new Response(null, { status: 302, headers: { Location: `/loop?${Number(search.slice(1)) + 1}` } });
        case "large":
          return new Response(Buffer.alloc(Number(searchParams.get("bytes")), "x"));
        case "headers":
          return new Response("", {
            headers: [
              ["X-Twice", "1"],
              ["X-Twice", "2"],
              ["Set-Cookie", "a=1"],
              ["Set-Cookie", "b=2"],
            ],
          });
        case "hang":
          return new Promise<Response>(() => {});
        default:
          return new Response("not here", { status: 404 });
      }
    },
  });
  return {
    origin: `http://127.0.0.1:${server.port}`,
    port: server.port!,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

/** Answers each connection, once something has come in, with the same bytes, and closes it. */
export async function startRaw(answer: string, close = true): Promise<WebServer & { received: string[] }> {
  const received: string[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => void received.push(data.toString("latin1")));
    socket.once("data", () => {
      socket.write(answer, "latin1");
      if (close) socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    received,
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  using server = await startRaw("");
  return server.port;
}
