/** The console of a daemon in the foreground, on the daemon's own standard input and output. */
import type { Log } from "../log.ts";
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

/** A prompt at a terminal. Other input is read line by line, and the daemon goes on when it ends. */
export function openLocalConsole(execute: Execute, log: Log): LocalConsole {
  if (process.stdin.isTTY && process.stdout.isTTY)
    return new Prompt({ execute, history: new History(historyFile(), log.warn) });
  return { above: (write) => write(), left: readCommands(execute, log), close: () => {} };
}

/** A daemon may well be started with nothing to read, or with input that breaks: only `quit` ends it. */
async function readCommands(execute: Execute, log: Log): Promise<string> {
  try {
    if ((await runLines(process.stdin, execute, printAnswer)) === QUIT) return QUIT;
  } catch (error) {
    const why = error instanceof ConsoleError ? error.message : (error as NodeJS.ErrnoException).code;
    log.warn(`standard input is not read any more: ${why}`);
  }
  return new Promise(() => {});
}
