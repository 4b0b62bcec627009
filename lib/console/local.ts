/** The console of a daemon in the foreground, on the daemon's own standard input and output. */
import { readFileSync } from "node:fs";

import type { Log } from "../log/log.ts";
import { ConsoleError, type Execute, printAnswer, QUIT } from "./answer.ts";
import { History, historyFile } from "./history.ts";
import { runLines } from "./lines.ts";
import { Prompt } from "./prompt.ts";

export interface LocalConsole {
  /** Writes to standard output what is no answer, such as log lines, without garbling what is being typed. */
  above(write: () => void): void;
  /** Resolves with what asks the daemon to end. */
  left: Promise<string>;
  /** Gives a terminal back as it was. */
  close(): void;
}

const NEVER = new Promise<never>(() => {});

/** A prompt at a terminal. Other input is read line by line, and the daemon goes on when it ends. */
export function openLocalConsole(execute: Execute, log: Log): LocalConsole {
  const { stdin, stdout } = process;
  const above = (write: () => void): void => write();
  const close = (): void => {};
  if (stdin.isTTY && !inForeground()) return { above, left: NEVER, close };
  if (stdin.isTTY && stdout.isTTY) {
    return new Prompt({ execute, history: new History(historyFile(), log.warn), isDaemon: true });
  }
  return { above, left: readCommands(execute, log), close };
}

/**
 * Whether this process may use its terminal. A shell's job in the background (`trackalert &`) would be stopped for trying,
 * and reports would not be taken. Compares the process groups of this process and of the terminal: proc(5), Linux only.
 */
function inForeground(): boolean {
  try {
    const [, , group, , , foreground] = readFileSync("/proc/self/stat", "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return group === foreground;
  } catch {
    return true;
  }
}

/** A daemon may well be started with nothing to read, or with input that breaks: only `quit` ends it. */
async function readCommands(execute: Execute, log: Log): Promise<string> {
  try {
    if ((await runLines(process.stdin, execute, printAnswer)) === QUIT) return QUIT;
  } catch (error) {
    const why = error instanceof ConsoleError ? error.message : (error as NodeJS.ErrnoException).code;
    log.warn(`standard input is not read any more: ${why}`);
  }
  return NEVER;
}
