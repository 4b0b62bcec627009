/**
 * Writes turns into PostgreSQL, each once, on a connection of their own.
 *
 * A daemon's turns are a transaction each: others see at once what it knows. Those of an import are one transaction up to the
 * turn that is to be durable, so that what was learnt is never further than how far the files were taken.
 */
import type { Clock } from "../../time/clock.ts";
import type { Turn, Write } from "../store.ts";
import { untilSerial } from "./conflicts.ts";
import type { PostgresProfiles } from "./profiles.ts";
import { SCHEMA } from "./schema.ts";
import { change, type Session } from "./session.ts";
import type { Writing } from "./writing.ts";

interface TurnsOptions {
  /** Who writes, in the database's table of turns. */
  writer: Buffer;
  clock: Clock;
  writing: Writing;
  profiles: PostgresProfiles;
  /** Whether turns are one transaction up to one that is to be durable. */
  together: boolean;
}

interface Transaction {
  session: Bun.TransactionSQL;
  commit: () => Promise<void>;
  undo: () => Promise<void>;
}

export class Turns {
  private transaction: Transaction | undefined;
  /** What the transaction has written. */
  private written: Write[] = [];

  constructor(
    private readonly connection: Bun.ReservedSQL,
    private readonly options: TurnsOptions,
  ) {}

  /** Where questions see what was written. */
  get session(): Session | Bun.TransactionSQL {
    return this.transaction?.session ?? this.connection;
  }

  /** All of it or nothing, and never twice. */
  async write(turn: Turn): Promise<void> {
    const { clock, writing, together } = this.options;
    const all = [...this.written, ...turn.writes];
    await untilSerial(clock, async (again) => {
      try {
        this.transaction ??= await begin(this.connection);
        await this.writeInto(this.transaction, turn, again ? all : turn.writes);
        this.written = all;
        if (turn.commit || !together) await this.commit();
      } catch (error) {
        writing.forgetAll();
        await this.undo();
        throw error;
      }
    });
  }

  private async writeInto({ session }: Transaction, { number, commit }: Turn, writes: readonly Write[]): Promise<void> {
    const { writer, clock, writing, profiles, together } = this.options;
    // Turns become durable in their order, so one that is synchronous makes those before it durable, too.
    if (!commit && !together) await change(session, { text: "set local synchronous_commit = off", values: [] });
    await change(session, {
      text: `insert into ${SCHEMA}.writers values (?, ?, ?)
        on conflict (writer) do update set turn = excluded.turn, t = excluded.t`,
      values: [writer, number, clock.now() / 1000],
    });
    await writing.write(session, writes, profiles);
  }

  private async commit(): Promise<void> {
    const { transaction } = this;
    this.transaction = undefined;
    this.written = [];
    await transaction?.commit();
  }

  /** Of what is not committed. */
  async undo(): Promise<void> {
    const { transaction } = this;
    this.transaction = undefined;
    await transaction?.undo();
  }
}

/** A transaction that ends when it is told to. */
async function begin(connection: Bun.ReservedSQL): Promise<Transaction> {
  const begun = Promise.withResolvers<Bun.TransactionSQL>();
  const end = Promise.withResolvers<void>();
  const ended = connection.begin(async (session) => {
    begun.resolve(session);
    await end.promise;
  }) as Promise<void>;
  ended.catch(begun.reject);
  const session = await begun.promise;
  return {
    session,
    commit: () => (end.resolve(), ended),
    undo: () => (end.reject(new Error("undone")), ended.catch(() => {})),
  };
}
