/** Names in a configuration that will be nil when their turn comes, perhaps at night: found without running them. */
import type { ByteString } from "../text/byte-string.ts";
import { type GlobalUse, readChunkGlobals } from "./chunk-globals.ts";
import type { Engine } from "./engine.ts";
import { UNAVAILABLE } from "./unavailable.ts";
import { wforceHint } from "./wforce-names.ts";

/** Lua's library: what it does not have is a mistake. A table of the policy's may get its fields later. */
const LIBRARY = ["bit", "coroutine", "debug", "io", "jit", "math", "os", "package", "string", "table", "utf8"];

/**
 * @param engine in which the configuration has run
 * @param chunks what its files compiled to, the configuration's own among them
 * @param main the name of the configuration's chunk
 * @returns a message for each name that nobody defines, and for each function that cannot work, with `file:line: `
 */
export async function findUnknownNames(engine: Engine, chunks: readonly ByteString[], main: string): Promise<string[]> {
  const files = chunks.map(readChunkGlobals);
  const set = new Set(files.flatMap(({ uses }) => uses.filter(({ how }) => how === "sets").map(({ name }) => name)));
  const problems: string[] = [];
  for (const { source, uses } of files) {
    const file = source.replace(/^@/, "");
    const maybe = guarded(uses, file === main);
    const lines = new Map<string, number[]>();
    for (const use of uses) {
      if (maybe.has(use.name)) continue;
      const problem = await problemOf(engine, use, set);
      if (problem !== undefined) lines.set(problem, [...(lines.get(problem) ?? []), use.line]);
    }
    for (const [problem, [first, ...others]] of lines) {
      const also = [...new Set(others)].filter((line) => line !== first);
      const more = also.length > 0 ? ` (also in line ${also.join(", ")})` : "";
      problems.push(`${file}:${first}: ${problem}${more}`);
    }
  }
  return problems;
}

/**
 * Names that a file expects to be missing. A library asks by `if ngx then` where it runs; in the configuration itself that
 * may as well be a flag that is misspelled.
 */
function guarded(uses: readonly GlobalUse[], isMain: boolean): ReadonlySet<string> {
  return new Set(uses.filter(({ how }) => how === "asks" || (how === "tests" && !isMain)).map(({ name }) => name));
}

async function problemOf(
  engine: Engine,
  { name, field, how }: GlobalUse,
  set: ReadonlySet<string>,
): Promise<string | undefined> {
  if (how === "sets") return undefined;
  const path = `${name}.${field}`;
  if (UNAVAILABLE.has(path)) return `${path} is not available: ${UNAVAILABLE.get(path)}`;
  if (!set.has(name) && !(await engine.isDefined(name))) {
    return wforceHint(name) ?? `no global is named ${JSON.stringify(name)}`;
  }
  if (field === undefined || !LIBRARY.includes(name) || (await engine.isDefined(name, field))) return undefined;
  return `there is no ${path}`;
}
