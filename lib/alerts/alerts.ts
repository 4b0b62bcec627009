/**
 * Alerts as they are raised, by what they are about: the first of a key is told, others are folded into it until its
 * cool-down ends, and then it is told once more if there were any, with its final count.
 *
 * ```
 *   raise ──▶ memory: cooling down? ──▶ folded            counted up in memory, and in the history once a second
 *                │ no
 *                ▼
 *             history: who has the key? ──▶ another daemon: folded
 *                │ this one, or no answer within 2 s
 *                ▼
 *             told: log, metrics, sink ──── the cool-down ends ──▶ finished by one daemon: told again, as final
 * ```
 * Cool-downs are timed by the clock that never jumps; the history has their ends by the wall clock, for other daemons and
 * later ones.
 */
import {
  type AlertFilter,
  type AlertRecord,
  CLOCK_SKEW,
  matches,
  newestFirst,
  type Raised,
} from "../history/alert-record.ts";
import type { History, Result } from "../history/history.ts";
import { formatFields, type Log } from "../log/log.ts";
import type { Metrics } from "../stats/metrics.ts";
import { type ByteString, toText } from "../text/byte-string.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import { type Draft, fieldsOf, keyOf, messageOf } from "./alert.ts";
import { type Cooldown, Cooldowns } from "./cooldowns.ts";
import { Folds } from "./folds.ts";
import { AlertMetrics } from "./metrics.ts";

/** Milliseconds that the history gets to say who has a key. */
const PATIENCE = 2000;
/** Milliseconds after the end of a cool-down in which the counts of other daemons arrive. */
const SETTLE = 3000;
/** Milliseconds between two tries to read what an earlier daemon left. */
const RETRY = 60_000;
/** Alerts that are kept in memory, for a daemon without a history. */
const KEPT = 1000;
/** Alerts that are read at once. */
const PAGE = 1000;

/** Where alerts go. What they are given is theirs: it does not change. */
export interface AlertSink {
  /** One that is new. @param counted the same, which goes on being counted up */
  raised(alert: AlertRecord, counted: AlertRecord): void;
  /** One whose cool-down has ended, if it was raised more than once. */
  ended(alert: AlertRecord): void;
  /** What there was in a day or so, as an alert of its own, whose message may have lines. */
  summarized(summary: AlertRecord): void;
}

interface AlertsOptions {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Name of this machine. */
  host: string;
  history: () => History | undefined;
  sink: AlertSink;
  /** Whether alerts are kept and cooled, or only told to the sink: for what only teaches. Asked each time. */
  keeps: () => boolean;
}

export class Alerts {
  private readonly cooling = new Cooldowns();
  private readonly folds: Folds;
  private readonly counts: AlertMetrics;
  /** What waits for the history: {@link decide} and {@link finish}. */
  private readonly underWay = new Set<Promise<unknown>>();
  /** The newest, in the order in which they came. */
  private readonly kept: AlertRecord[] = [];
  private raisedSoFar = 0;
  private closed = false;
  private cancelRetry: CancelTimer | undefined;

  constructor(private readonly options: AlertsOptions) {
    this.folds = new Folds(options.clock, options.history);
    this.counts = new AlertMetrics(options.metrics);
  }

  /** Bytes of the cool-downs in memory, about. */
  get bytes(): number {
    return this.cooling.bytes;
  }

  /** Whether {@link raise} may have to ask the history. */
  get mayWait(): boolean {
    return this.options.keeps() && this.options.history() !== undefined;
  }

  /** Takes over the cool-downs that an earlier daemon left, as soon as the history can tell them. */
  async open(): Promise<void> {
    const { clock, host, history: historyOf } = this.options;
    const history = historyOf();
    if (!history) return;
    const result = await history.ask({ ask: "openAlerts" }, { beside: true });
    if (this.closed) return;
    if ("problem" in result) {
      this.cancelRetry = clock.after(RETRY, () => void this.open());
      return;
    }
    for (const alert of result.answer) {
      if (this.cooling.get(alert.key)) continue;
      const left = alert.until * 1000 - clock.now();
      this.cool({ alert, isOthers: alert.host !== host, left, length: 0 });
    }
  }

  /** Ends no more cool-downs, lets what is under way end, and has the history write what is not written. */
  async close(): Promise<void> {
    this.closed = true;
    this.cancelRetry?.();
    for (const cooldown of this.cooling.of()) cooldown.cancel();
    await this.settled();
    this.folds.write();
  }

  /** @returns the id of the new alert, undefined when it was folded into an earlier one; at once where memory knows */
  raise(draft: Draft): string | undefined | Promise<string | undefined> {
    const { clock, keeps, sink, history } = this.options;
    const alert = this.create(draft);
    if (!keeps()) {
      sink.raised(alert, alert);
      return alert.id;
    }
    const earlier = this.cooling.get(alert.key);
    if (earlier && this.isCooling(earlier, draft)) {
      this.fold(earlier, alert);
      return undefined;
    }
    if (earlier) this.end(earlier);
    const length = draft.cooldown * 1000;
    const cooldown = this.cool({ alert: { ...alert }, isOthers: false, left: length, length });
    if (!history()) {
      this.tell(alert, cooldown);
      return alert.id;
    }
    // What memory knows to be over is over, whatever the wall clock says.
    const now = Math.max(clock.now() / 1000, earlier?.alert.until ?? 0);
    return (cooldown.deciding = this.track(this.decide(alert, cooldown, now)));
  }

  /** Tells a summary: in the log, and to those who take one. It is not kept, counted or cooled. */
  summarize(draft: Draft): void {
    const summary = { ...this.create(draft), message: draft.message! };
    const { keeps, log, sink } = this.options;
    if (keeps()) for (const line of toText(summary.message).split("\n")) log.info(`summary: ${line}`);
    sink.summarized(summary);
  }

  /** Alerts that a filter means, newest first; those in memory when there is no history, or it is away. */
  async list(filter: AlertFilter, n: number, { beside }: { beside: boolean }): Promise<Result<AlertRecord[]>> {
    this.folds.write();
    const history = this.options.history();
    const result = history && (await history.ask({ ask: "alerts", filter, n }, { beside }));
    if (result && ("answer" in result || result.problem !== "history away")) return result;
    const all = this.kept.filter((alert) => matches(alert, filter)).toSorted(newestFirst);
    return { answer: all.slice(0, n) };
  }

  /** As {@link list}, a page at a time beside others' questions. */
  async listAll(filter: AlertFilter, most: number): Promise<Result<AlertRecord[]>> {
    const alerts: AlertRecord[] = [];
    while (alerts.length < most) {
      const n = Math.min(PAGE, most - alerts.length);
      const last = alerts.at(-1);
      const result = await this.list(last ? { ...filter, after: last } : filter, n, { beside: true });
      if ("problem" in result) return result;
      alerts.push(...result.answer);
      if (result.answer.length < n) break;
    }
    return { answer: alerts };
  }

  /** Removes what is known of a login. @returns how many alerts */
  async forget(login: ByteString): Promise<Result<number>> {
    const isAbout = (alert: AlertRecord): boolean => alert.login === login;
    await this.settled();
    for (const cooldown of this.cooling.of(login)) {
      this.cooling.drop(cooldown);
      this.folds.forget(cooldown);
    }
    const inMemory = this.kept.filter(isAbout).length;
    this.kept.splice(0, this.kept.length, ...this.kept.filter((alert) => !isAbout(alert)));
    const history = this.options.history();
    return history ? history.ask({ ask: "forgetAlerts", login }, { beside: false }) : { answer: inMemory };
  }

  private create(draft: Draft): AlertRecord {
    const { type, severity, login, remote, evidence, policy, t, cooldown } = draft;
    const { clock, host } = this.options;
    const key = keyOf(draft);
    // Two runs of a replay must give the same ids, and two daemons different ones.
    const seed = `${host}\0${clock.now()}\0${++this.raisedSoFar}\0${key}`;
    return {
      id: new Bun.CryptoHasher("sha256").update(Buffer.from(seed, "latin1")).digest("hex").slice(0, 32),
      key,
      type,
      severity,
      login: login ?? null,
      remote: remote ?? null,
      message: messageOf(draft),
      evidence: evidence ?? null,
      policy: policy ?? null,
      host,
      count: 1,
      first: t,
      last: t,
      until: clock.now() / 1000 + cooldown,
    };
  }

  /** One of an earlier daemon that would last for longer than it can was begun before the clock was set back. */
  private isCooling({ end, length }: Cooldown, { cooldown }: Draft): boolean {
    const left = end - this.options.clock.monotonic();
    return left > 0 && left <= Math.max(length, (cooldown + CLOCK_SKEW) * 1000);
  }

  private cool({ left, ...of }: Pick<Cooldown, "alert" | "isOthers" | "length"> & { left: number }): Cooldown {
    const cooldown = { ...of, deciding: undefined, folded: 0, end: 0, cancel: (): void => {} };
    this.time(cooldown, left);
    this.cooling.add(cooldown);
    return cooldown;
  }

  /** @param left milliseconds */
  private time(cooldown: Cooldown, left: number): void {
    const { clock, history } = this.options;
    cooldown.cancel();
    cooldown.end = clock.monotonic() + left;
    const settle = history() ? SETTLE : 0;
    if (!this.closed) cooldown.cancel = clock.after(Math.max(0, left + settle), () => this.end(cooldown));
  }

  private track<T>(work: Promise<T>): Promise<T> {
    this.underWay.add(work);
    void work.finally(() => this.underWay.delete(work));
    return work;
  }

  /** Waits for what is under way. */
  private async settled(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private async decide(alert: AlertRecord, cooldown: Cooldown, now: number): Promise<string | undefined> {
    const raised = await this.askWho(alert, now);
    cooldown.deciding = undefined;
    if (raised.isNew) this.tell(alert, cooldown);
    else this.adopt(cooldown, raised);
    if (cooldown.folded > 0) this.folds.add(cooldown);
    return raised.isNew ? alert.id : undefined;
  }

  /** Who has the key; this daemon where nobody says so in time, and then the alert is kept when that can be done. */
  private async askWho(alert: AlertRecord, now: number): Promise<Raised> {
    const history = this.options.history()!;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.options.clock.after(PATIENCE, () => resolve(undefined));
    const result = await Promise.race([history.ask({ ask: "raise", alert, now }, { beside: false }), late]);
    cancel();
    if (result && "answer" in result) return result.answer;
    history.write({ write: "alerts", alerts: [alert], now }, sizeOfWrite(alert));
    return { id: alert.id, isNew: true, until: alert.until };
  }

  /** Another daemon has raised it: what has been folded since goes there. */
  private adopt(cooldown: Cooldown, { id, until }: Raised): void {
    this.counts.folded(cooldown.alert);
    Object.assign(cooldown.alert, { id, until });
    cooldown.isOthers = true;
    const left = until * 1000 - this.options.clock.now();
    if (this.cooling.has(cooldown)) this.time(cooldown, Math.min(left, cooldown.length));
  }

  private fold(cooldown: Cooldown, { last }: AlertRecord): void {
    const { alert, deciding } = cooldown;
    cooldown.folded++;
    alert.count++;
    alert.last = Math.max(alert.last, last);
    this.counts.folded(alert);
    if (!deciding) this.folds.add(cooldown);
  }

  private tell(alert: AlertRecord, cooldown: Cooldown): void {
    const { log, sink } = this.options;
    this.counts.raised(alert);
    log.warn(formatFields("alert", fieldsOf(alert)));
    // What is folded later is counted there, too.
    this.kept.push(cooldown.alert);
    if (this.kept.length > KEPT) this.kept.shift();
    sink.raised(alert, cooldown.alert);
  }

  private end(cooldown: Cooldown): void {
    this.cooling.drop(cooldown);
    void this.track(this.finish(cooldown));
  }

  private async finish(cooldown: Cooldown): Promise<void> {
    if (cooldown.deciding) await cooldown.deciding;
    this.folds.write();
    const { alert, isOthers } = cooldown;
    const { key, id } = alert;
    const history = this.options.history();
    const result = history && (await history.ask({ ask: "finish", key, id }, { beside: false }));
    if (result && "answer" in result) {
      if (result.answer && result.answer.count > 1) this.options.sink.ended(result.answer);
      return;
    }
    // Without an answer the one who raised it decides.
    if (isOthers) return;
    history?.write({ write: "finished", alerts: [{ key, id }] });
    if (alert.count > 1) this.options.sink.ended({ ...alert });
  }
}

/** Bytes of memory, about. */
const sizeOfWrite = ({ evidence, message }: AlertRecord): number => 4000 + message.length + (evidence?.length ?? 0);
