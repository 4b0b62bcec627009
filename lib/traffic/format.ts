/** Formats of recorded traffic. */
import type { ByteString } from "../text/byte-string.ts";
import type { JsonObject } from "../text/json.ts";

/** One or more reports that a line tells of. */
export interface Recorded {
  /** As wforce would post it, with `t` in seconds where the line has a time. */
  body: JsonObject;
  /** How often it came. */
  count: number;
}

/**
 * Reads a line.
 * @returns undefined for a line that tells of no login
 * @throws {JsonError}, {BodyError} for one that cannot be read
 */
export type ReadLine = (line: ByteString) => Recorded | undefined;

/** Log files; everything else is JSON. */
export const LOG_FORMATS = ["dovecot", "sshd"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
