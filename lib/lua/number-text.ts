/**
 * Numbers as text without `.0`, as in Lua 5.1, where all numbers are floats: `60`, not `60.0`, for 3600 / 60.
 *
 * Lua 5.4 (lobject.c, tostringbuff) adds `.0` to a float's digits when they consist of the characters of one constant.
 * That is overwritten in the memory of a new instance, so `tostring`, `..`, `print` and the keys that are made of them
 * are as 5.1 has them. Nothing else reads it: `math.type`, arithmetic, `%d` and `%q` stay as they are.
 */

const DIGITS = Buffer.from("-0123456789");
/** A character that the text of no number has. */
const NO_DIGIT = 0x7f;

/**
 * @param memory the constants of an instance in which no Lua has run yet
 * @throws when the constant is not there exactly once: this is another build, and what is overwritten would be a guess
 */
export function writeWholeNumbersPlainly(memory: Buffer): void {
  const at = memory.indexOf(DIGITS);
  if (at < 0 || memory.indexOf(DIGITS, at + 1) >= 0) {
    throw new Error(`this build of Lua does not have the constant ${DIGITS} exactly once: is wasmoon another version?`);
  }
  memory.fill(NO_DIGIT, at, at + DIGITS.length);
}
