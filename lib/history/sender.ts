/**
 * Sends to the store what is to be written, with the questions that are to see it, and copes with a store that is away.
 *
 * Up to {@link MOST_TURNS} turns are under way. When one fails, nothing since the last durable turn is kept: all that was sent
 * waits again, and is sent anew to a store that has been opened anew.
 */
import type { Log } from "../log/log.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import { Outbox, ROWS_A_TURN } from "./outbox.ts";
import { type Asked, type Outcome, Questions } from "./questions.ts";
import type { Row } from "./row.ts";
import { isWriting, type Question, type Store, StoreError, type Write } from "./store.ts";

const MOST_TURNS = 4;
/** Milliseconds until a store that is away is tried again; doubled each time, up to the second. */
const FIRST_RETRY = 500;
const LONGEST_RETRY = 30_000;
interface SenderOptions {
  clock: Clock;
  log: Log;
  /** Milliseconds over which rows are gathered. */
  batch: number;
  /** Milliseconds for a question. */
  timeout: number;
  /** Told how many rows have become durable, and how many there was no room for. */
  written: (rows: number) => void;
  dropped: (rows: number) => void;
}

export class Sender {
  private readonly outbox: Outbox;
  private store: Store | undefined;
  /** Whether the store takes turns. */
  private usable = false;
  private closed = false;
  private readonly questions: Questions;
  private turn = 0;
  private underWay = 0;
  /** Set from the first failure until all turns have come back. */
  private failure: { error: StoreError; turn: number | undefined } | undefined;
  /** Nothing is committed but by {@link flush}, and then all that waits in one. */
  commitsOnFlush = false;
  private commitDue = false;
  private scheduled = false;
  private retryDelay = FIRST_RETRY;
  private saidAway = false;
  private droppedWhileAway = 0;
  private cancelCommit: CancelTimer | undefined;
  private cancelRetry: CancelTimer | undefined;
  private progress = Promise.withResolvers<void>();

  constructor(private readonly options: SenderOptions) {
    this.outbox = new Outbox((rows) => this.drop(rows));
    this.questions = new Questions(options.clock, options.timeout);
  }

  get bytes(): number {
    return this.outbox.bytes;
  }

  get rowCount(): number {
    return this.outbox.rowCount;
  }

  /** Whether the store answers, as far as is known. */
  get isUsable(): boolean {
    return this.usable;
  }

  /** Begins to send. @throws {StoreError} when the store cannot be used before somebody mends it; one that is away is tried again */
  async open(store: Store): Promise<void> {
    this.store = store;
    try {
      await store.open();
    } catch (error) {
      if (!(error instanceof StoreError) || error.problem !== "away") throw error;
      return this.goAway(error);
    }
    this.usable = true;
    this.pump();
  }

  addRow(row: Row): void {
    this.outbox.addRow(row);
    this.added();
  }

  addWrite(write: Write, size?: number): void {
    this.outbox.addWrite(write, size);
    this.added();
  }

  /** Asks a question that sees all that was added before. */
  ask(question: Question): Promise<Outcome> {
    if (!this.usable) return Promise.resolve({ away: true });
    const outcome = this.questions.wait(question, this.outbox.added);
    if (this.store!.isInline) this.pump();
    else if (!this.scheduled) {
      // What comes in one turn of the event loop travels together.
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        this.pump();
      });
    }
    return outcome;
  }

  /** Asks a question that may take long: beside the turns, when all that was added before is durable. */
  async askBeside(question: Question): Promise<Outcome> {
    // Flushing commits.
    if (this.commitsOnFlush) return this.ask(question);
    if (!(await this.flush())) return { away: true };
    const { questions } = this;
    const { asked, outcome } = questions.begin(question, this.outbox.added);
    this.store!.ask(question).then(
      (reply) => questions.answer(asked, reply),
      (error: unknown) => {
        questions.answer(asked, { away: true });
        this.fail(error as StoreError, undefined);
      },
    );
    return outcome;
  }

  /** Makes all durable that was added before. @returns whether it is */
  async flush(): Promise<boolean> {
    const { outbox } = this;
    const all = outbox.added;
    while (this.usable && outbox.gone < all) {
      this.commitDue = true;
      this.pump();
      await this.progress.promise;
    }
    return this.usable;
  }

  /** Does something with the store, if it is usable. @returns undefined if not, or when it fails */
  async use<T>(action: (store: Store) => Promise<T>): Promise<T | undefined> {
    if (!this.usable) return undefined;
    try {
      return await action(this.store!);
    } catch (error) {
      if ((error as StoreError).problem === "misuse") throw error;
      this.fail(error as StoreError, undefined);
      return undefined;
    }
  }

  /** Writes what waits, if the store takes it, and closes the store. @returns how many rows could not be written */
  async close(): Promise<number> {
    await this.flush();
    return this.cut();
  }

  /** Closes the store as it is. @returns how many rows are not written */
  async cut(): Promise<number> {
    this.closed = true;
    this.usable = false;
    for (const cancel of [this.cancelCommit, this.cancelRetry]) cancel?.();
    this.questions.stop();
    await this.store?.close();
    return this.outbox.rowCount;
  }

  private added(): void {
    if (this.outbox.waitingCount >= ROWS_A_TURN) this.pump();
    if (this.commitsOnFlush) return;
    this.cancelCommit ??= this.options.clock.after(this.options.batch, () => {
      this.cancelCommit = undefined;
      this.commitDue = true;
      this.pump();
    });
  }

  /** Sends as many turns as may be under way. */
  private pump(): void {
    while (this.usable && !this.failure && this.underWay < MOST_TURNS) {
      const turn = this.turn + 1;
      const writes = this.outbox.take(turn, this.commitsOnFlush);
      const questions = this.questions.take(this.outbox.taken);
      const commit =
        (this.commitDue && this.outbox.gone < this.outbox.added) ||
        (!this.commitsOnFlush && questions.some(({ question }) => isWriting(question)));
      this.commitDue = false;
      if (writes.length === 0 && questions.length === 0 && !commit) return;
      this.turn = turn;
      this.send(turn, writes, questions, commit);
    }
  }

  private send(turn: number, writes: Write[], asked: Asked[], commit: boolean): void {
    this.underWay++;
    const questions = asked.map(({ question }) => question);
    this.store!.run({ number: turn, writes, questions, commit }).then(
      ({ replies, durable }) => {
        this.underWay--;
        if (durable) this.options.written(this.outbox.settle(turn));
        for (const [i, one] of asked.entries()) this.questions.answer(one, replies[i]!);
        this.proceed();
      },
      (error: unknown) => {
        this.underWay--;
        for (const one of asked) this.questions.answer(one, { away: true });
        this.fail(error as StoreError, turn);
      },
    );
  }

  private proceed(): void {
    this.progress.resolve();
    this.progress = Promise.withResolvers();
    if (this.failure) return this.recover();
    if (this.questions.areWaiting || this.outbox.waitingCount >= ROWS_A_TURN || this.commitDue) this.pump();
    if (this.outbox.gone < this.outbox.added) this.added();
  }

  private fail(error: StoreError, turn: number | undefined): void {
    if (this.closed) return;
    this.failure ??= { error, turn };
    this.usable = false;
    this.questions.giveUpAll();
    this.proceed();
  }

  /** Once no turn is under way: opens the store anew, and has what was sent and is not durable wait again. */
  private recover(): void {
    if (this.underWay > 0 || !this.failure) return;
    const { error, turn } = this.failure;
    this.failure = undefined;
    if (error.problem === "misuse" && turn !== undefined) {
      const lost = this.outbox.discard(turn);
      this.options.log.error(`history: ${error.message}: ${lost} rows are lost`);
      this.options.dropped(lost);
    }
    if (error.problem === "away" || error.problem === "unusable") this.goAway(error);
    else void this.reopen(error);
  }

  private goAway({ message }: StoreError): void {
    const { clock, log } = this.options;
    this.usable = false;
    if (!this.saidAway) log.error(`history: ${message}: rows wait in memory until it can be used again`);
    this.saidAway = true;
    this.cancelRetry = clock.after(this.retryDelay, () => void this.reopen());
    this.retryDelay = Math.min(this.retryDelay * 2, LONGEST_RETRY);
  }

  /** @param after what was wrong with it */
  private async reopen(after?: StoreError): Promise<void> {
    const { log } = this.options;
    const store = this.store!;
    let durable: number;
    try {
      if (after?.problem === "corrupt") {
        log.error(`history: ${after.message}: ${await store.moveAside()}, and a new one is begun`);
      }
      durable = await store.open();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (this.closed) return;
      if (error.problem === "corrupt" && after?.problem !== "corrupt") return this.reopen(error);
      return this.goAway(error);
    }
    if (this.closed) return store.close();
    this.options.written(this.outbox.settle(durable));
    this.outbox.undo();
    this.usable = true;
    this.retryDelay = FIRST_RETRY;
    if (this.saidAway) {
      const lost = this.droppedWhileAway > 0 ? `: ${this.droppedWhileAway} rows were dropped` : "";
      log.notice(`history: ${store.name} can be used again${lost}`);
    }
    this.saidAway = false;
    this.droppedWhileAway = 0;
    this.pump();
    if (this.outbox.gone < this.outbox.added) this.added();
  }

  private drop(rows: number): void {
    if (this.droppedWhileAway === 0) {
      this.options.log.error("history: rows wait for too long, and the oldest of them are dropped");
    }
    this.droppedWhileAway += rows;
    this.options.dropped(rows);
  }
}
