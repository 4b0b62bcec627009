/** Runs what is typed at the console. */
import { type ByteString, toByteString, toText, withoutByteOrderMark } from "../text/byte-string.ts";
import { isConsoleCommand, SHOWS_NIL } from "./console-commands.ts";
import type { ConsoleOutput } from "./console-output.ts";
import type { PolicyError } from "./policy-error.ts";
import type { LuaState, Reference } from "./state.ts";
import type { Tasks } from "./tasks.ts";
import { type LuaThread, Type } from "./wasm.ts";

interface ConsoleHost {
  state: LuaState;
  tasks: Tasks;
  output: ConsoleOutput;
  /** See {@link Drivers.runConsole}. */
  driver: Reference;
}

/** The answer to a chunk in which something went wrong: what it printed, in lines, and then what that was. */
const failed = (printed: ByteString, problems: readonly string[]): ByteString =>
  (printed.replace(/[^\n]$/, "$&\n") +
    toByteString(problems.map((problem) => `Error: ${problem}`).join("\n"))) as ByteString;

/**
 * Runs a chunk of the console. An expression alone is one too, and so is the bare name of a command, which is called. One
 * that ends with {@link SHOWS_NIL} and has nothing to show but nil is answered by that.
 * @returns what it returned, else what it printed; when it failed or a function complained, what it printed and then
 * `Error: ` and why, a line for each
 */
export async function runConsoleChunk(
  chunk: ByteString,
  { state, tasks, output, driver }: ConsoleHost,
): Promise<ByteString> {
  const showsNil = chunk.endsWith(SHOWS_NIL);
  const source = (showsNil ? chunk.slice(0, -SHOWS_NIL.length) : chunk) as ByteString;
  let run = 0;
  try {
    const returned = await tasks.run(
      "console",
      (L) => {
        state.pushReference(L, driver);
        pushConsoleChunk(state, L, withoutByteOrderMark(source));
        run = output.begin();
        return 1;
      },
      (L) => ({
        text: state.api.lua_type(L, 1) === Type.nil ? undefined : state.bytes(L, 1),
        values: state.number(L, 2)!,
      }),
    );
    const { printed, problems } = output.end(run);
    if (problems.length > 0) return failed(printed, problems);
    const silent = showsNil && printed === "" && returned.values > 0;
    return returned.text ?? (silent ? ("nil" as ByteString) : printed);
  } catch (error) {
    const { printed, problems } = output.end(run);
    const { message, traceback } = error as PolicyError;
    return failed(printed, [...problems, traceback === "" ? message : `${message}\n${traceback}`]);
  }
}

/** @throws {LuaError} for a syntax error: that of the chunk, not of the expression that it was first taken for */
function pushConsoleChunk(state: LuaState, L: LuaThread, source: ByteString): void {
  const word = source.trim();
  if (isConsoleCommand(word)) {
    // The policy may have another use for the name.
    const call = `if type(${word}) == "function" then return ${word}() else return ${word} end` as ByteString;
    return state.pushChunk(L, call, word);
  }
  // Lua shows a chunk without a file as [string "its first line…"]. A = or @ in front would have another meaning.
  const name = toText(/^[=@]/.test(source) ? (` ${source}` as ByteString) : source);
  try {
    state.pushChunk(L, `return ${source}` as ByteString, name);
  } catch {
    state.pushChunk(L, source, name);
  }
}
