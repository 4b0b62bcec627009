/** What console chunks print, until it is answered. */
import type { ByteString } from "../text/byte-string.ts";
import { LuaError } from "./state.ts";
import type { Tasks } from "./tasks.ts";

/** Bytes that one chunk may print. An answer holds far less; a chunk in a loop must not fill the memory. */
const MOST_PRINTED = 16 * 1024 * 1024;

/** Not the number of a run. */
const NO_RUN = 0;

export class ConsoleOutput {
  /** By the number of the run: several chunks may wait at the same time. */
  private readonly printed = new Map<number, ByteString>();

  constructor(private readonly tasks: Tasks) {}

  /** Whether what runs now is a console chunk, or was called by one. */
  get listening(): boolean {
    return this.printed.has(this.tasks.runNumber ?? NO_RUN);
  }

  /**
   * Adds to the answer of the chunk that is running; nothing happens outside the console.
   * @throws {LuaError} when the chunk has printed too much
   */
  print(text: ByteString): void {
    const run = this.tasks.runNumber ?? NO_RUN;
    const before = this.printed.get(run);
    if (before === undefined) return;
    if (before.length + text.length > MOST_PRINTED) {
      throw new LuaError(`a chunk may print ${MOST_PRINTED} bytes, this one has printed more`);
    }
    this.printed.set(run, (before + text) as ByteString);
  }

  /** Listens to the run that is about to start. @returns its number */
  begin(): number {
    const run = this.tasks.lastRunNumber;
    this.printed.set(run, "" as ByteString);
    return run;
  }

  /** @returns what the run has printed */
  end(run: number): ByteString {
    const printed = this.printed.get(run) ?? ("" as ByteString);
    this.printed.delete(run);
    return printed;
  }
}
