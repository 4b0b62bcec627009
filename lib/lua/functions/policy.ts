/** Functions that register a policy's functions. */
import type { HostFunction } from "../call.ts";
import type { Policy } from "../policy.ts";
import { LuaError, type LuaState } from "../state.ts";

/** @param reservedNames names that a custom endpoint may not take */
export function policyFunctions(policy: Policy, state: LuaState, reservedNames: readonly string[]): HostFunction[] {
  return [
    {
      name: "setReport",
      body(call) {
        const report = call.function(1);
        if (policy.report !== undefined) state.release(policy.report);
        policy.report = report;
      },
    },
    {
      name: "setCustomEndpoint",
      body(call) {
        const name = call.text(1);
        const endpoint = call.function(2);
        if (reservedNames.includes(name)) {
          state.release(endpoint);
          throw new LuaError(`setCustomEndpoint: '${name}' is a built-in command`);
        }
        const former = policy.endpoints.get(name);
        if (former !== undefined) state.release(former);
        policy.endpoints.set(name, endpoint);
      },
    },
  ];
}
