/** Sends alerts to the channels that take them. */
import { randomBytes } from "node:crypto";

import type { AlertRecord } from "../history/alert-record.ts";
import { keptText } from "../history/row.ts";
import { type ByteString, toByteString, toText } from "../text/byte-string.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { WebHookDelivery } from "../webhooks/delivery.ts";
import { isoTime, toJson } from "./alert.ts";
import type { AlertSink } from "./alerts.ts";
import { type AlertChannel, lets } from "./channel.ts";
import { plainText, shorten } from "./formats/plain.ts";
import { targetOf } from "./formats/wforce.ts";
import { redact, redactedName, redactionKey } from "./redaction.ts";

/** Milliseconds between two times that Alertmanager is told of an alert: it forgets all at its restart. */
const REPEAT = 4 * 60_000;
/** Characters of a receiver's answer that are shown. */
const SHOWN = 200;
/** Alerts that are repeated at the same time; of more, those that are repeated for longest are left. */
const MOST_REPEATED = 10_000;

interface ChannelsOptions {
  clock: Clock;
  delivery: WebHookDelivery;
  channels: readonly AlertChannel[];
  /** The console's, if there is one. Asked each time. */
  key: () => Uint8Array | undefined;
}

export class AlertChannels implements AlertSink {
  private readonly randomKey = randomBytes(32);
  /** What has to be repeated, by the alert's id. */
  private readonly repeated = new Map<string, { login: ByteString | null; cancel: CancelTimer }>();

  constructor(private readonly options: ChannelsOptions) {}

  raised(alert: AlertRecord, counted: AlertRecord): void {
    for (const channel of this.options.channels) if (takes(channel, alert)) this.send(channel, alert);
    this.repeatLater(counted);
  }

  ended(alert: AlertRecord): void {
    this.repeated.get(alert.id)?.cancel();
    this.repeated.delete(alert.id);
    for (const channel of this.options.channels) {
      // What wforce blocks is blocked already.
      if (channel.kind !== "wforce" && takes(channel, alert)) this.send(channel, alert, { final: true });
    }
  }

  summarized(summary: AlertRecord): void {
    for (const channel of this.options.channels) if (channel.summary) this.send(channel, summary, { summary: true });
  }

  close(): void {
    for (const { cancel } of this.repeated.values()) cancel();
    this.repeated.clear();
  }

  /** Makes one attempt with an alert that says it is a test. @returns what became of it, for people; undefined for no channel */
  async test(name: string): Promise<string | undefined> {
    const { channels, clock, delivery } = this.options;
    const channel = channels.find(({ hook }) => hook.name === name);
    if (!channel) return undefined;
    let answer = "";
    const event = this.eventOf(channel, testAlert(clock.now() / 1000));
    const outcome = await delivery.tryOnce(channel.hook, event, (said) => (answer = said));
    const said = answer === "" ? "" : `: the receiver said ${plainText(shorten(answer, SHOWN))}`;
    return outcome.kind === "delivered" ? `delivered${said}` : `not delivered: ${outcome.reason}${said}`;
  }

  /** Repeats nothing about a login any more. @returns what it is called in what has been sent */
  forget(login: ByteString): ByteString[] {
    const kept = keptText(login);
    for (const [id, { login: about, cancel }] of this.repeated) {
      if (about !== kept) continue;
      cancel();
      this.repeated.delete(id);
    }
    return [toByteString(toText(kept)), redactedName(kept, this.redactionKey())];
  }

  private redactionKey(): Buffer {
    const key = this.options.key();
    return key ? redactionKey(key) : this.randomKey;
  }

  private send(channel: AlertChannel, alert: AlertRecord, marks: Marks = {}): void {
    this.options.delivery.send(channel.hook, this.eventOf(channel, alert, marks));
  }

  /** What waits in the queue: the alert as JSON, redacted before it is kept. */
  private eventOf(channel: AlertChannel, alert: AlertRecord, { final, summary }: Marks = {}): ByteString {
    const shown = channel.redact ? redact(alert, this.redactionKey()) : alert;
    return toByteString(
      JSON.stringify({
        ...toJson(shown, final),
        ...(summary && { summary }),
        ...(channel.kind === "alertmanager" && { until: isoTime(alert.until) }),
      }),
    );
  }

  private repeatLater(alert: AlertRecord): void {
    const { channels, clock } = this.options;
    const left = alert.until * 1000 - clock.now();
    const mine = channels.filter((channel) => channel.kind === "alertmanager" && takes(channel, alert));
    this.repeated.delete(alert.id);
    if (mine.length === 0 || left <= REPEAT) return;
    for (const [id, { cancel }] of this.repeated) {
      if (this.repeated.size < MOST_REPEATED) break;
      cancel();
      this.repeated.delete(id);
    }
    const cancel = clock.after(REPEAT, () => {
      for (const channel of mine) if (!this.fails(channel)) this.send(channel, alert);
      this.repeatLater(alert);
    });
    this.repeated.set(alert.id, { login: alert.login, cancel });
  }

  /** Whether a channel does not take what it is sent: to repeat an alert behind that would fill the queue. */
  private fails({ hook }: AlertChannel): boolean {
    return (this.options.delivery.events.queue.oldestOf(hook.name)?.attempts ?? 0) > 0;
  }
}

interface Marks {
  final?: boolean;
  summary?: true;
}

function takes(channel: AlertChannel, alert: AlertRecord): boolean {
  if (!lets(channel, alert)) return false;
  if (channel.kind !== "wforce") return true;
  const { login, remote } = alert;
  return targetOf({ ...(login && { login: toText(login) }), ...(remote && { remote: toText(remote) }) }) !== undefined;
}

/** About an address of documentation, so that wforce blocks nobody. @param now seconds since 1970 */
const testAlert = (now: number): AlertRecord => ({
  id: randomBytes(16).toString("hex"),
  key: "test" as ByteString,
  type: "test",
  severity: "low",
  login: null,
  remote: "192.0.2.1" as ByteString,
  message: "a test of this channel, asked for on the console" as ByteString,
  evidence: null,
  policy: null,
  host: "",
  count: 1,
  first: now,
  last: now,
  until: now + 60,
});
