/** The one kind of error that {@link Tasks.run} throws. */
import { LuaError, LuaPanic } from "./state.ts";

/** A function of the policy failed: Lua's message with `file:line`, and where it was. */
export class PolicyError extends Error {
  override name = "PolicyError";
  constructor(
    message: string,
    /** Lua's "stack traceback:" and a line a frame; empty when there is none. */
    readonly traceback: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whatever was thrown on the way into Lua and out of it. What is a bug says where in this program it is. */
  static from(error: unknown): PolicyError {
    if (error instanceof PolicyError) return error;
    if (error instanceof LuaError || error instanceof LuaPanic) return new PolicyError(error.message, "");
    const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
    return new PolicyError(`internal error: ${message}`, stack, { cause: error });
  }
}
