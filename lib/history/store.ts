/**
 * What a store of the history does: SQLite and PostgreSQL alike.
 *
 * ```
 *   policy, console, page                        everything that waits on the way is plain data, fit for JSON
 *        │ add, count, learn, known …
 *   ┌────┴────┐   a turn: writes, then          ┌──────────────────────── sqlite/thread.ts ── worker.ts (writer) ─┐
 *   │ History ├── questions that see them ──▶  Store: run()                             └─ worker.ts (reader) ─┤ SQLite
 *   │         │                                 │     ask()  ──── sqlite/inline.ts, in this thread, for replays ──┘
 *   └─────────┘   keeps writes until they are   └──────────────────────── postgres/store.ts ── PostgreSQL
 *                 durable, sends them again
 * ```
 * A new kind of write or question is added to {@link Write} or {@link Question} and to both stores.
 */
import type { ByteString } from "../text/byte-string.ts";
import type { AlertFilter, AlertRecord, Fold, Raised } from "./alert-record.ts";
import type { Filter } from "./filter.ts";
import type { Learnt, LevelValues, ProfileEntry } from "./profile.ts";
import type { Usage } from "./risk.ts";
import type { Column, Row, Value } from "./row.ts";

/** One thing that is to be written. */
export type Write =
  | { write: "rows"; rows: Row[] }
  | { write: "learn"; learnt: Learnt[] }
  /** What {@link Answers.hour} found, unless more has come since. */
  | { write: "hour"; hour: number; counted: HourCount }
  /** How far a file has been imported. @param former the head under which it was known when it was shorter */
  | { write: "imported"; imported: Imported; former: ByteString }
  /** Alerts that were raised without asking who has their keys. @param now seconds since 1970 when they were */
  | { write: "alerts"; alerts: AlertRecord[]; now: number }
  /** Alerts whose final count was told without asking. */
  | { write: "finished"; alerts: Pick<AlertRecord, "key" | "id">[] }
  | { write: "folds"; folds: Fold[] };

/** One thing that is asked. The answer to each is in {@link Answers}. */
export type Question =
  | { ask: "count"; filter: Filter; limit?: number }
  | { ask: "distinct"; column: Column; filter: Filter; limit?: number }
  | { ask: "top"; column: Column; filter: Filter; n: number }
  /** @param skip so many that come before them */
  | { ask: "rows"; filter: Filter; n: number; oldestFirst?: boolean; skip?: number }
  | { ask: "series"; bucket: number; filter: Filter }
  | { ask: "totals"; since: number; before: number }
  /** Finished hours whose different logins and addresses are to be counted. */
  | { ask: "staleHours"; since: number; before: number; n: number }
  | { ask: "hour"; hour: number }
  | { ask: "state" }
  /** All files that have been imported. */
  | { ask: "imported" }
  /** Values of a login's feature, last seen first; that one alone if one is named. */
  | { ask: "known"; login: ByteString; feature: ByteString; value?: ByteString }
  /** All features of a login. */
  | { ask: "profile"; login: ByteString }
  /** What its risk score is made of. To be asked in a turn: what is written behind is known there. */
  | { ask: "usage"; login: ByteString; levels: LevelValues }
  | { ask: "alerts"; filter: AlertFilter; n: number }
  /** Alerts that nobody has finished. */
  | { ask: "openAlerts" }
  | WritingQuestion;

/** A question that writes, and so is asked in a turn. Its answer is durable. */
type WritingQuestion =
  /** Removes so many of a login's rows and, with the last of them, all else that is known of it. */
  | { ask: "forget"; login: ByteString; limit: number }
  /** Raises an alert, unless another has its key. @param now seconds since 1970 */
  | { ask: "raise"; alert: AlertRecord; now: number }
  /** The alert as it is now that its cool-down is over, for the first that asks. */
  | { ask: "finish"; key: ByteString; id: string }
  | { ask: "forgetAlerts"; login: ByteString };

const WRITING: readonly Question["ask"][] = [
  "forget",
  "raise",
  "finish",
  "forgetAlerts",
] satisfies WritingQuestion["ask"][];

export const isWriting = ({ ask }: Question): boolean => WRITING.includes(ask);

/** Whether what it removes is to be gone from the file, too. */
export const removes = ({ ask }: Question): boolean => ask === "forget" || ask === "forgetAlerts";

export interface Answers {
  count: number;
  distinct: number;
  top: [value: Value, count: number][];
  rows: Row[];
  /** Empty buckets are left out. */
  series: [t: number, count: number][];
  totals: Total[];
  staleHours: number[];
  hour: HourCount;
  state: StoreState;
  imported: Imported[];
  known: ProfileEntry[];
  profile: [feature: ByteString, entries: ProfileEntry[]][];
  usage: Usage;
  forget: Forgotten;
  alerts: AlertRecord[];
  openAlerts: AlertRecord[];
  raise: Raised;
  finish: AlertRecord | null;
  /** How many. */
  forgetAlerts: number;
}

/** A file as it was when it was imported, and how far that went. */
export interface Imported {
  /** A hash of so many of its first bytes. */
  head: ByteString;
  length: number;
  /** Bytes of the content up to which all was taken, and where lines beyond begin that were taken. */
  position: number;
  ahead: number[];
}

/** Different logins and addresses of an hour, and how many reports had come when they were counted. */
export interface HourCount {
  reports: number;
  logins: number;
  addresses: number;
}

/** How many entries and pairs of a login's profile were removed, and how many of everybody's counts were changed by that. */
export interface ForgottenProfile {
  profiles: number;
  pairs: number;
  everybody: number;
}

/** How many of each were removed. */
export interface Forgotten extends ForgottenProfile {
  rows: number;
  /** Whether there are rows left. */
  more: boolean;
}

/** What came in one hour. */
export interface Total {
  /** When it begins, in seconds since 1970. */
  hour: number;
  reports: number;
  failures: number;
  /** Different ones; null while the hour is not over, and shortly after. */
  logins: number | null;
  addresses: number | null;
}

/** What a store holds. */
export interface StoreState {
  rows: number;
  /** Times of the oldest and the newest row; null without any. */
  oldest: number | null;
  newest: number | null;
  /** Bytes. */
  size: number;
}

export type Answer = Answers[keyof Answers];

/** What a question came to: its answer, or why there is none. */
export type Reply = { answer: Answer } | { timeout: true } | { failed: string };

const DAY = 86_400;

/** The end of its day: so that what is written about a time that goes on is written once a day. */
export const endOfDay = (t: number): number => (Math.floor(t / DAY) + 1) * DAY;

/** Whether anybody has ever logged in as a login; if not, it may be a password. */
export const LoginState = { neverSucceeded: 0, succeeded: 1, hashed: 2 } as const;

/** What is done at once: all writes, in order, and then the questions, which see them. */
export interface Turn {
  /** They are counted from 1. */
  number: number;
  writes: Write[];
  questions: Question[];
  /** Whether what was written since the last such turn is to be durable when this one is done. */
  commit: boolean;
}

export interface TurnDone {
  /** One for each question. */
  replies: Reply[];
  /** Whether all that was written so far would outlive a kill. */
  durable: boolean;
}

/** Which entries of profiles are too old, by when they were last seen. All are seconds since 1970. */
export interface ProfileAges {
  now: number;
  unusedBefore: number;
  addressesBefore: number;
}

/** How much to delete, and what. */
export interface Tidying extends ProfileAges {
  /** Rows before it go, in seconds since 1970. */
  rowsBefore: number;
  /** Logins that never succeeded and were first seen before it are hashed. */
  hashBefore: number;
  /** Bytes. */
  maxSize: number;
  /** How many rows at most. */
  limit: number;
}

export interface Tidied {
  expired: number;
  /** Rows that went because of the size. */
  oversize: number;
  /** Whether there is more to do. */
  more: boolean;
}

export interface Store {
  /** What people call it; without a password. */
  readonly name: string;
  /** Whether it does its work within the call, in order: then nothing is gathered first. */
  readonly isInline: boolean;
  /**
   * Opens it, anew if it was open; makes or migrates the schema.
   * @returns the last turn of this process that is known to be durable, although its answer may have been lost
   * @throws {StoreError}
   */
  open(): Promise<number>;
  /** Does a turn. Turns are done in the order of the calls. @throws {StoreError}: nothing since the last durable turn is kept */
  run(turn: Turn): Promise<TurnDone>;
  /** Answers a question from what is durable, beside the turns. @throws {StoreError} */
  ask(question: Question): Promise<Reply>;
  /** Deletes a piece of what is too old. @throws {StoreError} */
  tidy(tidying: Tidying): Promise<Tidied>;
  /** Writes a copy. @throws {StoreError} */
  backup(file: string): Promise<void>;
  /** Moves a store that is corrupt aside. @returns what came of it, in words */
  moveAside(): Promise<string>;
  close(): Promise<void>;
}

/**
 * `away`: cannot be used now, but perhaps later. `corrupt`: nor later. `unusable`: until somebody mends it. `misuse`: the store is
 * well, what it was asked to do is not.
 */
type StoreProblem = "away" | "corrupt" | "unusable" | "misuse";

/** Why a store cannot do what it was asked to. The message says what and where, and shows no password. */
export class StoreError extends Error {
  override name = "StoreError";
  constructor(
    readonly problem: StoreProblem,
    message: string,
  ) {
    super(message);
  }
}
