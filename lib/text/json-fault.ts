/** Finds out where and why a text is no JSON: JSON.parse refuses it, but does not say where. */
import { type ByteString, toText } from "./byte-string.ts";

/** Sticky: each is tried at one position only. */
const SPACE = /[ \t\n\r]*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const STRING_ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** What may come next, and what is expected behind it; "" is whatever the innermost open bracket wants. */
const VALUE = { string: "", scalar: "", "[": "a value or ']'", "{": "a name or '}'" };
const GRAMMAR: Record<string, Record<string, string>> = {
  "a value": VALUE,
  "a value or ']'": { ...VALUE, "]": "" },
  "a name": { string: "':'" },
  "a name or '}'": { string: "':'", "}": "" },
  "':'": { ":": "a value" },
  "',' or ']'": { ",": "a value", "]": "" },
  "',' or '}'": { ",": "a name", "}": "" },
  "nothing more": {},
};

/**
 * Keeps the open brackets in a list, so that depth is no danger.
 * @returns undefined when there is none
 */
export function findFault(body: ByteString): string | undefined {
  const open: string[] = [];
  let expected = "a value";
  let at = 0;
  while (true) {
    at += lengthAt(SPACE, body, at);
    if (at === body.length && expected === "nothing more") return undefined;
    const { kind, length } = tokenAt(body, at);
    const next = GRAMMAR[expected]![kind];
    if (next === undefined) {
      const control = controlIn(body, at);
      if (control !== undefined && "string" in GRAMMAR[expected]!) return control;
      const shown = JSON.stringify(toText(body.slice(at, at + 16) as ByteString));
      return `not JSON: ${expected} expected at byte ${at + 1}, ${at < body.length ? `got ${shown}` : "the body ends"}`;
    }
    if (kind === "[" || kind === "{") open.push(kind);
    if (kind === "]" || kind === "}") open.pop();
    const around = open.at(-1);
    expected = next || (around === undefined ? "nothing more" : around === "[" ? "',' or ']'" : "',' or '}'");
    at += length;
  }
}

/** The token at a position: its kind as the grammar names it, "" for none. */
function tokenAt(body: ByteString, at: number): { kind: string; length: number } {
  const first = body.charAt(at);
  if (first !== "" && "[]{},:".includes(first)) return { kind: first, length: 1 };
  const kind = first === '"' ? "string" : "scalar";
  const length = kind === "string" ? stringLengthAt(body, at) : lengthAt(SCALAR, body, at);
  return length === 0 ? { kind: "", length } : { kind, length };
}

/** What is said of a string that does not end because a control character stands in it. */
function controlIn(body: ByteString, start: number): string | undefined {
  if (body.charAt(start) !== '"') return undefined;
  let at = start + 1;
  while (at < body.length && body.charCodeAt(at) >= 0x20) at += body.charAt(at) === "\\" ? 2 : 1;
  if (at >= body.length) return undefined;
  const code = body.charCodeAt(at);
  const hex = code.toString(16).padStart(4, "0");
  const escape = JSON.stringify(body.charAt(at)).slice(1, -1);
  return `not JSON: a control character, U+${hex.toUpperCase()}, in a string at byte ${at + 1}: it is written ${escape}`;
}

/** The length of a string, quotes included; 0 when it does not end. A loop: an expression would remember each character. */
function stringLengthAt(body: ByteString, start: number): number {
  for (let at = start + 1; at < body.length; at++) {
    const code = body.charCodeAt(at);
    if (code === 0x22 /* " */) return at + 1 - start;
    if (code < 0x20) return 0;
    if (code !== 0x5c /* \ */) continue;
    const escape = lengthAt(STRING_ESCAPE, body, at);
    if (escape === 0) return 0;
    at += escape - 1;
  }
  return 0;
}

/** How many characters a sticky expression matches at a position. */
function lengthAt(expression: RegExp, body: ByteString, at: number): number {
  expression.lastIndex = at;
  return expression.test(body) ? expression.lastIndex - at : 0;
}
