/** Delivery of webhooks for specs: real receivers and files, on a clock that moves when it is told to. */
import { defaultConfig } from "../../lib/config.ts";
import { Log } from "../../lib/log/log.ts";
import { defaultOutgoingSettings, Outgoing } from "../../lib/net/outgoing.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import { type Attempt, networkAttempt } from "../../lib/webhooks/attempt.ts";
import { WebHookDelivery } from "../../lib/webhooks/delivery.ts";
import type { WebHook } from "../../lib/webhooks/hook.ts";
import { DEFAULT_ATTEMPTS } from "../../lib/webhooks/retry.ts";
import type { WebHookSettings } from "../../lib/webhooks/settings.ts";

export const START = Date.UTC(2026, 10, 22, 12);

/** A webhook with nothing but a name and a url, unless keys say otherwise. */
export const webHook = (name: string, url: string, keys: Partial<WebHook> = {}): WebHook => ({
  id: 1,
  name,
  nameBytes: toByteString(name),
  url,
  secret: undefined,
  basicAuth: undefined,
  bearer: undefined,
  apiKey: undefined,
  contentType: undefined,
  headers: {},
  kafka: false,
  maxAttempts: DEFAULT_ATTEMPTS,
  timeout: undefined,
  tls: {},
  ...keys,
});

interface DeliveryOptions {
  /** Url by name. */
  hooks: Record<string, string>;
  /** For all hooks. */
  keys?: Partial<WebHook>;
  settings?: Partial<WebHookSettings>;
  /** Where the spool is. */
  folder?: string;
  /** Instead of the network. */
  attempt?: Attempt;
  random?: () => number;
  time?: number;
}

export interface TestDelivery extends Disposable {
  delivery: WebHookDelivery;
  clock: VirtualClock;
  logs: string[];
  hook(name: string): WebHook;
  send(name: string, data: string): void;
  /** Delivers what is due and moves on to the next timer, until there is what a spec waits for. */
  runUntil(condition: () => boolean): Promise<void>;
  metrics(): Promise<string>;
}

export function startDelivery(options: DeliveryOptions): TestDelivery {
  const clock = new VirtualClock(options.time ?? START);
  const logs: string[] = [];
  const log = new Log({ sink: (line) => logs.push(line) });
  const metrics = new Metrics();
  const settings = { ...defaultConfig().webhooks, ...options.settings };
  const hooks = Object.entries(options.hooks);
  settings.hooks = hooks.map(([name, url], i) => webHook(name, url, { id: i + 1, ...options.keys }));
  const outgoing = new Outgoing(defaultOutgoingSettings({}), () => []);
  const attempt = options.attempt ?? networkAttempt(settings, outgoing, clock);
  const random = options.random ?? ((): number => 0.5);
  const delivery = new WebHookDelivery(settings, { clock, log, metrics, attempt, random });
  delivery.open(options.folder);
  const hook = (name: string): WebHook => settings.hooks.find((candidate) => candidate.name === name)!;
  let closed = false;
  return {
    delivery,
    clock,
    logs,
    hook,
    send: (name, data) => delivery.send(hook(name), toByteString(data)),
    async runUntil(condition) {
      while (true) {
        await delivery.drain();
        if (condition()) return;
        if (clock.next === Infinity) throw new Error(`nothing will happen any more: ${logs.join("\n")}`);
        await clock.advanceTo(clock.next);
      }
    },
    metrics: () => metrics.format(),
    [Symbol.dispose]() {
      if (!closed) delivery.close();
      closed = true;
    },
  };
}

interface Receiver extends Disposable {
  url: string;
  received: { id: string; body: string; headers: Headers }[];
}

/** @param answer to the n-th request, from 1; plain 200 unless given */
export function startReceiver(answer: (n: number) => Response | Promise<Response> = () => new Response()): Receiver {
  const received: Receiver["received"] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { headers } = request;
      const n = received.push({ id: headers.get("webhook-id")!, body: await request.text(), headers });
      return answer(n);
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/`,
    received,
    [Symbol.dispose]: () => void server.stop(true),
  };
}
