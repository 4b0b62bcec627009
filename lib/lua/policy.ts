/** The functions that a configuration has registered. */
import type { Reference } from "./state.ts";

/** The policy's functions, live in the Lua state. */
export interface Policy {
  report: Reference | undefined;
  background: Map<string, Reference>;
  endpoints: Map<string, Reference>;
}

export const emptyPolicy = (): Policy => ({
  report: undefined,
  background: new Map(),
  endpoints: new Map(),
});
