/** `--init`: a folder with all that a daemon needs to start. `bun start` does the same in its own folder. */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { keyLine } from "../control/key.ts";

/** The names that the configuration gives its parts. */
export const CONFIGURATION = "trackalert.conf";
export const SECRETS = "secrets.lua";
/** Beside it, as its comments say: every function that it may call. */
const REFERENCE = "reference.lua";
const POLICIES = "policies";

const PUBLIC = 0o644;
const PRIVATE = 0o600;

/** A file could not be written; the message says which and why. */
export class InitError extends Error {
  override name = "InitError";
}

interface InitFile {
  path: string;
  /** False: it was there, and stays as it is. */
  written: boolean;
}

/**
 * Writes what is missing. Nothing that is there is touched.
 * @param folder is made if need be
 * @throws {InitError}
 */
export async function initialise(folder: string): Promise<InitFile[]> {
  try {
    mkdirSync(folder, { recursive: true });
    mkdirSync(join(folder, POLICIES, "internal"), { recursive: true });
  } catch (error) {
    throw new InitError(`${folder} cannot be made a folder: ${(error as NodeJS.ErrnoException).code}`);
  }
  const { default: configuration } = await import("../../conf/trackalert.conf", { with: { type: "text" } });
  const { default: reference } = await import("../../conf/reference.lua", { with: { type: "text" } });
  const { POLICY_FILES } = await import("./policy-files.ts");
  return [
    writeOnce(join(folder, CONFIGURATION), configuration, PUBLIC),
    writeOnce(join(folder, SECRETS), newSecrets(), PRIVATE),
    writeOnce(join(folder, REFERENCE), reference, PUBLIC),
    ...Array.from(POLICY_FILES, ([name, text]) => writeOnce(join(folder, POLICIES, name), text, PUBLIC)),
  ];
}

function newSecrets(): string {
  const password = randomBytes(18).toString("base64url");
  return [
    "-- Made by `trackalert --init` or the first `bun start`. Keep it private: it opens the daemon. Change the values as you",
    "-- like.",
    `setWebserverPassword("${password}")`,
    keyLine(),
    "",
  ].join("\n");
}

/** The password in what {@link initialise} wrote; undefined when it has been changed beyond recognition. */
export const passwordIn = (secrets: string): string | undefined =>
  /setWebserverPassword\("([^"]*)"\)/.exec(secrets)?.[1];

/** `wx` makes looking and writing one step, so that two at once cannot both write. */
function writeOnce(path: string, text: string, mode: number): InitFile {
  let begun = false;
  try {
    writeFileSync(path, "", { flag: "wx", mode });
    begun = true;
    writeFileSync(path, text);
    return { path, written: true };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return { path, written: false };
    // Half a file would be kept the next time.
    if (begun) rmSync(path, { force: true });
    throw new InitError(`${path} cannot be written: ${code}`);
  }
}

/** What `--init` prints: each file, and how to go on. */
export function formatInit(files: readonly InitFile[]): string {
  const conf = files[0]!.path;
  const own = files.filter(({ path }) => dirname(path) === dirname(conf));
  const policies = files.filter((file) => !own.includes(file));
  const written = policies.filter((file) => file.written).length;
  return [
    ...own.map(({ path, written }) => (written ? `written: ${path}` : `kept as it is: ${path}`)),
    `policies, in ${join(dirname(conf), POLICIES)}: ${written} written, ${policies.length - written} kept as they are`,
    "The daemon must be able to read them, others should not: secrets.lua has the password for HTTP and the key of the console.",
    `Check: trackalert --check-config -C ${conf}`,
    `Serve: trackalert -C ${conf}`,
  ].join("\n");
}
