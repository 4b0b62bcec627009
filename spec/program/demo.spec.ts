/** `bun run demo`: attacks on a real daemon, whose alerts are shown as they come; nothing of it is left behind. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { startProgram } from "../support/program.ts";

test("the demo shows an alert of each kind that seconds can show, says what to type next, and cleans up", async () => {
  await using demo = startProgram([], "spec/support/demo.ts");
  const { code, output, errors } = await demo.ended;
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  const types = new Set(Array.from(output.matchAll(/^  [\d:]{8} \w+ +(\w+)  /gm), ([, type]) => type!));
  expect([...types].toSorted()).toEqual([
    "anonymous_network",
    "brute_force",
    "distributed_spray",
    "dormant_account",
    "impossible_travel",
    "new_country",
    "new_device",
    "password_spray",
    "success_after_failures",
  ]);
  expect(output).not.toContain("Not raised");
  expect(output).not.toContain("\x1b");
  const [, configuration] = /bun index\.ts -c (\S+)/.exec(output)!;
  expect(existsSync(configuration!)).toBe(false);
}, 120_000);

test("the demo ends and cleans up when it is interrupted", async () => {
  await using demo = startProgram([], "spec/support/demo.ts");
  await demo.waitFor(/teaches the history/);
  demo.kill("SIGINT");
  expect((await demo.ended).code).toBe(0);
}, 60_000);
