/**
 * `bun start`: serves the configuration in conf/. The first time, it writes what must be secret, and shows how to send a
 * report.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { keyLine } from "../control/key.ts";

const CONF = join(import.meta.dir, "..", "..", "conf");
const SECRETS = join(CONF, "secrets.lua");

/** Creates the file unless it is there; `wx` makes that one step, so that two starts cannot both write. */
function writeSecretsOnce(): boolean {
  const password = randomBytes(18).toString("base64url");
  const text = [
    "-- Written by the first `bun start`. Keep it private: it opens the daemon. Change the values as you like.",
    `setWebserverPassword("${password}")`,
    keyLine(),
    "",
  ].join("\n");
  try {
    writeFileSync(SECRETS, text, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    return giveUp("written", code);
  }
}

function readSecrets(): string {
  try {
    return readFileSync(SECRETS, "utf8");
  } catch (error) {
    return giveUp("read", (error as NodeJS.ErrnoException).code);
  }
}

/** Nothing can be served without the secrets. */
function giveUp(what: string, code: string | undefined): never {
  console.error(`${SECRETS} cannot be ${what}: ${code}: make it a file of yours in a folder that you may write to`);
  process.exit(1);
}

const written = writeSecretsOnce();
if (written) console.log(`The password for HTTP and the key of the console are new, in ${SECRETS}`);
const secrets = readSecrets();
if (written || process.stdout.isTTY) {
  const password = /setWebserverPassword\("([^"]*)"\)/.exec(secrets)?.[1];
  const report = `{"login":"joe","remote":"192.0.2.1","success":false}`;
  if (password)
    console.log(`Send a report:\n  curl -u any:${password} -d '${report}' 'http://127.0.0.1:8084/?command=report'`);
}

if (process.stdin.isTTY && process.stdout.isTTY)
  console.log("At the prompt, help() lists the commands of the console and quit ends the daemon");

process.argv.push("-C", join(CONF, "trackalert.conf"));
await import("../../index.ts");
