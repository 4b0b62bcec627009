/** `--init`: a folder that a daemon starts from. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { POLICY_FILES } from "../../lib/program/policy-files.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { runProgram } from "../support/program.ts";

const [DEFAULT, REFERENCE] = ["trackalert.conf", "reference.lua"].map((name) =>
  readFileSync(join(import.meta.dir, "..", "..", "conf", name), "utf8"),
) as [string, string];

describe("--init", () => {
  test("makes a folder whose configuration has nothing to warn of", async () => {
    using folder = temporaryFolder();
    const made = join(folder.path, "etc", "wforce");
    const [conf, secrets] = [join(made, "trackalert.conf"), join(made, "secrets.lua")];
    const { code, output, errors } = await runProgram(["--init", made]);
    expect([code, errors]).toEqual([0, ""]);
    expect(output).toStartWith(`written: ${conf}\nwritten: ${secrets}\n`);
    expect(output).toEndWith(`\nCheck: trackalert --check-config -C ${conf}\nServe: trackalert -C ${conf}\n`);
    expect(readFileSync(conf, "utf8")).toBe(DEFAULT);
    expect(readFileSync(join(made, "reference.lua"), "utf8")).toBe(REFERENCE);
    expect(statSync(secrets).mode & 0o777).toBe(0o600);
    expect(output).not.toContain(/setWebserverPassword\("(.*)"\)/.exec(readFileSync(secrets, "utf8"))![1]!);
    expect(await runProgram(["--check-config", "--strict", "-C", conf])).toMatchObject({ code: 0, errors: "" });
  });

  test("leaves what is there, and writes what is missing", async () => {
    using folder = temporaryFolder();
    const [conf, secrets] = [join(folder.path, "trackalert.conf"), join(folder.path, "secrets.lua")];
    writeFileSync(conf, "-- mine");
    const first = await runProgram(["--init", folder.path]);
    expect(first.output).toStartWith(`kept as it is: ${conf}\nwritten: ${secrets}\n`);
    const written = readFileSync(secrets, "utf8");
    const second = await runProgram(["--init", folder.path]);
    expect(second).toMatchObject({ code: 0, errors: "" });
    expect(second.output).toStartWith(`kept as it is: ${conf}\nkept as it is: ${secrets}\n`);
    expect([readFileSync(conf, "utf8"), readFileSync(secrets, "utf8")]).toEqual(["-- mine", written]);
  });

  test("does not write through a link, even one to nothing", async () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "made"));
    symlinkSync(join(folder.path, "elsewhere"), join(folder.path, "made", "secrets.lua"));
    expect((await runProgram(["--init", join(folder.path, "made")])).code).toBe(0);
    expect(existsSync(join(folder.path, "elsewhere"))).toBe(false);
  });

  test("gives two folders different secrets", async () => {
    using folder = temporaryFolder();
    const secrets = await Promise.all(
      ["a", "b"].map(async (name) => {
        await runProgram(["--init", join(folder.path, name)]);
        return readFileSync(join(folder.path, name, "secrets.lua"), "utf8");
      }),
    );
    expect(secrets[0]).not.toBe(secrets[1]);
  });

  test("says what cannot be written", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "file");
    writeFileSync(file, "");
    const errors = `${file} cannot be made a folder: EEXIST\n`;
    expect(await runProgram(["--init", file])).toMatchObject({ code: 1, output: "", errors });
  });
});

test("--init writes each of the ready-made policies", () => {
  const folder = join(import.meta.dir, "..", "..", "conf", "policies");
  const there = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".lua"));
  expect([...POLICY_FILES.keys()].toSorted()).toEqual(there.toSorted());
  for (const [name, text] of POLICY_FILES) expect(readFileSync(join(folder, name), "utf8")).toBe(text);
});
