/** Input that is not a terminal: each line is a chunk. */
import { type ByteString, fromBytes } from "../text/byte-string.ts";
import { ConsoleError, type Execute, QUIT } from "./answer.ts";

/** Bytes of a line. More than a message of the control socket holds; input without line ends must not fill the memory. */
const LONGEST_LINE = 1024 * 1024;

/**
 * Runs one line after the other.
 * @param write takes an answer; when it is resolved there is room for the next
 * @returns why it ended: the input did, or a line said so
 * @throws {ConsoleError}, and what `execute` and `write` throw
 */
export async function runLines(
  input: AsyncIterable<Uint8Array>,
  execute: Execute,
  write: (answer: ByteString) => Promise<void>,
): Promise<"end" | typeof QUIT> {
  for await (const line of splitLines(input)) {
    const chunk = line.trim();
    if (chunk === QUIT) return QUIT;
    if (chunk !== "") await write(await execute(line));
  }
  return "end";
}

/** @throws {ConsoleError} when a line is longer than {@link LONGEST_LINE} */
async function* splitLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<ByteString> {
  let rest = "";
  for await (const bytes of input) {
    const text = fromBytes(bytes);
    // A line may come a byte at a time: what has no end is not gone through anew for each.
    const lines = text.includes("\n") ? (rest + text).split("\n") : [rest + text];
    rest = lines.pop()!;
    if (rest.length > LONGEST_LINE)
      throw new ConsoleError(`standard input has a line of more than ${LONGEST_LINE} bytes`);
    yield* lines as ByteString[];
  }
  if (rest !== "") yield rest as ByteString;
}
