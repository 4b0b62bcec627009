/** What console chunks print, until it is answered. */
import type { ByteString } from "../byte-string.ts";
import { LuaError } from "./state.ts";
import type { Tasks } from "./tasks.ts";
import type { LuaThread } from "./wasm.ts";

/** Bytes that one chunk may print. An answer holds far less; a chunk in a loop must not fill the memory. */
const MOST_PRINTED = 16 * 1024 * 1024;

export class ConsoleOutput {
  /** By the thread of the task that runs the chunk: several may wait at the same time. */
  private readonly printed = new Map<LuaThread, ByteString>();

  constructor(private readonly tasks: Tasks) {}

  /** Whether what runs now is a console chunk, or was called by one. */
  get listening(): boolean {
    return this.printed.has(this.tasks.thread ?? 0);
  }

  /**
   * Adds to the answer of the chunk that is running; nothing happens outside the console.
   * @throws {LuaError} when the chunk has printed too much
   */
  print(text: ByteString): void {
    const thread = this.tasks.thread ?? 0;
    const before = this.printed.get(thread);
    if (before === undefined) return;
    if (before.length + text.length > MOST_PRINTED) {
      throw new LuaError(`a chunk may print ${MOST_PRINTED} bytes, this one has printed more`);
    }
    this.printed.set(thread, (before + text) as ByteString);
  }

  /** Listens to a task that is about to start. */
  begin(thread: LuaThread): void {
    this.printed.set(thread, "" as ByteString);
  }

  /** @returns what the task has printed */
  end(thread: LuaThread): ByteString {
    const printed = this.printed.get(thread) ?? ("" as ByteString);
    this.printed.delete(thread);
    return printed;
  }
}
