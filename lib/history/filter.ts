/** Filters of questions as values: which rows are meant. */
import type { ByteString } from "../text/byte-string.ts";
import type { Column, Value } from "./row.ts";

/** All of them must hold. */
export type Filter = Condition[];

export type Condition =
  /** Any of these values. */
  | { column: Column; values: Value[] }
  /** An address from `first` to `last`, which are of one family. */
  | { first: ByteString; last: ByteString }
  /** Seconds since 1970; the second is not included. */
  | { since: number }
  | { before: number };
