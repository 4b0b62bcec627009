/** An event that waits, is in flight, or is a dead letter. */
export interface Entry {
  readonly hookName: string;
  readonly deliveryId: string;
  /** Undefined when only the spool has it. */
  body: Buffer | undefined;
  /** Bytes of the body. */
  readonly size: number;
  /** When it was accepted, or sent again, in milliseconds since 1970. */
  created: number;
  /** The same by {@link Clock.monotonic}; before this daemon's start for what an earlier one left. */
  queued: number;
  /** How many have failed. */
  attempts: number;
  /** When the next attempt may be made, in milliseconds since 1970. */
  due: number;
  /** Milliseconds from the last attempt to the next; 0 when there was none. */
  pause: number;
  /** Why the last attempt failed; empty when there was none. */
  problem: string;
  /** In the spool; undefined when it is not there. */
  row: number | undefined;
  inFlight: boolean;
}
