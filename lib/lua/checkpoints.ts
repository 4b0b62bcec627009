/**
 * Lua's count hook, by which a task is stopped at its limit, is called between Lua's instructions only. Functions of its
 * library that a number or a text makes long would run on for minutes out of its reach: `table.move({}, 1, 1e15, 2)`,
 * `table.concat` and `table.unpack` over a `__len` of 1e15, a pattern such as `a-a-a-b` whose steps grow with a power of
 * the text's length. So their loops get checkpoints: each counts down one variable, and calls the thread's hook when that
 * is below zero, about as often as Lua's own instructions do.
 *
 * The functions of the `table` library all pass through `lua_geti` and `lua_seti`, which have theirs at the entry. Of the
 * others, those that take more than linear time for what they are given have them in their loops. What is linear ends by
 * itself, for a string has its bound: see longest-string.ts.
 */
import {
  BELOW_ZERO,
  bodyOf,
  call,
  callsOf,
  constant,
  END,
  get,
  getGlobal,
  I32,
  IF,
  instructions,
  isLoop,
  load,
  number,
  set,
  setGlobal,
  SUBTRACT,
  withCodeBehind,
  withLocal,
  withPrologue,
} from "./wasm-code.ts";
import type { WasmModule } from "./wasm-module.ts";

/** Turns between two calls of the hook: some 5 µs. */
const TURNS = 1000;

/** What the functions are found by, the number of their parameters, and where they have the thread. */
const LOOPING = [
  { text: "pattern too complex", params: 3, thread: [...get(0), ...load(12)] }, // match(ms, …): ms->L
  { text: "^$*+?.([%-", params: 2, thread: get(0) }, // str_find_aux(L, find)
  { text: "resulting string too large", params: 1, thread: get(0) }, // str_rep(L)
  { text: "string longer than given size", params: 1, thread: get(0) }, // str_pack(L)
  { text: "value has no literal form", params: 1, thread: get(0) }, // str_format(L)
  { text: "invalid format", params: 3, thread: get(0) }, // g_read(L, file, first)
  { text: "no file '", params: 5, thread: get(0) }, // searchpath(L, name, path, …)
] as const;

export function placeCheckpoints(module: WasmModule): void {
  const left = module.addGlobal();
  const countDown = [...getGlobal(left), ...constant(1), ...SUBTRACT, ...setGlobal(left)];
  const check = addCheck(module, left);
  const checkpoint = (thread: readonly number[]): number[] => [
    ...countDown,
    ...getGlobal(left),
    ...BELOW_ZERO,
    ...IF,
    ...thread,
    ...call(check),
    ...END,
  ];
  for (const name of ["lua_geti", "lua_seti"]) {
    const index = module.exported(name);
    module.setBody(index, withPrologue(module.body(index), checkpoint(get(0))));
  }
  for (const { text, params, thread } of LOOPING) {
    const index = module.functionWith(text);
    // A function may have put its parameters to another use by then.
    const { body, local } = withLocal(module.body(index), params);
    const checked = withCodeBehind(body, isLoop, checkpoint(get(local)));
    module.setBody(index, withPrologue(checked, [...thread, ...set(local)]));
  }
  // What the matcher compares at once, memcmp has to: it cannot stop, but its caller does then.
  const matcher = module.functionWith(LOOPING[0].text);
  for (const index of new Set(callsOf(module.body(matcher)))) {
    const body = module.bodyIfAny(index);
    if (index === matcher || index === check || !body || !instructions(body).some(isLoop)) continue;
    module.setBody(index, withCodeBehind(body, isLoop, countDown));
  }
}

/**
 * `check(L)`: begins to count anew and calls the thread's hook, if it has one, with null for the activation record, which
 * says that this is within a function of C.
 */
function addCheck(module: WasmModule, left: number): number {
  const [L, hook] = [0, 1] as const;
  const hookType = module.addType([I32, I32], []);
  const CALL_INDIRECT = [0x11, ...number(hookType), 0];
  const body = bodyOf(
    [[1, I32]],
    [...constant(TURNS), ...setGlobal(left)],
    [...get(L), ...call(module.exported("lua_gethook")), ...set(hook)],
    [...get(hook), ...IF, ...get(L), ...constant(0), ...get(hook), ...CALL_INDIRECT, ...END],
  );
  return module.addFunction(module.addType([I32], []), body);
}
