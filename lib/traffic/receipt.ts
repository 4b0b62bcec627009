/**
 * When a recorded report was received. A recording holds it beside the report's own time, which its sender chose: a replay
 * goes by the receipt where that cannot be right.
 */
import type { ByteString } from "../text/byte-string.ts";
import type { Json } from "../text/json.ts";

/** The field of a recorded report: seconds since 1970. */
export const RECEIVED_AT = "received_at" as ByteString;

/** Seconds since 1970: 2000-01-01T00:00:00Z. */
const EARLIEST = 946_684_800;
/** Seconds that a sender's clock may be ahead. */
const DAY = 86_400;

/**
 * Where a report belongs in time: at its `t`, but at its receipt where `t` is before 2000 or more than a day after that.
 * @param report the parsed line; one without time of receipt, as other programs write them, is taken at its word
 */
export function timeOf(report: Json, t: number): number {
  const receivedAt = (report as Record<string, Json>)[RECEIVED_AT];
  if (typeof receivedAt !== "number" || !Number.isFinite(receivedAt)) return t;
  return t < EARLIEST || t > receivedAt + DAY ? receivedAt : t;
}
