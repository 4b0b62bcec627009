/** What the threads of an SQLite store say to each other: JSON, one message a call and one an answer. */
import type { Question, Reply, StoreError, Tidied, Tidying, Turn, TurnDone } from "../store.ts";
import type { SqliteOptions } from "./store.ts";

export interface Calls {
  open: { argument: SqliteOptions; result: number };
  run: { argument: Turn; result: TurnDone };
  ask: { argument: Question; result: Reply };
  tidy: { argument: Tidying; result: Tidied };
  backup: { argument: string; result: void };
  moveAside: { argument: number; result: string };
  close: { argument: null; result: void };
}

export type Called = { [M in keyof Calls]: { id: number; method: M; argument: Calls[M]["argument"] } }[keyof Calls];

export type Message =
  { id: number; result: Calls[keyof Calls]["result"] } | { id: number; error: Pick<StoreError, "problem" | "message"> };
