/**
 * Regular expressions as PCRE, RE2 and Python write them, in JavaScript's syntax. JavaScript takes many an unknown escape for
 * the letter behind it, so that such an expression would match nothing, and nobody would be told.
 *
 * What has an equal becomes it; what has none is an error. Written after pcre2pattern(3), RE2's syntax page and the manual of
 * Python's `re`.
 */

/** Something that JavaScript has no equal for. The message names it. */
export class RegexSyntaxError extends Error {
  override name = "RegexSyntaxError";
}

const HORIZONTAL = "\\t \\xa0\\u1680\\u180e\\u2000-\\u200a\\u202f\\u205f\\u3000";
const VERTICAL = "\\n\\v\\f\\r\\x85\\u2028\\u2029";

/** Escapes outside of brackets that JavaScript writes otherwise. */
const ESCAPES = new Map([
  ["A", "(?<![\\s\\S])"],
  ["z", "(?![\\s\\S])"],
  ["Z", "(?=\\n?(?![\\s\\S]))"],
  ["h", `[${HORIZONTAL}]`],
  ["H", `[^${HORIZONTAL}]`],
  ["R", `(?:\\r\\n|[${VERTICAL}])`],
  ["N", "[^\\n]"],
  ["e", "\\x1b"],
  ["a", "\\x07"],
]);
/** Those of them that may stand in brackets. */
const ESCAPES_IN_CLASS = new Map([
  ["h", HORIZONTAL],
  ["e", "\\x1b"],
  ["a", "\\x07"],
]);
/** What no expression here can say: the start of the last match, resets, properties, single bytes, graphemes, subroutines. */
const WITHOUT_EQUAL = "GKCXpPgoL";

/** POSIX classes, as members of a class; in ASCII, as in all three. */
const POSIX_CLASSES = new Map([
  ["alnum", "0-9A-Za-z"],
  ["alpha", "A-Za-z"],
  ["ascii", "\\x00-\\x7f"],
  ["blank", " \\t"],
  ["cntrl", "\\x00-\\x1f\\x7f"],
  ["digit", "0-9"],
  ["graph", "!-~"],
  ["lower", "a-z"],
  ["print", " -~"],
  ["punct", "!-\\/:-@\\[-`{-~"],
  ["space", " \\t-\\r"],
  ["upper", "A-Z"],
  ["word", "0-9A-Z_a-z"],
  ["xdigit", "0-9A-Fa-f"],
]);

/** @throws {RegexSyntaxError} for what has no equal, {SyntaxError} for what is no expression */
export function compileRegex(pattern: string, flag: "" | "i"): RegExp {
  const { source, flags } = new Translation(pattern);
  return new RegExp(source, flag === "i" && !flags.includes("i") ? `${flags}i` : flags);
}

class Translation {
  /** In JavaScript's syntax. */
  source = "";
  /** That the pattern itself asks for, such as with `(?i)`. */
  flags = "";
  private at = 0;

  constructor(private readonly pattern: string) {
    while (this.at < pattern.length) this.source += this.next();
  }

  private next(): string {
    const leadingFlags = this.at === 0 && this.take(/\(\?([ims]+)\)/y);
    if (leadingFlags) {
      this.flags = [...new Set(leadingFlags[1])].join("");
      return "";
    }
    if (this.take(/\(\?#[^)]*\)/y)) return "";
    const name = this.take(/\(\?P<(\w+)>/y);
    if (name) return `(?<${name[1]}>`;
    const reference = this.take(/\(\?P=(\w+)\)/y);
    if (reference) return `\\k<${reference[1]}>`;
    const group = this.take(/\(\?(?:[:=!]|<[=!]|<[A-Za-z_]\w*>|[ims]*(?:-[ims]+)?:)/y);
    if (group) return group[0];
    const unknown = this.take(/\(\?[\s\S]{0,2}/y);
    if (unknown) throw new RegexSyntaxError(`${unknown[0]}…`);
    if (this.take(/\(\*[A-Z]/y)) throw new RegexSyntaxError("verbs such as (*SKIP)");
    const quantifier = this.take(/(?:[*+?]|\{(?:\d+(?:,\d*)?|,\d+)\})[+?]?/y);
    if (quantifier) return knownQuantifier(quantifier[0]);
    if (this.peek("[")) return this.bracket();
    return this.peek("\\") ? this.escape(ESCAPES) : this.pattern[this.at++]!;
  }

  /** A bracket expression, in which a first `]` is itself. */
  private bracket(): string {
    const [opening] = this.take(/\[\^?/y)!;
    let members = this.take(/\]/y) ? "\\]" : "";
    while (this.at < this.pattern.length) {
      if (this.take(/\]/y)) return `${opening}${members}]`;
      const posix = this.take(/\[:(\^?)([a-z]+):\]/y);
      if (posix) {
        const [all, negated, name] = posix;
        const known = POSIX_CLASSES.get(name!);
        if (negated || known === undefined) throw new RegexSyntaxError(all);
        members += known;
      } else members += this.peek("\\") ? this.escape(ESCAPES_IN_CLASS) : this.pattern[this.at++]!;
    }
    throw new SyntaxError("missing terminating ] for character class");
  }

  private escape(known: ReadonlyMap<string, string>): string {
    const quoted = this.take(/\\Q([\s\S]*?)(?:\\E|$)/y);
    if (quoted) return quoted[1]!.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
    if (this.take(/\\E/y)) return "";
    const code = this.take(/\\x\{([0-9A-Fa-f]{1,4})\}|\\U0000([0-9A-Fa-f]{4})/y);
    if (code) return `\\u${(code[1] ?? code[2])!.padStart(4, "0")}`;
    const named = this.take(/\\k[{'](\w+)[}']/y);
    if (named) return `\\k<${named[1]}>`;
    const octal = this.take(/\\(0[0-7]{0,2}|[0-3][0-7]{2})/y);
    if (octal) return `\\x${Number.parseInt(octal[1]!, 8).toString(16).padStart(2, "0")}`;
    const beyond = this.take(/\\(?:x\{[^}]*\}?|U[0-9A-Fa-f]*|N\{[^}]*\}?)/y);
    if (beyond) throw new RegexSyntaxError(beyond[0].slice(0, 20));
    const [escape, letter = ""] = this.take(/\\([\s\S]?)/y)!;
    if (letter !== "" && WITHOUT_EQUAL.includes(letter)) throw new RegexSyntaxError(escape);
    return known.get(letter) ?? escape;
  }

  private peek(character: string): boolean {
    return this.pattern[this.at] === character;
  }

  /** @param token sticky */
  private take(token: RegExp): RegExpExecArray | undefined {
    token.lastIndex = this.at;
    const match = token.exec(this.pattern);
    if (!match) return undefined;
    this.at = token.lastIndex;
    return match;
  }
}

/** `{,3}` means none to three in Python and newer PCRE, and stands for itself in JavaScript. */
function knownQuantifier(quantifier: string): string {
  if (quantifier.length > 1 && quantifier.endsWith("+")) throw new RegexSyntaxError(`the possessive ${quantifier}`);
  return quantifier.replace(/^\{,(?=\d)/, "{0,");
}
