/**
 * Numbers with a fraction where a function of Lua's library takes a whole one: cut off, toward zero, as in LuaJIT, where
 * 5.4 raises "number has no integer representation".
 *
 * Every such function asks the C API's `lua_tointegerx` for its arguments, `os.time` for the fields of a date as well, and
 * beside them only `math.tointeger` does (which lua51.lua puts right). So that one function gets another body: it calls
 * the old one and looks for a fraction only where that says no. What is whole already costs no more than a call, and no
 * function has to be wrapped in Lua.
 */
import { AND, bodyOf, call, ELSE, END, F64, get, I64, IF, IS_ZERO, load, set, store } from "./wasm-code.ts";
import type { WasmModule } from "./wasm-module.ts";

/**
 * Gives `lua_tointegerx(L, index, isWhole)` its other body. isWhole points to an int or is null:
 *
 * ```
 *   result = old(L, index, isWhole)
 *   if (isWhole && !*isWhole) {
 *     number = trunc(lua_tonumberx(L, index, isWhole))
 *     if (*isWhole) if (-2^63 <= number < 2^63) result = number else *isWhole = 0
 *   }
 *   return result
 * ```
 */
export function cutFractions(module: WasmModule): void {
  const changed = module.exported("lua_tointegerx");
  const old = module.copy(changed);
  const toNumber = module.exported("lua_tonumberx");
  const [L, index, isWhole, result, cut] = [0, 1, 2, 3, 4] as const;
  const power = (sign: 0x43 | 0xc3): number[] => [0x44, 0, 0, 0, 0, 0, 0, 0xe0, sign]; // a double of 2^63, its sign in front
  const [AT_LEAST, BELOW, TRUNC, TO_INTEGER, ZERO] = [[0x66], [0x63], [0x9d], [0xb0], [0x41, 0]] as const;
  const args = [...get(L), ...get(index), ...get(isWhole)];
  const locals = [
    [1, I64],
    [1, F64],
  ] as const;
  const body = bodyOf(
    locals,
    [...args, ...call(old), ...set(result)],
    [...get(isWhole), ...IF],
    [...get(isWhole), ...load(), ...IS_ZERO, ...IF],
    [...args, ...call(toNumber), ...TRUNC, ...set(cut)],
    [...get(isWhole), ...load(), ...IF],
    [...get(cut), ...power(0xc3), ...AT_LEAST, ...get(cut), ...power(0x43), ...BELOW, ...AND, ...IF],
    [...get(cut), ...TO_INTEGER, ...set(result)],
    [...ELSE, ...get(isWhole), ...ZERO, ...store],
    [...END, ...END, ...END, ...END],
    get(result),
  );
  module.setBody(changed, body);
}
