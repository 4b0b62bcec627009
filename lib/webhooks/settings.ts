/** What the configuration says of webhooks, all together. */
import type { WebHook } from "./hook.ts";

/** Custom webhooks and how they are sent. */
export interface WebHookSettings {
  hooks: WebHook[];
  /** Their product bounds the requests in flight. */
  threads: number;
  connsPerThread: number;
  /** Events that may wait or be in flight. */
  queueSize: number;
  /** Seconds for one attempt, unless the hook says otherwise. */
  timeout: number;
  /** Bytes of the spool's file. */
  spoolBytes: number;
}

export const defaultWebHookSettings = (): WebHookSettings => ({
  hooks: [],
  threads: 5,
  connsPerThread: 10,
  queueSize: 50_000,
  timeout: 2,
  spoolBytes: 4 * 1024 ** 3,
});
