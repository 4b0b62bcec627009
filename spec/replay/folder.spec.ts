/** `--replay FOLDER`: every fixture below it. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "../support/daemon.ts";
import { runProgram } from "../support/program.ts";

const FIXTURE = (name: string, config: string): string =>
  `name: ${name}\nconfig: ${config}\nstart: 2026-03-01T00:00:00Z\n`;

/** Two fixtures at different depths, and what is none. */
function folderOfFixtures(): { path: string } & Disposable {
  const folder = temporaryFolder();
  mkdirSync(join(folder.path, "b", "deep.replay.yaml"), { recursive: true });
  mkdirSync(join(folder.path, "empty"));
  for (const [name, text] of [
    ["spec.conf", "setReport(function() end)"],
    ["c.replay.yaml", FIXTURE("last", "spec.conf")],
    ["b/a.replay.yaml", FIXTURE("first", "../spec.conf")],
    ["b/other.yaml", "no fixture"],
  ] as const)
    writeFileSync(join(folder.path, name), text);
  return folder;
}

describe("--replay of a folder", () => {
  test("runs every fixture below it, in order of their paths", async () => {
    using folder = folderOfFixtures();
    const { code, output } = await runProgram(["--replay", folder.path]);
    expect(code).toBe(0);
    expect(Array.from(output.matchAll(/^ok {3}(\w+)/gm), ([, name]) => name)).toEqual(["first", "last"]);
  });

  test("that has none, and one that has a fixture that cannot be used, is told with all other mistakes", async () => {
    using folder = folderOfFixtures();
    const [bad, empty] = [join(folder.path, "b", "bad.replay.yaml"), join(folder.path, "empty")];
    writeFileSync(bad, "name: [");
    const { code, errors } = await runProgram(["--replay", folder.path, empty, join(folder.path, "gone")]);
    expect(code).toBe(2);
    expect(errors).toContain(`${empty}: there is no *.replay.yaml below it\n`);
    expect(errors).toContain(`${bad}:1: `);
    expect(errors).toContain(`${join(folder.path, "gone")}:1: cannot be read: ENOENT\n`);
  });
});
