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
 */
import { type AlertFilter, type AlertRecord, matches, newestFirst, type Raised } from "../history/alert-record.ts";
import type { History, Result } from "../history/history.ts";
import { formatFields, type Log } from "../log/log.ts";
import { Counter } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import { type ByteString, toText } from "../text/byte-string.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import { type Draft, fieldsOf, keyOf, messageOf } from "./alert.ts";

/** Milliseconds that the history gets to say who has a key. */
const PATIENCE = 2000;
/** Milliseconds over which counts are gathered before they are written. */
const FOLD_EVERY = 1000;
/** Milliseconds between two tries to read what an earlier daemon left. */
const RETRY = 60_000;
/** Alerts that are kept in memory, for a daemon without a history. */
const KEPT = 1000;
/** Bytes of cool-downs that are known at once, about; of more, those that were begun longest ago are left to the history. */
const MOST_COOLING = 32 * 1024 ** 2;
/** Types that have a metric of their own: policies may make them up. */
const MOST_TYPES = 200;

/** Where alerts go. */
export interface AlertSink {
  /** One that is new. */
  raised(alert: AlertRecord): void;
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

interface Cooldown {
  alert: AlertRecord;
  /** Whether it is known who has the key. */
  decided: boolean;
  /** How often it was raised since that was last written. */
  folded: number;
  cancel: CancelTimer;
}

/** About how much memory it takes. */
const sizeOf = ({ alert: { key, login, remote, message, evidence } }: Cooldown): number =>
  [key, login, remote, message, evidence].reduce((size, text) => size + (text?.length ?? 0), 600);

export class Alerts {
  private readonly cooling = new Map<ByteString, Cooldown>();
  private coolingBytes = 0;
  /** Cool-downs whose count is not written. */
  private readonly dirty = new Set<Cooldown>();
  /** The newest, in the order in which they came. */
  private readonly kept: AlertRecord[] = [];
  private readonly types = new Set<string>();
  private raisedSoFar = 0;
  private cancelFlush: CancelTimer | undefined;
  private cancelRetry: CancelTimer | undefined;
  private readonly total: Counter;
  private readonly foldedTotal: Counter;

  constructor(private readonly options: AlertsOptions) {
    const { metrics } = options;
    this.total = metrics.add(new Counter("trackalert_alerts_total", "Alerts raised.", "type", "severity"));
    this.foldedTotal = metrics.add(
      new Counter("trackalert_alerts_folded_total", "Alerts folded into an earlier one that cools down.", "type"),
    );
  }

  /** Takes over the cool-downs that an earlier daemon left, as soon as the history can tell them. */
  async open(): Promise<void> {
    const history = this.options.history();
    if (!history) return;
    const result = await history.ask({ ask: "openAlerts" }, { beside: true });
    if ("problem" in result) {
      this.cancelRetry = this.options.clock.after(RETRY, () => void this.open());
      return;
    }
    for (const alert of result.answer) if (!this.cooling.has(alert.key)) this.cool(alert, true);
  }

  /** Writes what is not written. */
  close(): void {
    this.flush();
    this.cancelRetry?.();
    for (const cooldown of [...this.cooling.values()]) this.drop(cooldown);
  }

  /** @returns the id of the new alert, undefined when it was folded into an earlier one; at once where memory knows */
  raise(draft: Draft): string | undefined | Promise<string | undefined> {
    const { keeps, sink, history } = this.options;
    const alert = this.create(draft);
    if (!keeps()) {
      sink.raised(alert);
      return alert.id;
    }
    const earlier = this.cooling.get(alert.key);
    if (earlier && this.isCooling(earlier, draft.cooldown)) {
      this.fold(earlier, alert);
      return undefined;
    }
    if (earlier) void this.finish(earlier);
    const cooldown = this.cool(alert, history() === undefined);
    if (!cooldown.decided) return this.decide(cooldown);
    this.tell(alert);
    return alert.id;
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
    this.flush();
    const history = this.options.history();
    const result = history && (await history.ask({ ask: "alerts", filter, n }, { beside }));
    if (result && ("answer" in result || result.problem !== "history away")) return result;
    const all = this.kept.filter((alert) => matches(alert, filter)).toSorted(newestFirst);
    return { answer: all.slice(0, n) };
  }

  /** Removes what is known of a login. @returns how many alerts */
  async forget(login: ByteString): Promise<number> {
    const isAbout = (alert: AlertRecord): boolean => alert.login === login;
    for (const cooldown of [...this.cooling.values()]) if (isAbout(cooldown.alert)) this.drop(cooldown);
    const inMemory = this.kept.filter(isAbout).length;
    this.kept.splice(0, this.kept.length, ...this.kept.filter((alert) => !isAbout(alert)));
    const result = await this.options.history()?.ask({ ask: "forgetAlerts", login }, { beside: false });
    return result && "answer" in result ? result.answer : inMemory;
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

  /** One that would last for longer than it can was begun before the clock was set back. */
  private isCooling({ alert }: Cooldown, longest: number): boolean {
    const left = alert.until - this.options.clock.now() / 1000;
    return left > 0 && left <= Math.max(longest, alert.until - alert.first);
  }

  private cool(alert: AlertRecord, decided: boolean): Cooldown {
    const cooldown: Cooldown = { alert, decided, folded: 0, cancel: () => {} };
    this.watch(cooldown);
    this.cooling.set(alert.key, cooldown);
    this.coolingBytes += sizeOf(cooldown);
    for (const oldest of this.cooling.values()) {
      if (this.coolingBytes <= MOST_COOLING) break;
      this.flush();
      this.drop(oldest);
    }
    return cooldown;
  }

  private watch(cooldown: Cooldown): void {
    cooldown.cancel = this.options.clock.at(cooldown.alert.until * 1000, () => void this.finish(cooldown));
  }

  private drop(cooldown: Cooldown): void {
    const { alert, cancel } = cooldown;
    cancel();
    this.dirty.delete(cooldown);
    if (this.cooling.get(alert.key) !== cooldown) return;
    this.cooling.delete(alert.key);
    this.coolingBytes -= sizeOf(cooldown);
  }

  private async decide(cooldown: Cooldown): Promise<string | undefined> {
    const { alert } = cooldown;
    const raised = await this.askWho(alert);
    cooldown.decided = true;
    if (cooldown.folded > 0) this.flushSoon();
    if (!raised.isNew) return this.adopt(cooldown, raised);
    this.tell(alert);
    return alert.id;
  }

  /** Who has the key; this daemon where nobody says so in time, and then the alert is kept when that can be done. */
  private async askWho(alert: AlertRecord): Promise<Raised> {
    const { clock } = this.options;
    const history = this.options.history()!;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = clock.after(PATIENCE, () => resolve(undefined));
    const question = { ask: "raise", alert, now: clock.now() / 1000 } as const;
    const result = await Promise.race([history.ask(question, { beside: false }), late]);
    cancel();
    if (result && "answer" in result) return result.answer;
    history.write({ write: "alerts", alerts: [alert] });
    return { id: alert.id, isNew: true, until: alert.until };
  }

  /** Another daemon has raised it: what has been folded since goes there. */
  private adopt(cooldown: Cooldown, { id, until }: Raised): undefined {
    const { alert } = cooldown;
    this.countFolded(alert);
    cooldown.cancel();
    cooldown.alert = { ...alert, id, until };
    this.watch(cooldown);
  }

  private fold(cooldown: Cooldown, { last }: AlertRecord): void {
    const { alert } = cooldown;
    cooldown.folded++;
    this.dirty.add(cooldown);
    alert.count++;
    alert.last = Math.max(alert.last, last);
    this.countFolded(alert);
    this.flushSoon();
  }

  private flushSoon(): void {
    this.cancelFlush ??= this.options.clock.after(FOLD_EVERY, () => this.flush());
  }

  private countFolded({ type }: AlertRecord): void {
    this.foldedTotal.increment(this.labelOf(type));
  }

  /** Has the history count what was folded. */
  private flush(): void {
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    const history = this.options.history();
    const ready = [...this.dirty].filter(({ decided }) => decided);
    const folds = ready.map((cooldown) => {
      const { alert, folded } = cooldown;
      cooldown.folded = 0;
      this.dirty.delete(cooldown);
      return { key: alert.key, id: alert.id, count: folded, last: alert.last };
    });
    if (folds.length > 0) history?.write({ write: "folds", folds });
  }

  private tell(alert: AlertRecord): void {
    const { log, sink } = this.options;
    this.total.increment(this.labelOf(alert.type), alert.severity);
    log.warn(formatFields("alert", fieldsOf(alert)));
    this.kept.push(alert);
    if (this.kept.length > KEPT) this.kept.shift();
    sink.raised(alert);
  }

  private async finish(cooldown: Cooldown): Promise<void> {
    const { alert } = cooldown;
    this.flush();
    this.drop(cooldown);
    const history = this.options.history();
    const { key, id } = alert;
    const result = history && (await history.ask({ ask: "finish", key, id }, { beside: false }));
    // Without an answer memory decides.
    const last = result && "answer" in result ? result.answer : alert;
    if (last && last.count > 1) this.options.sink.ended(last);
  }

  private labelOf(type: string): string {
    if (this.types.has(type)) return type;
    if (this.types.size >= MOST_TYPES) return "other";
    this.types.add(type);
    return type;
  }
}
