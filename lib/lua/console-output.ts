/** What console chunks print and what went wrong in them, until it is answered. */
import type { ByteString } from "../text/byte-string.ts";
import { LuaError } from "./state.ts";
import type { Tasks } from "./tasks.ts";

/** Bytes that one chunk may print. An answer holds far less; a chunk in a loop must not fill the memory. */
const MOST_PRINTED = 16 * 1024 * 1024;

/** The first ones tell enough. */
const MOST_PROBLEMS = 100;

/** Not the number of a run. */
const NO_RUN = 0;

interface Output {
  printed: ByteString;
  /** Mistakes after which the chunk went on. */
  problems: string[];
}

export class ConsoleOutput {
  /** By the number of the run: several chunks may wait at the same time. */
  private readonly outputs = new Map<number, Output>();

  constructor(private readonly tasks: Tasks) {}

  /** Whether what runs now is a console chunk, or was called by one. */
  get listening(): boolean {
    return this.current !== undefined;
  }

  /**
   * Adds to the answer of the chunk that is running; nothing happens outside the console.
   * @throws {LuaError} when the chunk has printed too much
   */
  print(text: ByteString): void {
    const output = this.current;
    if (!output) return;
    if (output.printed.length + text.length > MOST_PRINTED) {
      throw new LuaError(`a chunk may print ${MOST_PRINTED} bytes, this one has printed more`);
    }
    output.printed = (output.printed + text) as ByteString;
  }

  /** Makes the answer of the chunk that is running an error; nothing happens outside the console. */
  fail(problem: string): void {
    const problems = this.current?.problems;
    if (problems && problems.length < MOST_PROBLEMS) problems.push(problem);
  }

  /** Listens to the run that is about to start. @returns its number */
  begin(): number {
    const run = this.tasks.lastRunNumber;
    this.outputs.set(run, { printed: "" as ByteString, problems: [] });
    return run;
  }

  /** @returns what the run has printed and what went wrong; nothing when it never began */
  end(run: number): Output {
    const output = this.outputs.get(run) ?? { printed: "" as ByteString, problems: [] };
    this.outputs.delete(run);
    return output;
  }

  private get current(): Output | undefined {
    return this.outputs.get(this.tasks.runNumber ?? NO_RUN);
  }
}
