/**
 * `-d`: runs this program again as a daemon: in a session of its own, without a terminal, its standard streams on
 * /dev/null. The one that was started waits until the other serves, so that a start that fails is seen.
 */
import { spawn } from "node:child_process";
import { closeSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";

/** Tells the second run what it is: holds the descriptor on which it reports. */
const VARIABLE = "TRACKALERT_REPORT_TO";
const DESCRIPTOR = 3;

/** The report of a start that worked; every other one is the text of an error. */
const SERVES = "serves";

/** The daemon did not come up; the message is what it said. */
export class DetachError extends Error {
  override name = "DetachError";
}

/** The command that runs this program: by Bun, or as an executable that `bun build --compile` made. */
const ownCommand = (): string[] =>
  Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, ...process.execArgv, Bun.main];

/**
 * Starts the daemon with the arguments of this process.
 * @returns the id of its process, when it serves
 * @throws {DetachError}
 */
export async function detach(): Promise<number> {
  const [program, ...own] = ownCommand();
  const child = spawn(program!, [...own, ...process.argv.slice(2)], {
    detached: true, // setsid(2)
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { ...process.env, [VARIABLE]: String(DESCRIPTOR) },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const ended = new Promise<string>((resolve) => {
    child.on("exit", (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
    child.on("error", ({ message }) => resolve(`could not be started: ${message}`));
  });
  let report = "";
  for await (const text of (child.stdio[DESCRIPTOR] as Readable).setEncoding("utf8")) report += text;
  if (report === SERVES) return child.pid!;
  throw new DetachError(report || `the daemon ${await ended} before it served; -s in place of -d shows more`);
}

/** What the second run tells the first one. */
export class StartReport {
  private constructor(private readonly descriptor: number) {}

  /** Undefined in a process that was not started by {@link detach}. May be asked once. */
  static take(): StartReport | undefined {
    const descriptor = process.env[VARIABLE];
    delete process.env[VARIABLE];
    return descriptor === undefined ? undefined : new StartReport(Number(descriptor));
  }

  serves(): void {
    this.send(SERVES);
  }

  /** @param text of the error, in lines */
  failed(text: string): void {
    this.send(text);
  }

  private send(text: string): void {
    try {
      writeSync(this.descriptor, text);
      closeSync(this.descriptor);
    } catch {
      // Who waited has gone; there is nobody else to tell.
    }
  }
}
