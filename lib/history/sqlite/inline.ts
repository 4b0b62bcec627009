/**
 * A store whose work is done at once, in this thread: for replays, whose verdicts must not depend on when a thread answers.
 * Answers come when the clock says so, in the order of the calls.
 */
import type { Clock } from "../../time/clock.ts";
import type { Question, Reply, Store, Tidied, Tidying, Turn, TurnDone } from "../store.ts";
import { SqliteStore } from "./store.ts";

export class InlineStore implements Store {
  readonly name = "SQLite in memory";
  readonly isInline = true;
  private readonly store = new SqliteStore({ path: ":memory:", readonly: false, timeout: null });

  constructor(private readonly clock: Clock) {}

  open = async (): Promise<number> => this.store.open();
  run = (turn: Turn): Promise<TurnDone> => this.later(() => this.store.run(turn));
  ask = (question: Question): Promise<Reply> => this.later(() => this.store.ask(question));
  tidy = (tidying: Tidying): Promise<Tidied> => this.later(() => this.store.tidy(tidying));
  backup = (file: string): Promise<void> => this.later(() => this.store.backup(file));
  moveAside = (): Promise<string> => this.later(() => this.store.moveAside(this.clock.now()));
  close = async (): Promise<void> => this.store.close();

  private later<T>(action: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let end: () => void;
    try {
      const result = action();
      end = () => resolve(result);
    } catch (error) {
      end = () => reject(error as Error);
    }
    this.clock.after(0, end);
    return promise;
  }
}
