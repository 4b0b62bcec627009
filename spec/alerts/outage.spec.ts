/** Channels whose receivers are away for a day, in virtual time: all that is real is the receiver. */
import { describe, expect, test } from "bun:test";

import type { ChannelKind } from "../../lib/alerts/channel.ts";
import { AlertChannels } from "../../lib/alerts/channels.ts";
import { alertmanagerBody } from "../../lib/alerts/formats/alertmanager.ts";
import type { AlertRecord } from "../../lib/history/alert-record.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import type { WebHook } from "../../lib/webhooks/hook.ts";
import { START, startDelivery, startReceiver, type TestDelivery } from "../support/webhooks.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LOGINS = ["ann", "bob", "joe", "kim", "lou", "max", "sue", "tom"];
/** Attempts that last for more than a day: after the sixth each waits for six hours. */
const ENOUGH = 12;

interface Outage extends Disposable {
  test: TestDelivery;
  channels: AlertChannels;
  /** The bodies that have arrived, and how often the receiver was asked. */
  arrived: string[];
  asked: () => number;
  ids: () => Set<string>;
  /** Queued events and dead letters. */
  held: () => number[];
}

/** A channel whose receiver answers 503 for a day. */
function startOutage(kind: ChannelKind, keys: Partial<WebHook> = {}): Outage {
  const arrived: string[] = [];
  const receiver = startReceiver((n) => {
    if (test.clock.now() < START + DAY) return new Response(null, { status: 503 });
    arrived.push(receiver.received[n - 1]!.body);
    return new Response();
  });
  const test = startDelivery({ hooks: { c: receiver.url }, keys: { channel: kind, ...keys } });
  const hook = test.hook("c");
  const channel = { hook, kind, minSeverity: "low", types: undefined, redact: false, summary: false } as const;
  const { clock, delivery } = test;
  const channels = new AlertChannels({ clock, delivery, channels: [channel], key: () => undefined });
  return {
    test,
    channels,
    arrived,
    asked: () => receiver.received.length,
    ids: () => new Set(receiver.received.map(({ id }) => id)),
    held: () => [delivery.events.queue.size, delivery.events.deadLetters.size],
    [Symbol.dispose]() {
      channels.close();
      test[Symbol.dispose]();
      receiver[Symbol.dispose]();
    },
  };
}

/** Raises an alert about each login, with a cool-down of an hour. */
function raiseAll({ channels, test: { clock } }: Outage): void {
  const now = clock.now() / 1000;
  for (const [i, login] of LOGINS.entries()) {
    const alert: AlertRecord = {
      id: String(i).padStart(32, "0"),
      key: toByteString(login),
      type: "brute_force",
      severity: "high",
      login: toByteString(login),
      remote: null,
      message: toByteString(`brute force: ${login}`),
      evidence: null,
      policy: null,
      host: "spec",
      count: 1,
      first: now,
      last: now,
      until: now + HOUR / 1000,
    };
    channels.raised(alert, alert);
  }
}

describe("a channel that is down for a day", () => {
  test("gets each alert late, and once, when its attempts last for so long", async () => {
    using outage = startOutage("webhook", { maxAttempts: ENOUGH });
    const { test, arrived, asked, ids, held } = outage;
    raiseAll(outage);
    await test.runUntil(() => test.clock.now() >= START + DAY / 2);
    expect([arrived, held()]).toEqual([[], [LOGINS.length, 0]]);
    await test.runUntil(() => held()[0] === 0);
    expect(test.clock.now()).toBeLessThan(START + DAY + 8 * HOUR);
    const late = arrived.map((body) => JSON.parse(body) as { login: string; last: string });
    expect(late.map(({ login }) => login).toSorted()).toEqual(LOGINS);
    expect(late.map(({ last }) => Date.parse(last))).toEqual(LOGINS.map(() => START));
    expect([ids().size, held()]).toEqual([LOGINS.length, [0, 0]]);
    expect(asked()).toBeLessThanOrEqual(LOGINS.length * ENOUGH);
  });

  test("leaves dead letters, when its attempts do not, which arrive once when they are sent again", async () => {
    using outage = startOutage("webhook");
    const { test, arrived, held } = outage;
    raiseAll(outage);
    await test.runUntil(() => held()[0] === 0);
    expect([test.clock.now() < START + DAY, held(), arrived]).toEqual([true, [0, LOGINS.length], []]);
    await test.clock.advanceTo(START + DAY);
    expect(test.delivery.resend()).toBe(LOGINS.length);
    await test.runUntil(() => held()[0] === 0);
    expect([arrived.length, held()]).toEqual([LOGINS.length, [0, 0]]);
  });

  test("of kind alertmanager is not told behind that of each repeat, and of what is over as ending soon", async () => {
    using outage = startOutage("alertmanager", { maxAttempts: ENOUGH, format: alertmanagerBody });
    const { test, arrived, held } = outage;
    raiseAll(outage);
    await test.runUntil(() => test.clock.now() >= START + DAY / 2);
    expect(held()).toEqual([LOGINS.length, 0]);
    await test.runUntil(() => held()[0] === 0);
    const late = arrived.flatMap((body) => JSON.parse(body) as { labels: { login: string }; endsAt: string }[]);
    expect(late.map(({ labels }) => labels.login).toSorted()).toEqual(LOGINS);
    for (const { endsAt } of late) expect(Date.parse(endsAt)).toBeGreaterThan(START + DAY);
  });
});
