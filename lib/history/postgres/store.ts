/** The history in PostgreSQL, 13 and later: one connection for turns, others for questions beside them. */
import { SQL } from "bun";

import { fromBytes } from "../../text/byte-string.ts";
import type { Clock } from "../../time/clock.ts";
import {
  type Answer,
  type Question,
  removes,
  type Reply,
  type Store,
  StoreError,
  type Tidied,
  type Tidying,
  type Turn,
  type TurnDone,
} from "../store.ts";
import { Answering } from "./answering.ts";
import { untilSerial } from "./conflicts.ts";
import { PostgresProfiles } from "./profiles.ts";
import { ForeignSchemaError, migrate, SCHEMA } from "./schema.ts";
import { all, change, isTransaction, type Session, stateOf, transaction } from "./session.ts";
import type { PostgresTarget } from "./target.ts";
import { tidy } from "./tidier.ts";
import { Turns } from "./turns.ts";
import { Writing } from "./writing.ts";

const OLDEST_VERSION = 13;
const CONNECTIONS = 4;
/** Seconds. */
const CONNECT_TIMEOUT = 5;
/** Milliseconds over the time of a statement after which a turn's connection counts as lost. */
const LOST = 5000;

/** SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CANCELLED = "57014";
/** Those of a statement that is wrong, or of a value: not of a server that cannot do it now. */
const MISUSE = /^(?:0A|21|22|23|42)/;
const FORBIDDEN = /^(?:42501|3F000)/;

interface PostgresOptions {
  password: string | undefined;
  /** Milliseconds for a statement. */
  timeout: number;
  clock: Clock;
  /** Whether nothing is committed before it is to be durable: for an import. */
  together?: boolean;
}

interface Connected {
  pool: SQL;
  /** On a connection for them alone. */
  turns: Turns;
  answering: Answering;
}

export class PostgresStore implements Store {
  readonly name: string;
  readonly isInline = false;
  private connected: Connected | undefined;
  private readonly writing: Writing;
  private profiles!: PostgresProfiles;
  /** Who writes, in the database's table of turns. */
  private readonly writer = Buffer.from(crypto.getRandomValues(new Uint8Array(16)));
  /** Turns are done one after the other. */
  private last: Promise<unknown> = Promise.resolve();
  /** Why it takes no turns until it is opened anew. */
  private failure: StoreError | undefined;

  constructor(
    private readonly target: PostgresTarget,
    private readonly options: PostgresOptions,
  ) {
    this.name = target.shown;
    this.writing = new Writing(() => options.clock.monotonic());
  }

  async open(): Promise<number> {
    await this.disconnect();
    const pool = this.connect();
    try {
      const connection = await pool.reserve();
      const [[version]] = (await all(connection, { text: "show server_version_num", values: [] })) as [[string]];
      if (Number(version) < OLDEST_VERSION * 10_000) {
        throw new StoreError("unusable", `${this.name}: PostgreSQL ${OLDEST_VERSION} is the oldest that is supported`);
      }
      await migrate(connection);
      const [key] = await all(connection, {
        text: `select value from ${SCHEMA}.meta where name = 'hash key'`,
        values: [],
      });
      const known = `select turn from ${SCHEMA}.writers where writer = ?`;
      const [durable] = await all(connection, { text: known, values: [this.writer] });
      this.writing.forgetAll();
      const secret = fromBytes(key![0] as Buffer);
      const profiles = (this.profiles = new PostgresProfiles(secret));
      const { writer, writing } = this;
      const { clock, together = false } = this.options;
      const turns = new Turns(connection, { writer, clock, writing, profiles, together });
      this.connected = { pool, turns, answering: new Answering(secret, profiles) };
      this.failure = undefined;
      return durable ? Number(durable[0]) : 0;
    } catch (error) {
      await closePool(pool);
      throw this.problem(error, true);
    }
  }

  run(turn: Turn): Promise<TurnDone> {
    return this.inOrder(() => this.turn(turn));
  }

  async ask(question: Question): Promise<Reply> {
    const { pool, answering } = this.connection();
    try {
      return await this.reply(pool, answering, question);
    } catch (error) {
      throw this.problem(error, false);
    }
  }

  tidy(tidying: Tidying): Promise<Tidied> {
    // Beside a transaction that goes on for long each would wait for the other.
    if (this.options.together) return this.inOrder(() => this.tidyOn(({ turns }) => turns.session, tidying));
    return this.tidyOn(({ pool }) => pool, tidying);
  }

  backup(): Promise<void> {
    return Promise.reject(new StoreError("misuse", `${this.name}: pg_dump copies it`));
  }

  moveAside(): Promise<string> {
    return Promise.resolve("nothing is done about it");
  }

  async close(): Promise<void> {
    const { connected } = this;
    if (connected && !this.failure) {
      // A turn of this process can no longer be in doubt.
      const gone = { text: `delete from ${SCHEMA}.writers where writer = ?`, values: [this.writer] };
      await connected.turns.undo();
      await change(connected.turns.session, gone).catch(() => {});
    }
    await this.disconnect();
  }

  private inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => {});
    return done;
  }

  private async tidyOn(sessionOf: (connected: Connected) => Session, tidying: Tidying): Promise<Tidied> {
    const connected = this.connection();
    const keepers = { key: connected.answering.key, profiles: this.profiles };
    const piece = (session: Session): Promise<Tidied> => tidy(session, tidying, keepers);
    try {
      const session = sessionOf(connected);
      return await untilSerial(this.options.clock, () =>
        isTransaction(session) ? transaction(session, piece) : piece(session),
      );
    } catch (error) {
      throw this.problem(error, false);
    } finally {
      this.writing.forgetAll();
    }
  }

  private connect(): SQL {
    const { host, socket, port, user, database, parameters } = this.target;
    const { password, timeout } = this.options;
    return new SQL(`postgres://${host?.includes(":") ? `[${host}]` : (host ?? "localhost")}:${port}?${parameters}`, {
      adapter: "postgres",
      username: user,
      database,
      ...(password === undefined ? {} : { password }),
      ...(socket === undefined ? {} : { path: socket }),
      max: CONNECTIONS,
      connectionTimeout: CONNECT_TIMEOUT,
      connection: {
        application_name: "trackalert",
        statement_timeout: String(timeout),
      },
    });
  }

  private async disconnect(): Promise<void> {
    const { connected } = this;
    this.connected = undefined;
    if (connected) await closePool(connected.pool);
  }

  private connection(): Connected {
    if (this.connected) return this.connected;
    throw new StoreError("away", `${this.name}: it is not connected`);
  }

  private async turn(turn: Turn): Promise<TurnDone> {
    if (this.failure) throw this.failure;
    const connected = this.connection();
    try {
      return await this.bounded(this.perform(turn, connected));
    } catch (error) {
      this.writing.forgetAll();
      throw (this.failure = this.problem(error, false));
    }
  }

  private async perform(turn: Turn, { turns, answering }: Connected): Promise<TurnDone> {
    const forgets = turn.questions.some(removes);
    if (turn.writes.length > 0 || turn.commit || forgets) await turns.write(turn);
    const replies = await this.replies(turns.session, answering, turn.questions);
    if (forgets) this.writing.forgetAll();
    return { replies, durable: turn.commit };
  }

  /** Within a transaction one after the other: one that fails undoes what has come after its beginning. */
  private async replies(session: Session, answering: Answering, questions: readonly Question[]): Promise<Reply[]> {
    if (!isTransaction(session)) {
      return Promise.all(questions.map((question) => this.reply(session, answering, question)));
    }
    const replies: Reply[] = [];
    for (const question of questions) replies.push(await this.reply(session, answering, question));
    return replies;
  }

  /** @throws what the connection has against it; a question that took too long, or is wrong, is a reply */
  private async reply(session: Session, answering: Answering, question: Question): Promise<Reply> {
    try {
      const answer = (of: Session): Promise<Answer> => answering.answer(of, question);
      if (isTransaction(session)) return { answer: await transaction(session, answer) };
      return { answer: await untilSerial(this.options.clock, () => answer(session)) };
    } catch (error) {
      const state = stateOf(error);
      if (state === CANCELLED) return { timeout: true };
      if (MISUSE.test(state)) return { failed: (error as Error).message };
      throw error;
    }
  }

  /** A server that no longer answers at all keeps nobody waiting for ever. */
  private bounded<T>(work: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const lost = (): void => reject(new StoreError("away", `${this.name}: it does not answer`));
    const cancel = this.options.clock.after(this.options.timeout * 2 + LOST, lost);
    work.then(resolve, reject).finally(cancel);
    return promise;
  }

  private problem(error: unknown, opening: boolean): StoreError {
    if (error instanceof StoreError) return error;
    const { message, code = "" } = error as NodeJS.ErrnoException;
    const state = stateOf(error);
    if (error instanceof ForeignSchemaError || (opening && FORBIDDEN.test(state))) {
      return new StoreError("unusable", `${this.name}: ${message}`);
    }
    if (state === CANCELLED) return new StoreError("away", `${this.name}: it is too slow`);
    if (MISUSE.test(state)) return new StoreError(opening ? "unusable" : "misuse", `${this.name}: ${message}`);
    return new StoreError("away", `${this.name}: ${message || code}`);
  }
}

/** At once: what is under way on it fails. */
const closePool = (pool: SQL): Promise<void> => pool.close({ timeout: 0 }).catch(() => {});
