/**
 * Mistakes that a policy goes on after: a name that nobody registered, an address that is none. They are errors in the log,
 * and in the answer of the console chunk that made them.
 */
import type { Log } from "../log/log.ts";
import { copyOf } from "../text/byte-string.ts";
import type { ConsoleOutput } from "./console-output.ts";

/** A policy may make names up from its input; so many different problems are logged once, and so many characters of each. */
const MOST_REMEMBERED = 1000;
const LONGEST_PROBLEM = 512;

export class Complaints {
  private readonly told = new Set<string>();

  constructor(
    private readonly log: Log,
    private readonly output: ConsoleOutput,
  ) {}

  readonly tell = (problem: string): void => {
    this.log.error(problem);
    this.output.fail(problem);
  };

  /** As {@link tell}, but the log has each problem once: for functions that a policy calls for each report. */
  readonly tellOnce = (problem: string): void => {
    const message = problem.slice(0, LONGEST_PROBLEM);
    this.output.fail(message);
    if (this.told.has(message) || this.told.size >= MOST_REMEMBERED) return;
    this.told.add(copyOf(message));
    this.log.error(message);
  };
}
