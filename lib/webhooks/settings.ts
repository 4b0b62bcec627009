/** What the configuration says of webhooks, all together. */
import type { TlsFiles } from "../net/tls.ts";
import type { WebHook } from "./hook.ts";

/** Custom webhooks and how they are sent. */
export interface WebHookSettings {
  hooks: WebHook[];
  /** Their product bounds the requests in flight. */
  threads: number;
  connsPerThread: number;
  /** Events that may wait or be in flight. */
  queueSize: number;
  /** Seconds for one attempt. */
  timeout: number;
  tls: {
    verifyPeer: boolean;
    verifyHost: boolean;
    /** A PEM file, absolute, and `file:line: ` of the call that named it, as below. */
    authorities: { file: string; where: string } | undefined;
    client: { files: TlsFiles; where: string } | undefined;
  };
  /** Bytes of the spool's file. */
  spoolBytes: number;
}

export const defaultWebHookSettings = (): WebHookSettings => ({
  hooks: [],
  threads: 5,
  connsPerThread: 10,
  queueSize: 50_000,
  timeout: 2,
  tls: { verifyPeer: true, verifyHost: true, authorities: undefined, client: undefined },
  spoolBytes: 4 * 1024 ** 3,
});
