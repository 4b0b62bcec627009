/** A file system of its own that is soon full, for specs. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "./daemon.ts";

const mount = (path: string, kilobytes: number): boolean =>
  Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${kilobytes}k`, "none", path]).exitCode === 0;
const unmount = (path: string): void => void Bun.spawnSync(["umount", "--lazy", path]);

/** Why there can be none; undefined when there can. */
export const NO_SMALL_DISK = ((): string | undefined => {
  if (process.getuid?.() !== 0) return "only root can mount a small disk";
  using folder = temporaryFolder();
  if (!mount(folder.path, 64)) return "no disk can be mounted here";
  unmount(folder.path);
  return undefined;
})();

/** Mounts one. It is gone when it goes out of scope. */
export function smallDisk(kilobytes: number): { path: string } & Disposable {
  const folder = temporaryFolder();
  const path = join(folder.path, "disk");
  mkdirSync(path);
  if (!mount(path, kilobytes)) throw new Error("the disk cannot be mounted");
  return {
    path,
    [Symbol.dispose]() {
      unmount(path);
      folder[Symbol.dispose]();
    },
  };
}
