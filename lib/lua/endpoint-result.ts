/** What a custom endpoint answers, read from the stack. */
import { LuaError, type LuaState } from "./state.ts";
import { type LuaThread, Type } from "./wasm.ts";

export interface EndpointResult {
  success: boolean;
  attributes: [name: string, value: string][];
}

/** @throws {LuaError} when the values are not a boolean and, perhaps, a table of strings, numbers and booleans */
export function readEndpointResult(state: LuaState, L: LuaThread): EndpointResult {
  const { api } = state;
  if (api.lua_type(L, 1) !== Type.boolean) {
    throw new LuaError(`a custom endpoint must return a boolean first, not ${state.typeName(L, 1)}`);
  }
  const success = api.lua_toboolean(L, 1) !== 0;
  const attributes: [string, string][] = [];
  const second = api.lua_type(L, 2);
  if (second !== Type.table && second > Type.nil) {
    throw new LuaError(`a custom endpoint must return a table second, not ${state.typeName(L, 2)}`);
  }
  if (second === Type.table) {
    state.eachPair(L, 2, () => {
      const name = state.scalarText(L, -2) ?? state.typeName(L, -2);
      const value = state.scalarText(L, -1);
      if (value === undefined) {
        const problem = `a custom endpoint's values must be strings, numbers or booleans; '${name}' is a ${state.typeName(L, -1)}`;
        throw new LuaError(problem);
      }
      attributes.push([name, value]);
    });
  }
  return { success, attributes };
}
