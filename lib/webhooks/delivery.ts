/**
 * Delivers events: each is kept, on disk where there is a state directory, until its receiver has taken it, and tried again
 * when that fails. Hooks take turns, so that none waits for another's receiver.
 */
import type { ByteString } from "../byte-string.ts";
import type { CancelTimer, Clock } from "../clock.ts";
import type { WebHookSettings } from "../config.ts";
import type { Log } from "../log.ts";
import { Counter, Gauge } from "../metric.ts";
import type { Metrics } from "../metrics.ts";
import type { Attempt, Outcome } from "./attempt.ts";
import { DeadLetters } from "./dead-letters.ts";
import { createEvent, createRequest, publicUrl, type WebHook } from "./hook.ts";
import { type Entry, Lane } from "./lane.ts";
import { LogFlood } from "./log-flood.ts";
import { LONGEST_PAUSE, retryPause } from "./retry.ts";
import { Spool } from "./spool.ts";

/** Where events go. */
export interface WebHookSink {
  /** Takes an event over and returns at once. */
  send(hook: WebHook, data: ByteString): void;
  /** @returns when everything that may leave now has been tried */
  drain(): Promise<void>;
}

interface DeliveryPorts {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  attempt: Attempt;
  /** From 0 to 1, for the jitter of pauses. */
  random: () => number;
}

/** Bytes of bodies in memory. Over it an event stays in the spool alone, or is dropped when it is not there. */
const MOST_BYTES = 256 * 1024 * 1024;

export class WebHookDelivery implements WebHookSink {
  /** Everything that is to be delivered, in the order of acceptance. */
  readonly queue = new Set<Entry>();
  readonly deadLetters = new DeadLetters();
  private readonly lanes = new Map<string, Lane>();
  /** Sent before {@link open}. */
  private early: [hook: WebHook, data: ByteString][] = [];
  private state: "new" | "open" | "closed" = "new";
  private spool: Spool | undefined;
  private lastId = 0;
  private bytes = 0;
  /** Which lane had the last turn. */
  private turn = 0;
  private pumping = false;
  private readonly attempts = new Set<Promise<void>>();
  private readonly timers = new Set<CancelTimer>();
  private readonly aborted = new AbortController();
  private readonly flood: LogFlood;
  private readonly events = new Counter(
    "trackalert_custom_webhook_events_total",
    "Attempts to deliver an event, by webhook.",
    ...["id", "status", "url"],
  );
  private readonly dropped = new Counter("trackalert_webhook_dropped_total", "Events that were lost.", "reason");
  private readonly retries = new Counter("trackalert_webhook_retries_total", "Attempts beyond an event's first.");

  constructor(
    readonly settings: WebHookSettings,
    private readonly ports: DeliveryPorts,
  ) {
    const { metrics } = ports;
    this.flood = new LogFlood(ports);
    metrics.add(this.events);
    metrics.add(
      new Gauge("trackalert_webhook_queue_size", "Events to be delivered.", () => this.queue.size + this.early.length),
    );
    metrics.add(this.dropped).declare("queue_full");
    metrics.add(this.retries);
    metrics.add(
      new Gauge("trackalert_webhook_dead_letters", "Events that were given up.", () => this.deadLetters.size),
    );
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.ports.clock.now();
  }

  /**
   * Begins to deliver, first of all what an earlier daemon left.
   * @param folder where the spool is; without it, or when it cannot be used, events are kept in memory
   */
  open(folder: string | undefined, mostPages?: number): void {
    this.state = "open";
    for (const hook of this.settings.hooks) {
      this.laneOf(hook);
      for (const status of ["ok", "error"]) this.events.declare(String(hook.id), status, publicUrl(hook));
    }
    const opened =
      folder === undefined ? undefined : Spool.open(folder, { ...this.ports, ...(mostPages ? { mostPages } : {}) });
    if (folder === undefined && this.settings.hooks.length > 0) {
      this.ports.log.warn("webhooks wait in memory: what is not delivered when the daemon ends is lost (setStateDir)");
    }
    if (opened) {
      this.spool = opened.spool;
      for (const { dead, ...row } of opened.rows) this.restore({ ...row, body: undefined, spooled: true }, dead === 1);
    }
    const { early } = this;
    this.early = [];
    for (const [hook, data] of early) this.send(hook, data);
    this.pumpSoon();
  }

  /** An event that does not fit is dropped, and that is reported. */
  send(hook: WebHook, data: ByteString): void {
    if (this.state === "closed" || this.queue.size + this.early.length >= this.settings.queueSize) {
      return this.drop(hook.name, "queue_full", "the queue is full (setWebHookQueueSize)");
    }
    if (this.state === "new") return void this.early.push([hook, data]);
    const { deliveryId, body } = createEvent(hook, data);
    const created = this.now;
    const entry: Entry = {
      id: this.lastId + 1,
      hookName: hook.name,
      deliveryId,
      body,
      size: body.length,
      created,
      attempts: 0,
      due: created,
      problem: "",
      spooled: false,
    };
    entry.spooled = this.spool?.add(entry) ?? false;
    if (this.bytes + entry.size > MOST_BYTES) {
      if (!entry.spooled) return this.drop(hook.name, "queue_full", "the queue has too many bytes");
      entry.body = undefined;
    } else this.bytes += entry.size;
    this.lastId++;
    this.queue.add(entry);
    this.laneOf(hook).add(entry);
    this.pumpSoon();
  }

  async drain(): Promise<void> {
    for (this.pump(); this.attempts.size > 0; this.pump()) await Promise.all(this.attempts);
  }

  /** Ends attempts in flight, lets go of the spool, and says what is lost. */
  close(): void {
    this.state = "closed";
    this.aborted.abort();
    for (const cancel of this.timers) cancel();
    const { log } = this.ports;
    this.spool?.flush(); // makes room
    const queued = [...this.queue].filter((entry) => this.keep(entry, false)).length;
    const dead = [...this.deadLetters].filter((entry) => this.keep(entry, true)).length;
    const lost = this.queue.size + this.deadLetters.size - queued - dead;
    if (queued > 0) log.notice(`webhooks: ${queued} events wait in ${this.spool!.file} for the next start`);
    if (lost > 0) log.error(`webhooks: ${lost} events that were only in memory are lost (setStateDir keeps them)`);
    this.spool?.close();
    this.flood.close();
  }

  /** Successes and failed attempts of a hook. */
  counts(hook: WebHook): { successes: number; failures: number } {
    const count = (status: string): number => this.events.get(String(hook.id), status, publicUrl(hook));
    return { successes: count("ok"), failures: count("error") };
  }

  /**
   * Queues dead letters again, as if they were new, as far as there is room and their hooks are registered.
   * @param deliveryId of the only one; all unless given
   * @returns how many
   */
  resend(deliveryId?: string): number {
    let count = 0;
    for (const entry of [...this.deadLetters]) {
      const lane = this.lanes.get(entry.hookName);
      if (deliveryId !== undefined && entry.deliveryId !== deliveryId) continue;
      if (!lane || this.queue.size >= this.settings.queueSize) continue;
      this.deadLetters.delete(entry);
      this.bytes += entry.body?.length ?? 0;
      entry.attempts = 0;
      entry.due = this.now;
      this.spool?.save(entry, false);
      this.queue.add(entry);
      lane.add(entry);
      count++;
    }
    this.pumpSoon();
    return count;
  }

  private laneOf(hook: WebHook): Lane {
    let lane = this.lanes.get(hook.name);
    if (!lane) this.lanes.set(hook.name, (lane = new Lane(hook)));
    return lane;
  }

  /** Takes over what an earlier daemon left. */
  private restore(entry: Entry, dead: boolean): void {
    this.lastId = entry.id;
    const lane = this.lanes.get(entry.hookName);
    if (dead) return this.bury(entry);
    this.queue.add(entry);
    if (!lane) {
      entry.problem = "its webhook is not registered any more";
      this.giveUp(entry);
    } else if (entry.due <= this.now) lane.add(entry);
    else this.retryLater(lane, entry, Math.min(entry.due - this.now, LONGEST_PAUSE));
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
    const most = threads * connsPerThread;
    // One receiver that hangs must not have all of them.
    const mostOfOne = Math.max(1, Math.min(connsPerThread, Math.floor(most / 2)));
    const lanes = [...this.lanes.values()];
    const now = this.ports.clock.monotonic();
    for (let passed = 0; passed < lanes.length && this.attempts.size < most;) {
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
    const body = entry.body ?? this.spool?.read(entry.id);
    if (!body) {
      this.remove(entry);
      return this.drop(hook.name, "spool", "the spool cannot be read");
    }
    if (entry.attempts > 0) this.retries.increment();
    const request = createRequest({ hook, deliveryId: entry.deliveryId, body }, this.now);
    lane.inFlight++;
    const attempt = this.ports.attempt(request, this.aborted.signal).then((outcome) => {
      lane.inFlight--;
      this.attempts.delete(attempt);
      if (this.state === "closed") return;
      this.settle(lane, entry, outcome);
      this.pumpSoon();
    });
    this.attempts.add(attempt);
  }

  private settle(lane: Lane, entry: Entry, outcome: Outcome): void {
    const { hook, circuit } = lane;
    const { log, clock, random } = this.ports;
    const status = outcome.kind === "delivered" ? "ok" : "error";
    this.events.increment(String(hook.id), status, publicUrl(hook));
    // A receiver that refuses an event works.
    if (outcome.kind !== "failed" && circuit.succeeded()) log.notice(`webhook ${hook.name}: the receiver works again`);
    if (outcome.kind === "delivered") {
      this.remove(entry);
      this.spool?.delete(entry);
      return;
    }
    entry.attempts++;
    entry.problem = outcome.reason;
    if (outcome.kind === "refused") return this.giveUp(entry);
    const { retryAfter } = outcome;
    const pause = retryPause(entry.attempts, retryAfter, random());
    if (circuit.failed(clock.monotonic(), retryAfter === undefined ? undefined : pause)) {
      log.warn(`webhook ${hook.name}: ${outcome.reason}: events wait until the receiver works again`);
    }
    if (circuit.openUntil !== undefined) this.after(circuit.openUntil - clock.monotonic(), () => this.pumpSoon());
    if (entry.attempts >= hook.maxAttempts) return this.giveUp(entry);
    const attempts = `attempt ${entry.attempts} of ${hook.maxAttempts}`;
    log.warn(`webhook ${hook.name}: ${outcome.reason} (${attempts}, next in ${Math.round(pause / 1000)} s)`);
    this.release(entry);
    entry.due = this.now + pause;
    this.spool?.save(entry, false);
    this.retryLater(lane, entry, pause);
  }

  private retryLater(lane: Lane, entry: Entry, pause: number): void {
    this.after(pause, () => {
      lane.add(entry);
      this.pumpSoon();
    });
  }

  private after(milliseconds: number, callback: () => void): void {
    const cancel = this.ports.clock.after(milliseconds, () => {
      this.timers.delete(cancel);
      callback();
    });
    this.timers.add(cancel);
  }

  private giveUp(entry: Entry): void {
    const { hookName, deliveryId, attempts, problem } = entry;
    this.ports.log.error(
      `webhook ${hookName}: given up after ${attempts} attempts: ${problem}: ${deliveryId} is a dead letter now`,
    );
    this.release(entry);
    this.remove(entry);
    this.spool?.save(entry, true);
    this.bury(entry);
  }

  private bury(entry: Entry): void {
    for (const gone of this.deadLetters.add(entry)) {
      this.spool?.delete(gone);
      this.drop(gone.hookName, "dead_letters_full", "there are too many dead letters");
    }
  }

  private drop(hookName: string, reason: string, why: string): void {
    this.dropped.increment(reason);
    this.flood.error(`webhook ${hookName}: ${why}: an event is lost`);
  }

  private remove(entry: Entry): void {
    this.queue.delete(entry);
    this.bytes -= entry.body?.length ?? 0;
  }

  /** Frees the memory of a body that the spool has too. */
  private release(entry: Entry): void {
    if (!entry.spooled || !entry.body) return;
    this.bytes -= entry.body.length;
    entry.body = undefined;
  }

  /** Whether an event outlives the daemon; makes a last try to put it into the spool. */
  private keep(entry: Entry, dead: boolean): boolean {
    if (entry.spooled) return true;
    entry.spooled = this.spool?.add(entry) ?? false;
    if (dead) this.spool?.save(entry, true);
    return entry.spooled;
  }
}
