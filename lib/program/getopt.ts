/**
 * Options as getopt takes them: short ones that are combined or joined to their value (`-sC FILE`, `-CFILE`), a value that may
 * be left out (`-c`), and a clear "no" to options that do not exist.
 */
import type { ArgsDef } from "citty";

import { escapeControls } from "../log/log.ts";

export interface OptionSyntax {
  options: ArgsDef;
  /** Options whose value may be left out: a following word that begins with `-` is not theirs. */
  optional: ReadonlySet<string>;
  /** Options whose value is joined to them by `=` or left out: the word that follows is never theirs. */
  joined: ReadonlySet<string>;
  /** Options whose value is the first of several files. */
  files: ReadonlySet<string>;
}

/** The command line cannot be understood: one line for standard error, exit 2. */
export class UsageError extends Error {
  override name = "UsageError";
  constructor(message: string) {
    super(escapeControls(message));
  }
}

/**
 * Writes every option as `--name` or `--name=value`, one a word. Of a value that is given twice the last one counts; not so
 * of files, which are all that stands for no option or its value.
 * @throws {UsageError}
 */
export function expandOptions(args: readonly string[], syntax: OptionSyntax): { words: string[]; files: string[] } {
  const words: string[] = [];
  const files: string[] = [];
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word.startsWith("--") && word !== "--") {
      const [, name = "", value] = /^--([^=]*)(?:=(.*))?$/s.exec(word)!;
      const expanded = expandOption(`--${name}`, name, value, rest, syntax);
      if (syntax.files.has(name)) files.push(expanded.slice(`--${name}=`.length));
      words.push(expanded);
    } else if (word.startsWith("-") && word.length > 1 && word !== "--") {
      words.push(...expandShort(word.slice(1), rest, syntax));
    } else {
      files.push(word);
    }
  }
  return { words, files };
}

/** Takes a word of combined short options apart; one that takes a value takes what is left of the word. */
function expandShort(letters: string, rest: string[], syntax: OptionSyntax): string[] {
  const { options } = syntax;
  const words: string[] = [];
  for (let i = 0; i < letters.length; i++) {
    const letter = letters[i]!;
    const name = Object.entries(options).find(([, def]) => "alias" in def && def.alias === letter)?.[0];
    const shown = `-${letter}`;
    if (name === undefined || !takesValue(name, syntax)) {
      words.push(expandOption(shown, name ?? "", undefined, rest, syntax));
    } else {
      const joined = letters.slice(i + 1);
      words.push(expandOption(shown, name, joined === "" ? undefined : joined, rest, syntax));
      break;
    }
  }
  return words;
}

const takesValue = (name: string, { options }: OptionSyntax): boolean => options[name]!.type === "string";

/** @param shown the option as the user wrote it */
function expandOption(
  shown: string,
  name: string,
  value: string | undefined,
  rest: string[],
  syntax: OptionSyntax,
): string {
  if (!Object.hasOwn(syntax.options, name)) throw new UsageError(`unknown option '${shown}'; --help lists them`);
  if (!takesValue(name, syntax)) {
    if (value !== undefined) throw new UsageError(`option '${shown}' takes no value`);
    return `--${name}`;
  }
  if (value === undefined && syntax.optional.has(name) && (rest[0] ?? "-").startsWith("-")) return `--${name}=`;
  if (value === undefined && syntax.joined.has(name)) return `--${name}=`;
  // Its files may stand anywhere, so an option in the place of one is easily written.
  if (value === undefined && syntax.files.has(name) && rest[0]?.startsWith("--")) {
    throw new UsageError(`option '${shown}' needs a value, got the option '${rest[0]}'`);
  }
  const given = value ?? rest.shift();
  if (given === undefined) throw new UsageError(`option '${shown}' needs a value`);
  return `--${name}=${given}`;
}
