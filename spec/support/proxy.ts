/** An HTTP proxy for specs: CONNECT for https, the absolute form for http. */
import net from "node:net";

interface TestProxy extends Disposable {
  url: string;
  port: number;
  /** The first line of each request, and the credentials that it had. */
  seen: { line: string; credentials: string | undefined }[];
}

/** @param refuse answers instead of going on, such as `407 Proxy Authentication Required` */
export async function startProxy(refuse?: string): Promise<TestProxy> {
  const seen: TestProxy["seen"] = [];
  const sockets = new Set<net.Socket>();
  const keep = (socket: net.Socket): net.Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const server = net.createServer((client) => {
    keep(client).once("data", (data) => {
      const request = data.toString("latin1");
      const line = request.slice(0, request.indexOf("\r\n"));
      seen.push({ line, credentials: /^proxy-authorization: Basic (\S+)\r$/im.exec(request)?.[1] });
      if (refuse) return client.end(`HTTP/1.1 ${refuse}\r\nContent-Length: 0\r\n\r\n`);
      const [method, target = ""] = line.split(" ");
      const url = new URL(method === "CONNECT" ? `http://${target}` : target);
      const server = keep(net.connect(Number(url.port), url.hostname.replace(/^\[|\]$/g, "")));
      server.on("connect", () => {
        if (method === "CONNECT") client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        else server.write(request.replace(target, url.pathname + url.search), "latin1");
        client.pipe(server).pipe(client);
      });
      server.on("error", () => client.destroy());
      return undefined;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
