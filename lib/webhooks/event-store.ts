/** What is to be delivered and what was given up: in memory within bounds, and in the spool where there is one. */
import type { ByteString } from "../byte-string.ts";
import type { Clock } from "../clock.ts";
import type { WebHookSettings } from "../config.ts";
import type { Log } from "../log.ts";
import { Counter, Gauge } from "../metric.ts";
import type { Metrics } from "../metrics.ts";
import { DeadLetters } from "./dead-letters.ts";
import type { Entry } from "./entry.ts";
import { createEvent, type WebHook } from "./hook.ts";
import { LogFlood } from "./log-flood.ts";
import { Spool } from "./spool.ts";

/** Bytes of bodies in memory. Over it an event stays in the spool alone, or is dropped when it is not there. */
const MOST_BYTES = 256 * 1024 * 1024;

export class EventStore {
  /** In the order of acceptance. */
  readonly queue = new Set<Entry>();
  readonly deadLetters = new DeadLetters();
  private spool: Spool | undefined;
  private lastId = 0;
  /** Of bodies of the queue that are in memory. */
  private bytes = 0;
  private readonly flood: LogFlood;
  private readonly dropped = new Counter("trackalert_webhook_dropped_total", "Events that were lost.", "reason");

  constructor(
    private readonly settings: WebHookSettings,
    private readonly ports: { clock: Clock; log: Log; metrics: Metrics },
  ) {
    const { metrics } = ports;
    this.flood = new LogFlood(ports);
    metrics.add(new Gauge("trackalert_webhook_queue_size", "Events to be delivered.", () => this.queue.size));
    metrics.add(this.dropped).declare("queue_full");
    metrics.add(
      new Gauge("trackalert_webhook_dead_letters", "Events that were given up.", () => this.deadLetters.size),
    );
  }

  /**
   * Opens the spool, and takes over what an earlier daemon left.
   * @param mostPages of the spool's file, for specs
   */
  open(folder: string, mostPages?: number): void {
    const opened = Spool.open(folder, this.ports, mostPages);
    if (!opened) return;
    this.spool = opened.spool;
    for (const { dead, ...row } of opened.rows) {
      const entry = { ...row, body: undefined, spooled: true };
      this.lastId = entry.id;
      if (dead === 1) this.bury(entry);
      else this.queue.add(entry);
    }
  }

  /** Puts an event into the queue. One that does not fit is dropped, and that is reported. */
  accept(hook: WebHook, data: ByteString): Entry | undefined {
    if (this.queue.size >= this.settings.queueSize) {
      return this.drop(hook.name, "queue_full", "the queue is full (setWebHookQueueSize)");
    }
    const { deliveryId, body } = createEvent(hook, data);
    const created = this.ports.clock.now();
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
    this.bytes += entry.size;
    if (this.bytes > MOST_BYTES) this.release(entry);
    if (this.bytes > MOST_BYTES) {
      this.bytes -= entry.size;
      return this.drop(hook.name, "queue_full", "the queue has too many bytes");
    }
    this.lastId = entry.id;
    this.queue.add(entry);
    return entry;
  }

  /** The body of an event of the queue. An event without one is lost, and that is reported. */
  body(entry: Entry): Buffer | undefined {
    const body = entry.body ?? this.spool?.read(entry.id);
    if (body) return body;
    this.remove(entry);
    return this.drop(entry.hookName, "spool", "the spool cannot be read");
  }

  /** The event has arrived. */
  delivered(entry: Entry): void {
    this.remove(entry);
    this.spool?.delete(entry);
  }

  /** The event waits for its next attempt; what has changed of it is kept. */
  postpone(entry: Entry): void {
    this.release(entry);
    this.spool?.save(entry, false);
  }

  /** Makes an event of the queue a dead letter. */
  giveUp(entry: Entry): void {
    const { hookName, deliveryId, attempts, problem } = entry;
    this.ports.log.error(
      `webhook ${hookName}: given up after ${attempts} attempts: ${problem}: ${deliveryId} is a dead letter now`,
    );
    this.release(entry);
    this.remove(entry);
    this.spool?.save(entry, true);
    this.bury(entry);
  }

  /** Makes a dead letter a new event of the queue. @returns whether there was room */
  revive(entry: Entry): boolean {
    if (this.queue.size >= this.settings.queueSize) return false;
    this.deadLetters.delete(entry);
    this.bytes += entry.body?.length ?? 0;
    entry.attempts = 0;
    entry.due = this.ports.clock.now();
    this.spool?.save(entry, false);
    this.queue.add(entry);
    return true;
  }

  /** Lets go of the spool, and says what is lost. */
  close(): void {
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

  private bury(entry: Entry): void {
    for (const gone of this.deadLetters.add(entry)) {
      this.spool?.delete(gone);
      this.drop(gone.hookName, "dead_letters_full", "there are too many dead letters");
    }
  }

  private drop(hookName: string, reason: string, why: string): undefined {
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
