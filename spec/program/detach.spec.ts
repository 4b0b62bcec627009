import { describe, expect, test } from "bun:test";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { AUTHORIZATION, temporaryFolder } from "../support/daemon.ts";
import { runProgram } from "../support/program.ts";

/** A port that nothing listens on: what a detached daemon prints, such as its port, nobody sees. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** State, parent, process group and session, of proc(5). */
const statOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");

/** Waits until a process that is no child of this one has ended. */
async function ending(pid: number): Promise<void> {
  for (;;) {
    try {
      if (statOf(pid)[0] === "Z") return;
    } catch {
      return;
    }
    await Bun.sleep(5);
  }
}

describe("-d", () => {
  test("returns when the daemon serves, in a session of its own without terminal and streams", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "spec.conf");
    const address = `127.0.0.1:${await freePort()}`;
    writeFileSync(
      file,
      `addListener("${address}", false, "", "", {}) setWebserverPassword("super")
       setCustomEndpoint("seen", function() return true, { variable = os.getenv("TRACKALERT_REPORT_TO") or "none" } end)`,
    );
    const { code, output, errors } = await runProgram(["-d", "-C", file], "quit\n");
    expect([code, errors]).toEqual([0, ""]);
    const pid = Number(/^trackalert serves as process (\d+)\n$/.exec(output)![1]);
    try {
      const seen = await fetch(`http://${address}/?command=seen`, {
        method: "POST",
        headers: AUTHORIZATION,
        body: "{}",
      });
      expect(await seen.json()).toMatchObject({ r_attrs: { variable: "none" } });
      const [, , group, session, terminal] = statOf(pid);
      expect([group, session, terminal]).toEqual([String(pid), String(pid), "0"]);
      for (const descriptor of [0, 1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${descriptor}`)).toBe("/dev/null");
      expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(folder.path);
    } finally {
      process.kill(pid, "SIGTERM");
      await ending(pid);
    }
    await expect(fetch(`http://${address}/`)).rejects.toThrow();
  });

  test.each([
    ["cannot be read", "/no/such.conf", "", "/no/such.conf: cannot be read: ENOENT\n"],
    ["raises", "", "\nerror('no')", /^\S+spec\.conf:2: no\nstack traceback:\n(  .*\n)+$/],
    ["has no key", "", 'controlSocket("127.0.0.1:0")', /^controlSocket: there is no key: .*\n$/],
  ])("fails with what the daemon says when its configuration %s", async (_, path, text, expected) => {
    using folder = temporaryFolder();
    const file = path || join(folder.path, "spec.conf");
    if (!path) writeFileSync(file, text);
    const { code, output, errors } = await runProgram(["-d", "-C", file]);
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toMatch(expected);
  });

  test("fails when the port is taken", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "spec.conf");
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    writeFileSync(file, `addListener("127.0.0.1:${port}", false, "", "", {})`);
    const { code, errors } = await runProgram(["-d", "-C", file]);
    expect(code).toBe(1);
    expect(errors).toMatch(
      new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: EADDRINUSE: the address is in use, .*\n$`),
    );
    await new Promise((resolve) => taken.close(resolve));
  });

  test("takes the daemon along when it is ended before the daemon serves, and says so", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "spec.conf");
    writeFileSync(file, `io.open("started", "w"):close() sleep(600)`);
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "..", "..", "index.ts"), "-d", "-C", file], {
      stdout: "pipe",
      stderr: "pipe",
    });
    while (!(await Bun.file(join(folder.path, "started")).exists())) await Bun.sleep(5);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toBe(
      "the daemon was ended by SIGTERM before it served; -s in place of -d shows more\n",
    );
  });
});
