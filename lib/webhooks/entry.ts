/** An event that waits, is in flight, or is a dead letter. */
export interface Entry {
  /** Its place in the order of acceptance, and its row in the spool. */
  readonly id: number;
  readonly hookName: string;
  readonly deliveryId: string;
  /** Undefined when only the spool has it. */
  body: Buffer | undefined;
  /** Bytes of the body. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** How many have failed. */
  attempts: number;
  /** When the next attempt may be made, in milliseconds since 1970. */
  due: number;
  /** Why the last attempt failed; empty when there was none. */
  problem: string;
  spooled: boolean;
}
