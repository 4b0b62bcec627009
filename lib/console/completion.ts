/** What Tab knows: the commands of the console, and the globals of the daemon with their fields. */
import { CONSOLE_COMMANDS } from "../lua/console-commands.ts";
import { toByteString, toText } from "../text/byte-string.ts";
import { type Execute, QUIT } from "./answer.ts";
import namesChunk from "./names.lua" with { type: "text" };

/** Milliseconds that a daemon gets to answer: whoever presses Tab waits for it. */
const PATIENCE = 1000;

/** A name, or names joined as in `a.b:c`, before the cursor. */
const LONGEST_PATH = 256;
const PATH = /(?:[A-Za-z_]\w*[.:])*(?:[A-Za-z_]\w*)?$/;
const NAME = /^[A-Za-z_]\w*\(?$/;

/** As they are called; the parenthesis stays open where there are arguments. */
const COMMANDS = [...[...CONSOLE_COMMANDS.keys()].map((call) => call.replace(/(?<=\()[^)].*/, "")), QUIT];

/**
 * @param line up to the cursor
 * @param execute asks the daemon; undefined when it is busy with a chunk
 * @returns what the word before the cursor may become, and that word. An empty line may become any command.
 */
export async function complete(line: string, execute: Execute | undefined): Promise<[hits: string[], word: string]> {
  if (line === "") return [COMMANDS, ""];
  const [word] = PATH.exec(line.slice(-LONGEST_PATH))!;
  if (word === "") return [[], ""];
  const commands = COMMANDS.filter((call) => call.startsWith(word));
  const known = new Set(commands.map((call) => call.replace(/\(.*/, "")));
  const names = execute ? await askNames(word, execute) : [];
  return [[...commands, ...names.filter((name) => !known.has(name.replace("(", "")))], word];
}

async function askNames(word: string, execute: Execute): Promise<string[]> {
  const start = /\w*$/.exec(word)!.index;
  const [path, begun] = [word.slice(0, start), word.slice(start)];
  const chunk = toByteString(`local path, word = "${path}", "${begun}"\n${namesChunk}`);
  const answer = await Promise.race([execute(chunk), Bun.sleep(PATIENCE)]).catch(() => undefined);
  const names = answer === undefined ? [] : toText(answer).split("\n");
  return names.filter((name) => NAME.test(name) && name.startsWith(begun)).map((name) => path + name);
}
