/**
 * A store whose work is done at once, in this thread: for replays, whose verdicts must not depend on when a thread answers,
 * and for imports, which have nothing else to do. Answers come when the clock says so, in the order of the calls.
 */
import type { Clock } from "../../time/clock.ts";
import type { Question, Reply, Store, Tidied, Tidying, Turn, TurnDone } from "../store.ts";
import { newWriter, type SqliteOptions, SqliteStore } from "./store.ts";

const IN_MEMORY = { path: ":memory:", timeout: null } as const;

export class InlineStore implements Store {
  readonly name: string;
  readonly isInline = true;
  private readonly store: SqliteStore;

  /** @param clock when answers come */
  constructor(
    private readonly clock: Pick<Clock, "now" | "after">,
    place: Pick<SqliteOptions, "path" | "timeout"> = IN_MEMORY,
  ) {
    this.name = place.path === IN_MEMORY.path ? "SQLite in memory" : place.path;
    this.store = new SqliteStore({ ...place, readonly: false, writer: newWriter() });
  }

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
