/** What happens when a function of the policy fails: it is logged with its traceback and counted, and the daemon goes on. */
import type { Log } from "../log/log.ts";
import type { Metrics } from "../stats/metrics.ts";
import { PolicyError } from "./policy-error.ts";

/** Labels of `trackalert_lua_errors_total` for what has a name; that of the report function is `report`. */
export const backgroundLabel = (name: string): string => `background:${name}`;
export const endpointLabel = (name: string): string => `endpoint:${name}`;

/**
 * @param label for `trackalert_lua_errors_total{function}`
 * @param what the function, in words
 * @throws what is no fault of the policy's
 */
export function policyFailed(
  { metrics, log }: { metrics: Metrics; log: Log },
  label: string,
  what: string,
  error: unknown,
): void {
  if (!(error instanceof PolicyError)) throw error;
  metrics.luaErrors.increment(label);
  log.failure(`${what} failed`, error);
}
