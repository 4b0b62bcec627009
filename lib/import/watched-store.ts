/** A store that tells when nobody waits for an answer of it: virtual time stands still until then. */
import type { Question, Reply, Store, StoreError, Tidied, Tidying, Turn, TurnDone } from "../history/store.ts";

export class WatchedStore implements Store {
  readonly name: string;
  readonly isInline: boolean;
  /** Why it could not be used the last time, if so. */
  problem: string | undefined;
  private waiting = 0;
  private idle = Promise.withResolvers<void>();

  constructor(private readonly store: Store) {
    this.name = store.name;
    this.isInline = store.isInline;
  }

  /** Whether somebody waits for an answer. */
  get isBusy(): boolean {
    return this.waiting > 0;
  }

  /** Resolved when one has come. */
  get answered(): Promise<void> {
    return this.idle.promise;
  }

  open = (): Promise<number> => this.watch(this.store.open());
  run = (turn: Turn): Promise<TurnDone> =>
    turn.questions.length > 0 ? this.awaited(this.store.run(turn)) : this.watch(this.store.run(turn));
  ask = (question: Question): Promise<Reply> => this.awaited(this.store.ask(question));
  tidy = (tidying: Tidying): Promise<Tidied> => this.watch(this.store.tidy(tidying));
  backup = (file: string): Promise<void> => this.store.backup(file);
  moveAside = (): Promise<string> => this.store.moveAside();
  close = (): Promise<void> => this.store.close();

  private async awaited<T>(work: Promise<T>): Promise<T> {
    this.waiting++;
    try {
      return await this.watch(work);
    } finally {
      this.waiting--;
      const { resolve } = this.idle;
      this.idle = Promise.withResolvers();
      resolve();
    }
  }

  private watch<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: StoreError) => {
      this.problem = error.message;
      throw error;
    });
  }
}
