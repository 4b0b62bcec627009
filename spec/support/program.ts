/** Runs trackalert as a program of its own, as a user would. */
import { join, resolve } from "node:path";

const PROJECT = join(import.meta.dir, "..", "..");

export interface Program extends AsyncDisposable {
  /** Everything on standard output so far. */
  output(): string;
  /** Resolves with the first match of standard output. Rejects when the program ends without one. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** The end: exit code and everything that was printed. */
  ended: Promise<{ code: number; output: string; errors: string }>;
}

/**
 * @param args of trackalert; `script` is what Bun runs, index.ts unless given
 * @param launcher a command that becomes the one that follows it, such as `env NAME=value`
 */
export const startProgram = (
  args: string[],
  script = "index.ts",
  cwd = PROJECT,
  launcher: readonly string[] = [],
): Program => startCommand([...launcher, process.execPath, resolve(PROJECT, script), ...args], cwd);

/** Runs any program. */
export function startCommand(command: string[], cwd: string): Program {
  const child = Bun.spawn(command, { cwd, stdout: "pipe", stderr: "pipe" });
  const listeners = new Set<() => void>();
  let output = "";
  let closed = false;
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout as unknown as AsyncIterable<Uint8Array>) {
      output += decoder.decode(chunk, { stream: true });
      for (const listener of listeners) listener();
    }
    closed = true;
    for (const listener of listeners) listener();
  })();
  const errors = new Response(child.stderr).text();
  const ended = Promise.all([child.exited, errors, reading]).then(([code, text]) => ({ code, output, errors: text }));
  return {
    output: () => output,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (!match && !closed) return;
          listeners.delete(look);
          if (match) resolve(match);
          else void errors.then((text) => reject(new Error(`the program ended: ${output}${text}`)));
        };
        listeners.add(look);
        look();
      }),
    kill: (signal) => child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Runs trackalert to its end. @param input what is on its standard input */
export async function runProgram(
  args: string[],
  input: string | Uint8Array = "",
): Promise<{ code: number; output: string; errors: string; bytes: Uint8Array }> {
  const child = Bun.spawn([process.execPath, join(PROJECT, "index.ts"), ...args], {
    cwd: PROJECT,
    stdin: Buffer.from(input as string),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [bytes, errors, code] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, output: Buffer.from(bytes).toString(), errors, bytes };
}
