/** What is to be delivered and what was given up: in memory within bounds, and in the spool where there is one. */
import { LogFlood } from "../log/log-flood.ts";
import type { Log } from "../log/log.ts";
import { Counter, Gauge } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { DeadLetters } from "./dead-letters.ts";
import type { Entry } from "./entry.ts";
import { createEvent, type WebHook } from "./hook.ts";
import { mentions } from "./mention.ts";
import { Queue } from "./queue.ts";
import type { WebHookSettings } from "./settings.ts";
import type { SpooledEvent } from "./spool-file.ts";
import { Spool, type SpoolOwner } from "./spool.ts";

/** Bytes of bodies in memory. Over it an event stays in the spool alone, or needs room when it is not there. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Events that are looked at without a pause. */
const FORGET_AT_ONCE = 50;

/** Who delivers what is in the queue. */
interface Deliverer {
  /** An earlier daemon left this event in the queue. */
  found(entry: Entry): void;
  /** The event has left the queue without an attempt. */
  left(entry: Entry): void;
}

export class EventStore {
  readonly queue = new Queue();
  readonly deadLetters = new DeadLetters();
  private spool: Spool | undefined;
  private readonly flood: LogFlood;
  private readonly dropped = new Counter(
    "trackalert_webhook_dropped_total",
    "Events that were lost, or became dead letters to make room.",
    "reason",
  );

  constructor(
    private readonly settings: WebHookSettings,
    private readonly ports: { clock: Clock; log: Log; metrics: Metrics; deliverer: Deliverer },
  ) {
    const { metrics } = ports;
    this.flood = new LogFlood(ports);
    metrics.add(new Gauge("trackalert_webhook_queue_size", "Events to be delivered.", () => this.queue.size));
    metrics.add(this.dropped);
    for (const reason of ["queue_full", "made_room", "unfit"]) this.dropped.declare(reason);
    metrics.add(
      new Gauge("trackalert_webhook_dead_letters", "Events that were given up.", () => this.deadLetters.size),
    );
  }

  /** Opens the spool, and takes over what an earlier daemon left. */
  open(folder: string): void {
    const owner: SpoolOwner = {
      events: () => this.all(),
      found: (events) => events.forEach((event) => this.takeOver(event)),
      keep: (entry, body) => this.holdInMemory(entry, body),
      lost: (entry) => this.lose(entry),
    };
    const { clock, log } = this.ports;
    this.spool = new Spool({ folder, mostBytes: this.settings.spoolBytes, clock, log, owner });
    this.spool.open();
  }

  /** Counts an event that is not fit for its hook. */
  refuse(): void {
    this.dropped.increment("unfit");
  }

  /** Puts an event into the queue. One that finds no room is dropped, and that is reported. */
  accept(hook: WebHook, data: ByteString): Entry | undefined {
    const isFull = this.queue.size >= this.settings.queueSize;
    if (isFull && !this.makeRoom(hook, "events")) return this.dropNew(hook, "the queue is full (setWebHookQueueSize)");
    const { deliveryId, body } = createEvent(hook, data);
    const { clock } = this.ports;
    const created = clock.now();
    const entry: Entry = {
      hookName: hook.name,
      deliveryId,
      body,
      size: body.length,
      created,
      queued: clock.monotonic(),
      attempts: 0,
      due: created,
      pause: 0,
      problem: "",
      row: undefined,
      inFlight: false,
    };
    this.spool?.add(entry, false);
    this.queue.add(entry);
    if (this.queue.bytes > MOST_BYTES) this.releaseAll();
    // An event that is in the spool needs no room here.
    while (entry.body && this.queue.bytes > MOST_BYTES) {
      if (this.makeRoom(hook, "bytes")) continue;
      this.queue.delete(entry);
      return this.dropNew(hook, "the queue has too many bytes");
    }
    return entry;
  }

  /** The body of an event of the queue, in memory until it has arrived or is postponed. An event without one is given up. */
  body(entry: Entry): Buffer | undefined {
    if (entry.body) return entry.body;
    const body = this.spool?.read(entry);
    // A spool that proves corrupt may have lost it just now.
    if (!this.queue.has(entry)) return undefined;
    if (body) this.queue.hold(entry, body);
    else {
      entry.problem = "the spool cannot be read";
      this.giveUp(entry);
    }
    return body;
  }

  /** The event has arrived. */
  delivered(entry: Entry): void {
    this.queue.delete(entry);
    this.spool?.delete(entry);
  }

  /** The event waits for its next attempt; what has changed of it is kept. */
  postpone(entry: Entry): void {
    this.keep(entry, false);
    this.release(entry);
  }

  /** Makes an event of the queue a dead letter. */
  giveUp(entry: Entry): void {
    const { hookName, deliveryId, attempts, problem } = entry;
    this.ports.log.error(
      `webhook ${hookName}: given up after ${attempts} attempts: ${problem}: ${deliveryId} is a dead letter now`,
    );
    this.bury(entry);
  }

  /** Gives up an event that has waited too long for a receiver that does not work. @param problem the receiver's */
  expire(entry: Entry, problem: string): void {
    entry.problem = problem;
    this.ports.deliverer.left(entry);
    this.flood.error(`webhook ${entry.hookName}: ${problem}: an event that has waited too long is a dead letter now`);
    this.bury(entry);
  }

  /** Makes a dead letter a new event of the queue. @returns whether there was room */
  revive(entry: Entry): boolean {
    if (this.queue.size >= this.settings.queueSize) return false;
    const { clock } = this.ports;
    this.deadLetters.delete(entry);
    entry.attempts = 0;
    entry.pause = 0;
    entry.created = entry.due = clock.now();
    entry.queued = clock.monotonic();
    this.keep(entry, false);
    this.queue.add(entry);
    return true;
  }

  /** Removes events that mention somebody by any of these names, waiting or dead; those in flight arrive. @returns how many */
  async forget(...names: ByteString[]): Promise<number> {
    let removed = 0;
    for (const [i, { entry, dead }] of [...this.all()].entries()) {
      // Others have their turn in between: there may be many.
      if (i % FORGET_AT_ONCE === FORGET_AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve));
      if (entry.inFlight || !(this.queue.has(entry) || dead)) continue;
      const body = entry.body ?? this.spool?.read(entry);
      if (!body || !mentions(body, names)) continue;
      if (this.remove(entry)) removed++;
    }
    if (removed > 0) this.spool?.scrub();
    return removed;
  }

  /** Lets go of the spool, and says what is lost. */
  close(): void {
    const { log } = this.ports;
    this.spool?.flush(); // makes room
    const kept = [...this.all()].filter(({ entry, dead }) => this.spool?.add(entry, dead));
    const queued = kept.filter(({ dead }) => !dead).length;
    const lost = this.queue.size + this.deadLetters.size - kept.length;
    if (queued > 0) log.notice(`webhooks: ${queued} events wait in ${this.spool!.path} for the next start`);
    if (lost > 0) log.error(`webhooks: ${lost} events that were only in memory are lost (setStateDir keeps them)`);
    this.spool?.close();
    this.flood.close();
  }

  /** @returns whether it was there */
  private remove(entry: Entry): boolean {
    const waited = this.queue.delete(entry);
    if (waited) this.ports.deliverer.left(entry);
    else if (!this.deadLetters.delete(entry)) return false;
    this.spool?.delete(entry);
    return true;
  }

  private *all(): Generator<{ entry: Entry; dead: boolean }> {
    for (const entry of this.queue) yield { entry, dead: false };
    for (const entry of this.deadLetters) yield { entry, dead: true };
  }

  /** An event that was in the spool when it was opened. */
  private takeOver({ dead, ...event }: SpooledEvent): void {
    const { clock, deliverer } = this.ports;
    const queued = clock.monotonic() - Math.max(clock.now() - event.created, 0);
    const entry = { ...event, body: undefined, queued, inFlight: false };
    if (dead === 1) return this.inter(entry);
    this.queue.add(entry);
    deliverer.found(entry);
  }

  /** There is no room in the spool for an event whose body it had. @returns whether there is here */
  private holdInMemory(entry: Entry, body: Buffer): boolean {
    if (!this.queue.has(entry)) return this.deadLetters.hold(entry, body);
    if (this.queue.bytes + body.length > MOST_BYTES) return false;
    this.queue.hold(entry, body);
    return true;
  }

  /** The body of this event cannot be read any more. */
  private lose(entry: Entry): void {
    if (!this.deadLetters.delete(entry)) {
      this.queue.delete(entry);
      this.ports.deliverer.left(entry);
    }
    this.drop(entry.hookName, "spool", "the spool was damaged");
  }

  /** Gives up the oldest event of the hook that has most. @returns false when that is the one which asks */
  private makeRoom(hook: WebHook, measure: "events" | "bytes"): boolean {
    const entry = this.queue.leavesFor(hook.name, measure);
    if (!entry) return false;
    entry.problem = "made room for other webhooks";
    this.ports.deliverer.left(entry);
    this.dropped.increment("made_room");
    this.flood.error(
      `webhook ${entry.hookName}: the queue is full (setWebHookQueueSize): its oldest event is a dead letter now`,
    );
    this.bury(entry);
    return true;
  }

  private bury(entry: Entry): void {
    this.keep(entry, true);
    this.release(entry);
    this.queue.delete(entry);
    this.inter(entry);
  }

  private inter(entry: Entry): void {
    for (const gone of this.deadLetters.add(entry)) {
      this.spool?.delete(gone);
      this.drop(gone.hookName, "dead_letters_full", "there are too many dead letters");
    }
  }

  private dropNew({ name }: WebHook, why: string): undefined {
    this.drop(name, "queue_full", why);
  }

  private drop(hookName: string, reason: string, why: string): void {
    this.dropped.increment(reason);
    this.flood.error(`webhook ${hookName}: ${why}: an event is lost`);
  }

  /** Frees the memory of a body that the spool has too. */
  private release(entry: Entry): void {
    if (this.spool?.has(entry)) this.queue.release(entry);
  }

  /** Frees the memory of all bodies that the spool has too, but for those in flight. */
  private releaseAll(): void {
    for (const entry of this.queue) if (entry.body && !entry.inFlight) this.release(entry);
  }

  /** Brings the spool up to date; what is not in it yet, as there was no room, is put in. */
  private keep(entry: Entry, dead: boolean): void {
    if (entry.row === undefined) this.spool?.add(entry, dead);
    else this.spool?.save(entry, dead);
  }
}
