/** A store whose work is done in threads of its own: a writer, and a reader for questions that may take long. */
import type { Clock } from "../../time/clock.ts";
import {
  type Question,
  type Reply,
  type Store,
  StoreError,
  type Tidied,
  type Tidying,
  type Turn,
  type TurnDone,
} from "../store.ts";
import type { Called, Calls, Message } from "./protocol.ts";
import { newWriter, type SqliteOptions } from "./store.ts";

/** The executable has it as an entry of its own (`compile` in package.json), beside the program: one level of folders less. */
const FILE = Bun.isStandaloneExecutable ? "./lib/history/sqlite/worker.ts" : "./worker.ts";
const WORKER = new URL(FILE, import.meta.url).href;

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: StoreError) => void;
}

/** One thread, and the calls that it has not answered. Messages are texts: those cross fastest. */
class Thread {
  private worker: Worker | undefined;
  private readonly pending = new Map<number, Pending>();
  private last = 0;

  constructor(private readonly options: SqliteOptions) {}

  /** Begins anew, whatever became of the former thread. */
  open(): Promise<number> {
    if (!this.worker) this.start();
    return this.call("open", this.options);
  }

  call<M extends keyof Calls>(method: M, argument: Calls[M]["argument"]): Promise<Calls[M]["result"]> {
    if (!this.worker) return Promise.reject(this.gone());
    return new Promise((resolve, reject) => {
      const id = ++this.last;
      this.pending.set(id, { resolve: resolve as Pending["resolve"], reject });
      this.worker!.postMessage(JSON.stringify({ id, method, argument } as Called));
    });
  }

  async close(): Promise<void> {
    if (!this.worker) return;
    await this.call("close", null).catch(() => {});
    this.worker?.terminate();
    this.worker = undefined;
  }

  private start(): void {
    const worker = new Worker(WORKER);
    worker.onmessage = ({ data }: MessageEvent<string>) => this.receive(JSON.parse(data) as Message);
    worker.onerror = ({ message }) => this.end(message);
    worker.addEventListener("close", () => this.end("it ended"));
    this.worker = worker;
  }

  private receive(message: Message): void {
    const pending = this.pending.get(message.id);
    this.pending.delete(message.id);
    if ("error" in message) pending?.reject(new StoreError(message.error.problem, message.error.message));
    else pending?.resolve(message.result);
  }

  /** A thread does not end by itself unless something is wrong. */
  private end(why: string): void {
    if (!this.worker) return;
    this.worker.terminate();
    this.worker = undefined;
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const { reject } of all) reject(this.gone(why));
  }

  private gone(why = "it is not open"): StoreError {
    return new StoreError("away", `${this.options.path}: its thread cannot be used: ${why}`);
  }
}

export class ThreadedStore implements Store {
  readonly name: string;
  readonly isInline = false;
  private readonly writer: Thread;
  /** A database in memory is in the writer alone. */
  private readonly reader: Thread | undefined;

  constructor(
    place: Pick<SqliteOptions, "path" | "timeout">,
    private readonly clock: Clock,
  ) {
    const options = { ...place, writer: newWriter() };
    this.name = options.path === ":memory:" ? "SQLite in memory" : options.path;
    this.writer = new Thread({ ...options, readonly: false });
    if (options.path !== ":memory:") this.reader = new Thread({ ...options, readonly: true });
  }

  async open(): Promise<number> {
    const durable = await this.writer.open();
    await this.reader?.open();
    return durable;
  }

  run(turn: Turn): Promise<TurnDone> {
    return this.writer.call("run", turn);
  }

  ask(question: Question): Promise<Reply> {
    return (this.reader ?? this.writer).call("ask", question);
  }

  tidy(tidying: Tidying): Promise<Tidied> {
    return this.writer.call("tidy", tidying);
  }

  backup(file: string): Promise<void> {
    return (this.reader ?? this.writer).call("backup", file);
  }

  async moveAside(): Promise<string> {
    await this.reader?.close();
    return this.writer.call("moveAside", this.clock.now());
  }

  async close(): Promise<void> {
    await this.reader?.close();
    await this.writer.close();
  }
}
