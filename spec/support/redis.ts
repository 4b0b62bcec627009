/** A Redis server of a spec's own. */
import { connect } from "node:net";
import { join } from "node:path";

import { temporaryFolder } from "./daemon.ts";

/** Why there is none, if so. */
export const NO_REDIS = Bun.which("redis-server") ? undefined : "redis-server is not installed";

export interface RedisServer extends AsyncDisposable {
  port: number;
}

/** On loopback, with nothing on disk; it is ready when this resolves. */
export async function startRedis(): Promise<RedisServer> {
  const folder = temporaryFolder();
  for (;;) {
    const port = freePort();
    const options = ["--port", port, "--bind", "127.0.0.1", "--dir", folder.path, "--save", "", "--appendonly", "no"];
    const command = ["redis-server", ...options.map(String)];
    const server = Bun.spawn(command, { stdout: Bun.file(join(folder.path, "log")), stderr: "ignore" });
    while (server.exitCode === null && !(await answers(port))) await Bun.sleep(10);
    if (server.exitCode !== null) continue; // somebody else got the port in between
    return {
      port,
      async [Symbol.asyncDispose]() {
        server.kill();
        await server.exited;
        folder[Symbol.dispose]();
      },
    };
  }
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.write("PING\r\n"));
    socket.on("data", (data) => {
      socket.destroy();
      resolve(data.toString().startsWith("+PONG"));
    });
  });
