/**
 * Delivers events: each is kept, on disk where there is a state directory, until its receiver has taken it, and tried again
 * when that fails. Hooks take turns, so that none waits for another's receiver.
 */
import type { Log } from "../log/log.ts";
import { Counter } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Attempt, Outcome } from "./attempt.ts";
import type { Entry } from "./entry.ts";
import { EventStore } from "./event-store.ts";
import { createEvent, createRequest, problemOf, publicUrl, type WebHook } from "./hook.ts";
import { Lane } from "./lane.ts";
import { askedPause, scheduledPause } from "./retry.ts";
import type { WebHookSettings } from "./settings.ts";

/** Where events go. */
export interface WebHookSink {
  /** Takes an event over and returns at once. @returns why it is not fit for its hook, and lost, if so */
  send(hook: WebHook, data: ByteString): string | undefined;
  /** @returns when everything that may leave now has been tried */
  drain(): Promise<void>;
}

/** Bun has no more requests under way at the same time; others would wait, and their timeouts with them. */
const MOST_IN_FLIGHT = 256;

interface DeliveryPorts {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  attempt: Attempt;
  /** From 0 to 1, for the jitter of pauses. */
  random: () => number;
}

export class WebHookDelivery implements WebHookSink {
  readonly events: EventStore;
  private readonly lanes = new Map<string, Lane>();
  /** What the configuration script itself sends, before {@link open}. */
  private early: [hook: WebHook, data: ByteString][] = [];
  private state: "new" | "open" | "closed" = "new";
  /** Which lane had the last turn. */
  private turn = 0;
  private pumping = false;
  private readonly attempts = new Set<Promise<void>>();
  private readonly timers = new Set<CancelTimer>();
  private readonly aborted = new AbortController();
  private readonly outcomes = new Counter(
    "trackalert_custom_webhook_events_total",
    "Attempts to deliver an event, by webhook.",
    "id",
    "status",
    "url",
  );
  private readonly retries = new Counter("trackalert_webhook_retries_total", "Attempts beyond an event's first.");

  constructor(
    readonly settings: WebHookSettings,
    private readonly ports: DeliveryPorts,
  ) {
    const { metrics } = ports;
    const deliverer = {
      found: (entry: Entry): void => this.restore(entry),
      left: (entry: Entry): void => this.lanes.get(entry.hookName)?.remove(entry),
    };
    this.events = new EventStore(settings, { ...ports, deliverer });
    metrics.add(this.outcomes);
    metrics.add(this.retries);
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.ports.clock.now();
  }

  /**
   * Begins to deliver, first of all what an earlier daemon left.
   * @param folder where the spool is; without it, or when it cannot be used, events are kept in memory
   */
  open(folder: string | undefined): void {
    this.state = "open";
    for (const hook of this.settings.hooks) {
      this.laneOf(hook);
      for (const status of ["ok", "error"]) this.outcomes.declare(String(hook.id), status, publicUrl(hook));
    }
    if (folder !== undefined) this.events.open(folder);
    else if (this.settings.hooks.length > 0)
      this.ports.log.warn("webhooks wait in memory: what is not delivered when the daemon ends is lost (setStateDir)");
    for (const [hook, data] of this.early.splice(0)) this.queue(hook, data);
    this.pumpSoon();
  }

  send(hook: WebHook, data: ByteString): string | undefined {
    const problem = problemOf(hook, data);
    if (problem) this.events.refuse();
    else if (this.state === "new") this.early.push([hook, data]);
    else this.queue(hook, data);
    return problem;
  }

  async drain(): Promise<void> {
    for (this.pump(); this.attempts.size > 0; this.pump()) await Promise.all(this.attempts);
  }

  /** Ends attempts in flight, lets go of the spool, and says what is lost. */
  close(): void {
    this.state = "closed";
    this.aborted.abort();
    for (const cancel of this.timers) cancel();
    for (const lane of this.lanes.values()) lane.close();
    this.events.close();
  }

  /** Successes and failed attempts of a hook. */
  counts(hook: WebHook): { successes: number; failures: number } {
    const count = (status: string): number => this.outcomes.get(String(hook.id), status, publicUrl(hook));
    return { successes: count("ok"), failures: count("error") };
  }

  /** Milliseconds until an event of the queue may leave. */
  pauseOf({ due, hookName }: Entry): number {
    const openUntil = this.lanes.get(hookName)?.circuit.openUntil ?? 0;
    return Math.max(due - this.now, openUntil - this.ports.clock.monotonic(), 0);
  }

  /**
   * Queues dead letters again, as if they were new, as far as there is room and their hooks are registered.
   * @param deliveryId of the only one; all unless given
   * @returns how many
   */
  resend(deliveryId?: string): number {
    let count = 0;
    for (const entry of [...this.events.deadLetters]) {
      if (deliveryId !== undefined && entry.deliveryId !== deliveryId) continue;
      const lane = this.lanes.get(entry.hookName);
      if (!lane || !this.events.revive(entry)) continue;
      lane.add(entry);
      count++;
    }
    this.pumpSoon();
    return count;
  }

  /** One attempt at once, beside the queue. @param heard told what the receiver answers */
  tryOnce(hook: WebHook, data: ByteString, heard: (answer: string) => void): Promise<Outcome> {
    const request = { ...createRequest(createEvent(hook, data), this.now), heard };
    return this.attemptOf(hook)(request, this.aborted.signal);
  }

  private attemptOf({ transport }: WebHook): Attempt {
    return transport ?? this.ports.attempt;
  }

  private queue(hook: WebHook, data: ByteString): void {
    const entry = this.events.accept(hook, data);
    if (!entry) return;
    this.laneOf(hook).add(entry);
    this.pumpSoon();
  }

  private laneOf(hook: WebHook): Lane {
    let lane = this.lanes.get(hook.name);
    if (!lane) this.lanes.set(hook.name, (lane = new Lane(hook)));
    return lane;
  }

  /** Goes on with an event of an earlier daemon. */
  private restore(entry: Entry): void {
    const lane = this.lanes.get(entry.hookName);
    if (!lane) {
      entry.problem = "its webhook is not registered any more";
      return this.events.giveUp(entry);
    }
    // The system's time may have been set since, and may be set soon: no event waits for longer than it had to.
    const { clock } = this.ports;
    if (entry.attempts === 0 || entry.due <= this.now) lane.add(entry);
    else this.wait(lane, entry, (ready) => [clock.at(entry.due, ready), clock.after(entry.pause, ready)]);
    this.pumpSoon();
  }

  /** Once a turn, after what called, so that a policy does not wait until requests have been started. */
  private pumpSoon(): void {
    if (this.pumping) return;
    this.pumping = true;
    queueMicrotask(() => this.pump());
  }

  /** Starts what may leave. */
  private pump(): void {
    this.pumping = false;
    if (this.state !== "open") return;
    const { threads, connsPerThread } = this.settings;
    const most = Math.min(threads * connsPerThread, MOST_IN_FLIGHT);
    // One receiver that hangs must not have all of them.
    const mostOfOne = Math.max(1, Math.min(connsPerThread, Math.floor(most / 2)));
    const lanes = [...this.lanes.values()];
    const now = this.ports.clock.monotonic();
    let passed = 0;
    while (passed < lanes.length && this.attempts.size < most) {
      this.turn = (this.turn + 1) % lanes.length;
      const lane = lanes[this.turn]!;
      if (!lane.allows(now, mostOfOne)) passed++;
      else {
        passed = 0;
        this.start(lane, lane.take());
      }
    }
  }

  private start(lane: Lane, entry: Entry): void {
    const { hook } = lane;
    const body = this.events.body(entry);
    if (!body) return;
    if (entry.attempts > 0) this.retries.increment();
    const request = createRequest({ hook, deliveryId: entry.deliveryId, body }, this.now);
    lane.inFlight++;
    entry.inFlight = true;
    const attempt = this.attemptOf(hook)(request, this.aborted.signal).then((outcome) => {
      lane.inFlight--;
      entry.inFlight = false;
      this.attempts.delete(attempt);
      if (this.state === "closed") return;
      this.settle(lane, entry, outcome);
      this.pumpSoon();
    });
    this.attempts.add(attempt);
  }

  private settle(lane: Lane, entry: Entry, outcome: Outcome): void {
    const { hook, circuit } = lane;
    const { log, clock } = this.ports;
    const status = outcome.kind === "delivered" ? "ok" : "error";
    this.outcomes.increment(String(hook.id), status, publicUrl(hook));
    if (outcome.kind === "failed") return this.failed(lane, entry, outcome);
    // A receiver that refuses an event works.
    if (circuit.succeeded(clock.monotonic())) log.notice(`webhook ${hook.name}: the receiver works again`);
    if (outcome.kind === "delivered") return this.events.delivered(entry);
    entry.attempts++;
    entry.problem = outcome.reason;
    this.events.giveUp(entry);
  }

  private failed(lane: Lane, entry: Entry, { reason, retryAfter }: Outcome & { kind: "failed" }): void {
    const { hook, circuit } = lane;
    const { log, clock, random } = this.ports;
    entry.attempts++;
    entry.problem = reason;
    const asked = retryAfter === undefined ? undefined : askedPause(retryAfter, random());
    if (circuit.failed(clock.monotonic(), asked)) {
      log.warn(`webhook ${hook.name}: ${reason}: events wait until the receiver works again`);
    }
    if (circuit.openUntil !== undefined) {
      for (const expired of lane.expired(clock.monotonic())) this.events.expire(expired, reason);
      this.after(circuit.openUntil - clock.monotonic(), () => this.pumpSoon());
    }
    if (entry.attempts >= hook.maxAttempts) return this.events.giveUp(entry);
    // A receiver that asks for seconds only must not use all attempts up within them.
    const pause = Math.max(scheduledPause(entry.attempts, random()), asked ?? 0);
    const attempts = `attempt ${entry.attempts} of ${hook.maxAttempts}`;
    log.warn(`webhook ${hook.name}: ${reason} (${attempts}, next in ${Math.round(pause / 1000)} s)`);
    entry.pause = pause;
    entry.due = this.now + pause;
    this.events.postpone(entry);
    this.wait(lane, entry, (ready) => [clock.after(pause, ready)]);
  }

  /** @param timers starts what ends the wait */
  private wait(lane: Lane, entry: Entry, timers: (ready: () => void) => CancelTimer[]): void {
    const ready = (): void => {
      lane.remove(entry);
      lane.add(entry);
      this.pumpSoon();
    };
    lane.addLater(entry, timers(ready));
  }

  private after(milliseconds: number, callback: () => void): void {
    const cancel = this.ports.clock.after(milliseconds, () => {
      this.timers.delete(cancel);
      callback();
    });
    this.timers.add(cancel);
  }
}
