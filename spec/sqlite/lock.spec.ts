/** One process at a time on a state directory. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";

import { InUseError, StateLock } from "../../lib/sqlite/lock.ts";
import { temporaryFolder } from "../support/daemon.ts";

const LOCK = join(import.meta.dir, "..", "..", "lib", "sqlite", "lock.ts");

test("a state directory is locked until the lock is given back, within a process, too", () => {
  using folder = temporaryFolder();
  const state = join(folder.path, "made", "state");
  {
    using _lock = StateLock.take(state);
    expect(() => StateLock.take(state)).toThrow(new InUseError(state));
    expect(statSync(state).mode & 0o777).toBe(0o700);
    expect(statSync(join(state, "lock")).mode & 0o777).toBe(0o600);
  }
  StateLock.take(state)[Symbol.dispose]();
});

test("the lock of another process holds, and ends with it, however it ends", async () => {
  using folder = temporaryFolder();
  const source = `import { StateLock } from ${JSON.stringify(LOCK)};
    globalThis.lock = StateLock.take(${JSON.stringify(folder.path)}); console.log("locked"); setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe" });
  await child.stdout.getReader().read();
  expect(() => StateLock.take(folder.path)).toThrow(InUseError);
  child.kill("SIGKILL");
  await child.exited;
  StateLock.take(folder.path)[Symbol.dispose]();
});

test("a folder that cannot be made is no lock", () => {
  expect(() => StateLock.take("/proc/nothing/here")).toThrow(/ENOENT/);
});
