/** Runs trackalert at a terminal of its own, and types. */
import { join } from "node:path";

const PROJECT = join(import.meta.dir, "..", "..");

export interface TerminalProgram extends AsyncDisposable {
  /** Everything that was shown, without escape sequences. */
  output(): string;
  /** Resolves with what was shown since the last call, up to the end of the pattern. Rejects when the program ends without. */
  waitFor(pattern: RegExp): Promise<string>;
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** The terminal goes away. */
  hangUp(): void;
  /** The exit code. */
  ended: Promise<number>;
}

/** Keys as a terminal sends them. */
export const KEY = {
  tab: "\t",
  up: "\x1b[A",
  left: "\x1b[D",
  ctrl: (letter: string) => String.fromCharCode(letter.charCodeAt(0) & 31),
};

export const PROMPT = /(^|\n)> $/;

/** @param shell runs trackalert as `"$@"`; directly unless given */
export function startAtTerminal(
  args: string[],
  environment: Record<string, string> = {},
  shell?: string,
): TerminalProgram {
  const decoder = new TextDecoder();
  const listeners = new Set<() => void>();
  let shown = "";
  let seen = 0;
  let closed = false;
  const notify = (): void => listeners.forEach((listener) => listener());
  const command = [process.execPath, join(PROJECT, "index.ts"), ...args];
  const child = Bun.spawn(shell === undefined ? command : ["bash", "-c", shell, "bash", ...command], {
    cwd: PROJECT,
    env: { ...process.env, ...environment },
    terminal: {
      cols: 80,
      rows: 24,
      data(_, bytes) {
        shown += decoder.decode(bytes, { stream: true });
        notify();
      },
      exit() {
        closed = true;
        notify();
      },
    },
  });
  const output = (): string => Bun.stripANSI(shown).replaceAll("\r", "");
  return {
    output,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const text = output().slice(seen);
          const match = pattern.exec(text);
          if (!match && !closed) return;
          listeners.delete(look);
          if (!match) return reject(new Error(`the program ended: ${JSON.stringify(text)}`));
          const end = match.index + match[0].length;
          seen += end;
          resolve(text.slice(0, end));
        };
        listeners.add(look);
        look();
      }),
    type: (keys) => void child.terminal!.write(keys),
    resize: (columns, rows) => child.terminal!.resize(columns, rows),
    hangUp: () => child.terminal!.close(),
    ended: child.exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      child.terminal!.close();
    },
  };
}
