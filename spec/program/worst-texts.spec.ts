import { expect, test } from "bun:test";
import { join } from "node:path";

/** Seconds for all of them together: what took time by the square of its text took minutes for one. */
const DEADLINE = 300;

test("no parser takes more than time in proportion to what a peer or a policy gives it", async () => {
  const script = join(import.meta.dir, "..", "support", "worst-texts.ts");
  const child = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "pipe", timeout: DEADLINE * 1000 });
  const [done, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(errors).toBe("");
  // The last one that is named is the one that took too long.
  expect(done.trim().split("\n").at(-1)).toBe("done");
}, 310_000);
