import { expect, test } from "bun:test";
import { join } from "node:path";

/** MiB that a process may grow by; what kept a megabyte for each of 1,500 ids grew by 1,500. */
const SLACK = 300;

test("1,500 device ids of a megabyte leave nothing of their length behind", () => {
  const module = join(import.meta.dir, "..", "..", "lib", "device", "device.ts");
  const script = `const { DeviceParser } = await import(${JSON.stringify(module)});
    const parser = new DeviceParser();
    const resident = () => (Bun.gc(true), process.memoryUsage.rss() / 1024 ** 2);
    const read = (from, to) => {
      for (let i = from; i < to; i++) {
        // As a body's field is: a part of a longer string.
        const body = Buffer.alloc(1024 ** 2 + 20, String(i) + " Mozilla/5.0 ").toString("latin1");
        for (const protocol of ["http", "imap", "mobileapi"]) parser.parse(protocol, body.slice(10, -10));
        if (i % 50 === 0) Bun.gc(true);
      }
    };
    read(0, 50);
    const before = resident();
    read(50, 1550);
    console.log(Math.round(resident() - before));`;
  const child = Bun.spawnSync([process.execPath, "-e", script]);
  expect(child.stderr.toString()).toBe("");
  expect(Number(child.stdout.toString())).toBeLessThan(SLACK);
}, 120_000);
