/**
 * The history as policies, console and page see it: takes rows over and returns at once, and answers questions.
 *
 * ```
 *   History ── Sender ── Outbox            what waits, and is sent again when the store has lost it
 *      │          └───── Store             SQLite in threads or in place, PostgreSQL
 *      └── Housekeeping                    what is too old goes; hours are counted
 * ```
 */
import type { Log } from "../log/log.ts";
import { Counter, Gauge } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import type { Filter } from "./filter.ts";
import { Housekeeping } from "./housekeeping.ts";
import { type Learnt, levelValues, pairsOf, sizeOfLearnt } from "./profile.ts";
import { QueryTimes } from "./query-times.ts";
import type { Outcome } from "./questions.ts";
import { riskScore } from "./risk.ts";
import type { Row } from "./row.ts";
import { Sender } from "./sender.ts";
import type { HistorySettings } from "./settings.ts";
import type { Answers, Forgotten, Question, Store, Write } from "./store.ts";

/** Rows of a login that are removed at once. */
const FORGET_AT_ONCE = 1000;
/** Rows that are read at once. */
const PAGE = 1000;

/** An answer, or why there is none, in words for a policy. */
export type Result<A> = { answer: A } | { problem: string };

/** What was removed of a login. */
type ForgottenLogin = Omit<Forgotten, "more">;

interface HistoryOptions {
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

export class History {
  readonly times: QueryTimes;
  private readonly sender: Sender;
  private readonly housekeeping: Housekeeping;
  private store: Store | undefined;

  constructor(
    readonly settings: HistorySettings,
    private readonly options: HistoryOptions,
  ) {
    const { clock, log, metrics } = options;
    const rows = metrics.add(new Counter("trackalert_history_rows_total", "Rows written to the history."));
    const dropped = metrics.add(
      new Counter("trackalert_history_dropped_total", "Rows that could not be written to the history."),
    );
    this.sender = new Sender({
      clock,
      log,
      batch: settings.batch * 1000,
      timeout: settings.timeout * 1000,
      written: (count) => void (rows.cell().value += count),
      dropped: (count) => void (dropped.cell().value += count),
    });
    const { sender } = this;
    metrics.add(
      new Gauge("trackalert_history_queue_bytes", "Memory of rows that are not written yet.", () => sender.bytes),
    );
    this.times = new QueryTimes(clock);
    metrics.add(this.times.histogram);
    this.housekeeping = new Housekeeping(sender, settings, { clock, log });
  }

  /** What people call it. */
  get name(): string {
    return this.store?.name ?? "not open";
  }

  /** Rows that are not written yet. */
  get waitingRows(): number {
    return this.sender.rowCount;
  }

  /** Memory of what is not written yet, in bytes, about. */
  get waitingBytes(): number {
    return this.sender.bytes;
  }

  /** @throws {StoreError} when the store cannot be used before somebody mends it; one that is away is tried again and again */
  async open(store: Store): Promise<void> {
    this.store = store;
    await this.sender.open(store);
    this.housekeeping.start();
  }

  /** Takes a row over. */
  add(row: Row): void {
    this.sender.addRow(row);
  }

  /** From now on nothing is committed but by {@link flush}: for what is to be known of all that is written, in one with it. */
  commitOnFlush(): void {
    this.sender.commitsOnFlush = true;
  }

  /** Takes over something else that is to be written, in its turn. @param size bytes of memory, about */
  write(write: Write, size?: number): void {
    this.sender.addWrite(write, size);
  }

  /**
   * Asks a question that sees all that was added before it.
   * @param beside not to hold up others: for questions that may take long
   */
  async ask<A extends Question["ask"]>(
    question: Extract<Question, { ask: A }>,
    { beside }: { beside: boolean },
  ): Promise<Result<Answers[A]>> {
    const { clock } = this.options;
    const begun = clock.monotonic();
    const outcome = await (beside ? this.sender.askBeside(question) : this.sender.ask(question));
    this.times.observe(question.ask, (clock.monotonic() - begun) / 1000);
    return toResult<Answers[A]>(outcome);
  }

  /** The newest rows, beside others' questions: a page at a time, so that what they take to be read holds nobody up. */
  async allRows(filter: Filter, most: number): Promise<Result<Row[]>> {
    const rows: Row[] = [];
    while (rows.length < most) {
      const n = Math.min(PAGE, most - rows.length);
      const result = await this.ask({ ask: "rows", filter, n, skip: rows.length }, { beside: true });
      if ("problem" in result) return result;
      rows.push(...result.answer);
      if (result.answer.length < n) break;
    }
    return { answer: rows };
  }

  /** Takes over what a success teaches. */
  learn(success: Omit<Learnt, "pairs">): void {
    const learnt = { ...success, pairs: pairsOf(success.values, this.settings.hierarchies) };
    this.sender.addWrite({ write: "learn", learnt: [learnt] }, sizeOfLearnt(learnt));
  }

  /**
   * How unusual a success of a login is that has these values.
   * @returns undefined for a login that was never learnt
   */
  async risk(login: ByteString, values: ReadonlyMap<ByteString, ByteString>): Promise<Result<number | undefined>> {
    const { hierarchies } = this.settings;
    const levels = levelValues(hierarchies, values);
    const result = await this.ask({ ask: "usage", login, levels }, { beside: false });
    return "answer" in result ? { answer: riskScore(hierarchies, result.answer) } : result;
  }

  /** Makes durable what was added before. @returns whether it is */
  flush(): Promise<boolean> {
    return this.sender.flush();
  }

  /** Removes a login, from what waits, too. */
  async forget(login: ByteString): Promise<Result<ForgottenLogin>> {
    const forgotten: ForgottenLogin = { rows: 0, profiles: 0, pairs: 0, everybody: 0 };
    while (true) {
      const result = await this.ask({ ask: "forget", login, limit: FORGET_AT_ONCE }, { beside: false });
      if ("problem" in result) return result;
      for (const name of Object.keys(forgotten) as (keyof ForgottenLogin)[]) forgotten[name] += result.answer[name];
      if (!result.answer.more) return { answer: forgotten };
    }
  }

  /** Writes a copy to a file that is not there yet. @throws {StoreError} @returns whether there is one */
  async backup(file: string): Promise<boolean> {
    if (!(await this.sender.flush())) return false;
    return (await this.sender.use(async (store) => (await store.backup(file), true))) ?? false;
  }

  /** Writes what waits, and closes the store. @returns how many rows could not be written */
  close(): Promise<number> {
    this.housekeeping.stop();
    return this.sender.close();
  }

  /** Closes the store without waiting for it. @returns how many rows are not written */
  cut(): Promise<number> {
    this.housekeeping.stop();
    return this.sender.cut();
  }
}

function toResult<A>(outcome: Outcome): Result<A> {
  if ("answer" in outcome) return { answer: outcome.answer as A };
  if ("away" in outcome) return { problem: "history away" };
  return { problem: "timeout" in outcome ? "history timeout" : `history failed: ${outcome.failed}` };
}
