/** Sends events to their receivers: bounded in number, in the background, with one attempt each. */
import type { ByteString } from "../byte-string.ts";
import type { Clock } from "../clock.ts";
import type { WebHookSettings } from "../config.ts";
import { Limit } from "../limit.ts";
import type { Log } from "../log.ts";
import { createEvent, createRequest, type WebHook, type WebHookEvent } from "./hook.ts";

/** Where events go. */
export interface WebHookSink {
  /** Takes an event over and returns at once. */
  send(hook: WebHook, data: ByteString): void;
  /** @returns when everything that was taken over has been tried */
  drain(): Promise<void>;
}

export class WebHookDelivery implements WebHookSink {
  private readonly limit: Limit;
  private readonly pending = new Set<Promise<void>>();

  constructor(
    private readonly settings: WebHookSettings,
    private readonly ports: { clock: Clock; log: Log },
  ) {
    this.limit = new Limit(() => settings.threads * settings.connsPerThread);
  }

  send(hook: WebHook, data: ByteString): void {
    if (this.pending.size >= this.settings.queueSize) {
      this.ports.log.error(`webhook ${hook.name}: the queue is full (setWebHookQueueSize): an event is lost`);
      return;
    }
    const event = createEvent(hook, data);
    const delivery = Promise.resolve(this.limit.run(() => this.attempt(event))).finally(() =>
      this.pending.delete(delivery),
    );
    this.pending.add(delivery);
  }

  async drain(): Promise<void> {
    await Promise.all(this.pending);
  }

  private async attempt(event: WebHookEvent): Promise<void> {
    const { clock, log } = this.ports;
    const { timeout, tls } = this.settings;
    const { url, headers, body } = createRequest(event, clock.now());
    try {
      const response = await fetch(url, {
        method: "POST",
        headers,
        body: new Uint8Array(body),
        redirect: "manual",
        signal: AbortSignal.timeout(timeout * 1000),
        tls: {
          rejectUnauthorized: tls.verifyPeer,
          ...(tls.verifyHost ? {} : { checkServerIdentity: () => undefined }),
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
          ...(tls.client ?? {}),
        },
      });
      await response.body?.cancel();
      if (!response.ok) log.error(`webhook ${event.hook.name}: the receiver answered ${response.status}`);
    } catch (error) {
      log.error(`webhook ${event.hook.name}: ${(error as Error).message}`);
    }
  }
}
