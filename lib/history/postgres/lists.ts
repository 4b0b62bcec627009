/** Statements about many rows at once: lists travel as JSON, bytes in it as hexadecimal digits. */
import type { ByteString } from "../../text/byte-string.ts";
import type { Session } from "./session.ts";

/** Runs a statement whose values are `$1` and so on. Whole numbers may come as texts. */
export type Run = (text: string, values: unknown[]) => Promise<Record<string, never>[]>;

export const runOn =
  (session: Session): Run =>
  (text, values) =>
    session.unsafe(text, values);

/** A list that comes as JSON, as a table. */
export const records = (columns: string, parameter = 1): string =>
  `jsonb_to_recordset($${parameter}::text::jsonb) as listed(${columns})`;

export const hex = (bytes: ByteString): string => Buffer.from(bytes, "latin1").toString("hex");
