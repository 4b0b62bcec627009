/** Chunks, their answers, and how an answer is shown. */
import { escapeControls } from "../log/log.ts";
import { type ByteString, toText } from "../text/byte-string.ts";

/** Runs a chunk of Lua in the daemon. Rejects when there is no answer and never will be. */
export type Execute = (chunk: ByteString) => Promise<ByteString>;

/** The word that leaves a console, on a line of its own. */
export const QUIT = "quit";

/** Whether something went wrong. What the chunk printed before stands in front. */
export const isError = (answer: ByteString): boolean => /^Error: /m.test(answer);

/** An answer with its last line ended; nothing stays nothing. */
export const ended = <Text extends string>(text: Text): Text =>
  (text === "" || text.endsWith("\n") ? text : `${text}\n`) as Text;

/** Safe on a terminal: what would drive it, such as a hostile login name, is escaped; line ends and tabs stay. */
export const showable = (answer: ByteString): string => toText(answer).replace(/[^\n\t]+/g, escapeControls);

/** The console cannot go on; the message says why. */
export class ConsoleError extends Error {
  override name = "ConsoleError";
}

/**
 * Writes an answer on standard output: safe where that is a terminal, otherwise the bytes as they are.
 * @returns when there is room for more
 * @throws {ConsoleError}
 */
export function printAnswer(answer: ByteString): Promise<void> {
  const { stdout } = process;
  const text = ended(answer);
  const bytes = stdout.isTTY ? Buffer.from(showable(text)) : Buffer.from(text, "latin1");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stdout.write(bytes, (error) => (error ? reject(unwritable(error)) : resolve()));
  return promise;
}

const unwritable = (error: NodeJS.ErrnoException): ConsoleError =>
  new ConsoleError(`standard output cannot be written: ${error.code ?? error.message}`);
