/**
 * Strings of more than {@link LONGEST_STRING} are refused, as `string.rep` refuses what is too large for C: the memory that
 * one takes, and a buffer of half as much again, are not given back. What makes long strings does so in a buffer, or
 * by concatenation.
 */
import {
  ABOVE,
  ADD,
  AND,
  bodyOf,
  call,
  constant,
  DROP,
  END,
  EQUAL,
  get,
  I32,
  IF,
  IS_ZERO_LONG,
  load,
  OR,
  RETURN,
  withPrologue,
  withReplaced,
  XOR,
} from "./wasm-code.ts";
import type { WasmModule } from "./wasm-module.ts";

/** In bytes. */
const LONGEST_STRING = 256 * 1024 ** 2;

const TOO_LARGE = "resulting string too large";

export function limitStrings(module: WasmModule): void {
  limitBuffers(module);
  limitConcatenation(module);
  repeatNothingAtOnce(module);
}

/** `prepbuffsize(B, size, …)` is what gives any buffer room for so many more: B has the count at 8 and the thread at 12. */
function limitBuffers(module: WasmModule): void {
  const [B, size] = [0, 1] as const;
  const limit = constant(LONGEST_STRING);
  const index = module.functionWith("buffer too large");
  const isTooLarge = [
    ...[...get(size), ...limit, ...ABOVE],
    ...[...get(B), ...load(8), ...get(size), ...ADD, ...limit, ...ABOVE, ...OR],
  ];
  const refuse = [...get(B), ...load(12), ...call(addRefusal(module))];
  module.setBody(index, withPrologue(module.body(index), [...isTooLarge, ...IF, ...refuse, ...END]));
}

/** `luaV_concat` compares the length of each further string with `~total`, all that 32 bits can count. */
function limitConcatenation(module: WasmModule): void {
  const index = module.functionWith("string length overflow");
  const complement = [...constant(-1), ...XOR];
  const left = [...complement, ...constant(LONGEST_STRING + 2), ...ADD];
  module.setBody(index, withReplaced(module.body(index), complement, left));
}

/** `str_rep(L)` would copy nothing, a number of times. */
function repeatNothingAtOnce(module: WasmModule): void {
  const [NONE, NIL, STRING] = [-1, 0, 4] as const;
  const ask = (name: string, position: number): number[] => [
    ...get(0),
    ...constant(position),
    ...call(module.exported(name)),
  ];
  const hasType = (position: number, type: number): number[] => [
    ...ask("lua_type", position),
    ...constant(type),
    ...EQUAL,
  ];
  const hasNoLength = (position: number): number[] => [...ask("lua_rawlen", position), ...IS_ZERO_LONG];
  const isEmpty = [...hasType(3, STRING), ...hasNoLength(3), ...AND];
  const isAbsent = [...hasType(3, NONE), ...hasType(3, NIL), ...OR];
  const index = module.functionWith(TOO_LARGE);
  const answer = [...ask("luaL_checkinteger", 2), ...DROP, ...ask("lua_pushvalue", 1), ...constant(1), ...RETURN];
  // What is not empty is asked no further.
  const isNothing = [...hasType(1, STRING), ...isEmpty, ...isAbsent, ...OR, ...AND];
  const code = [...hasNoLength(1), ...IF, ...isNothing, ...IF, ...answer, ...END, ...END];
  module.setBody(index, withPrologue(module.body(index), code));
}

/** `refuse(L)`: `luaL_error(L, TOO_LARGE)`, which has a list of arguments in C and is not exported. */
function addRefusal(module: WasmModule): number {
  const to = (name: string, ...args: number[]): number[] => [
    ...get(0),
    ...args.flatMap(constant),
    ...call(module.exported(name)),
  ];
  const body = bodyOf(
    [],
    to("luaL_where", 1),
    [...to("lua_pushstring", module.addressOf(TOO_LARGE)), ...DROP],
    to("lua_concat", 2),
    [...to("lua_error"), ...DROP],
  );
  return module.addFunction(module.addType([I32], []), body);
}
