import { describe, expect, test } from "bun:test";

import { listenFailure } from "../../lib/net/listen-failure.ts";

const failure = (hostname: string, port: number, code: string): string =>
  listenFailure({ hostname, port }, Object.assign(new Error("message"), { code })).message;

/** A server of this process. */
function taken(hostname: string): { port: number } & Disposable {
  const listener = Bun.listen({ hostname, port: 0, socket: { data() {} } });
  return { port: listener.port, [Symbol.dispose]: () => listener.stop(true) };
}

describe("an address that cannot be listened on", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["127.0.0.1", "0.0.0.0"],
    ["::1", "::1"],
    ["::", "::1"],
    ["::1", "::"],
    ["::", "127.0.0.1"],
  ])("%s is told from who has it, when another listens on %s", (has, wants) => {
    using other = taken(has);
    const address = wants.includes(":") ? `[${wants}]` : wants;
    expect(failure(wants, other.port, "EADDRINUSE")).toBe(
      `cannot listen on ${address}:${other.port}: EADDRINUSE: the address is in use, by this process`,
    );
  });

  test("names no process that has the port of another address", () => {
    using other = taken("127.0.0.1");
    expect(failure("127.0.0.2", other.port, "EADDRINUSE")).toBe(
      `cannot listen on 127.0.0.2:${other.port}: EADDRINUSE: the address is in use`,
    );
  });

  test("names the process and its command", async () => {
    const code = `console.log(Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }).port)`;
    const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe" });
    try {
      const { value } = await child.stdout.getReader().read();
      const port = Number(Buffer.from(value!).toString());
      expect(failure("127.0.0.1", port, "EADDRINUSE")).toMatch(new RegExp(`, by process ${child.pid} \\(bun`));
    } finally {
      child.kill();
      await child.exited;
    }
  });

  test.each([
    ["EADDRNOTAVAIL", "EADDRNOTAVAIL: this machine has no such address"],
    ["EACCES", "EACCES: it takes a right that this user does not have: see CAP_NET_BIND_SERVICE for ports below 1024"],
    ["EOTHER", "EOTHER"],
  ])("%s is put into words", (code, words) => {
    expect(failure("192.0.2.1", 80, code)).toBe(`cannot listen on 192.0.2.1:80: ${words}`);
  });
});
