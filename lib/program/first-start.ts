/** `bun start`: serves the configuration in conf/. The first time, it writes what must be secret. It shows how to send a report. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { CONFIGURATION, InitError, initialise, passwordIn, SECRETS } from "./init.ts";
import { main } from "./main.ts";

const CONF = join(import.meta.dir, "..", "..", "conf");
const secretsFile = join(CONF, SECRETS);

/** Nothing can be served without the secrets. */
function giveUp(problem: string): never {
  console.error(`${problem}: make it a file of yours in a folder that you may write to`);
  process.exit(1);
}

function readSecrets(): string {
  try {
    return readFileSync(secretsFile, "utf8");
  } catch (error) {
    return giveUp(`${secretsFile} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

const files = await initialise(CONF).catch((error: unknown) => {
  if (error instanceof InitError) return giveUp(error.message);
  throw error;
});
const isNew = files.some(({ path, written }) => written && path === secretsFile);
if (isNew) console.log(`The password for HTTP and the key of the console are new, in ${secretsFile}`);
const password = passwordIn(readSecrets());
if (password && (isNew || process.stdout.isTTY)) {
  const report = `{"login":"joe","remote":"192.0.2.1","success":false}`;
  console.log(`Send a report:\n  curl -u any:${password} -d '${report}' 'http://127.0.0.1:8084/?command=report'`);
}

if (process.stdin.isTTY && process.stdout.isTTY)
  console.log("At the prompt, help() lists the commands of the console and quit ends the daemon");

await main([...process.argv.slice(2), "-C", join(CONF, CONFIGURATION)]);
