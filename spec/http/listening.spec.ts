/** Listeners of both families on one port, and what happens when descriptors run out. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";

import { startDaemon, temporaryFolder } from "../support/daemon.ts";

const HAS_IPV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
const PROJECT = `${import.meta.dir}/../..`;

/** A port that nobody has just now. */
function freePort(): number {
  using server = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data() {} } });
  return server.port;
}

test.skipIf(!HAS_IPV6).each([
  ["0.0.0.0", "[::]"],
  ["[::]", "0.0.0.0"],
])("%s and %s have the same port side by side", async (...hosts) => {
  const port = freePort();
  await using _ = await startDaemon(hosts.map((host) => `addListener("${host}:${port}", false, "", "", {})`).join(" "));
  for (const host of ["127.0.0.1", "[::1]"]) {
    expect([host, (await fetch(`http://${host}:${port}/livez`)).status]).toEqual([host, 200]);
  }
});

test.skipIf(!HAS_IPV6)("[::] alone serves IPv4 too", async () => {
  await using daemon = await startDaemon('addListener("[::]:0", false, "", "", {})');
  const { port } = daemon.daemon.addresses[0]!;
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
});

test.skipIf(process.platform !== "linux")(
  "without descriptors the listeners close, say so, leave the processor idle, and open again",
  async () => {
    using folder = temporaryFolder();
    const conf = `${folder.path}/spec.conf`;
    await Bun.write(conf, 'addListener("127.0.0.1:0", false, "", "", {})');
    const command = `ulimit -n 80 && exec "${process.execPath}" index.ts -s -C "${conf}"`;
    const daemon = Bun.spawn(["sh", "-c", command], {
      cwd: PROJECT,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    const sockets: Socket[] = [];
    try {
      let output = "";
      const reader = daemon.stdout.getReader();
      const waitFor = async (pattern: RegExp): Promise<RegExpExecArray> => {
        for (;;) {
          const found = pattern.exec(output);
          if (found) return found;
          const { value, done } = await reader.read();
          if (done) throw new Error(`ended without ${pattern}: ${output}`);
          output += Buffer.from(value).toString();
        }
      };
      const port = Number((await waitFor(/listening on 127\.0\.0\.1:(\d+)/))[1]);
      for (let i = 0; i < 100; i++) {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => {});
        sockets.push(socket);
      }
      await waitFor(/no file descriptors left \(ulimit -n, LimitNOFILE=\): no connections are accepted/);
      const refused = await fetch(`http://127.0.0.1:${port}/livez`).then(
        () => undefined,
        ({ code }: { code: string }) => code,
      );
      expect(refused).toBe("ECONNREFUSED");
      const cpu = (): number => {
        const stat = readFileSync(`/proc/${daemon.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
        return Number(stat[11]) + Number(stat[12]);
      };
      const [before, begun] = [cpu(), performance.now()];
      await Bun.sleep(1000);
      // Ticks of 10 ms.
      expect((cpu() - before) * 10).toBeLessThan((performance.now() - begun) / 4);
      for (const socket of sockets) socket.destroy();
      for (;;) {
        const status = await fetch(`http://127.0.0.1:${port}/livez`).then(
          ({ status }) => status,
          () => 0,
        );
        if (status === 200) break;
        await Bun.sleep(20);
      }
      expect(output.match(/no file descriptors left/g)).toHaveLength(1);
    } finally {
      for (const socket of sockets) socket.destroy();
      daemon.kill();
      await daemon.exited;
    }
  },
  20_000,
);
