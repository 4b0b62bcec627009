/**
 * Says what repeats once, and then every so often how many more there were: what fails again and again, and what peers
 * cause that have shown no password, cannot fill a log.
 */
import type { CancelTimer, Clock } from "../time/clock.ts";
import { Level, type Log } from "./log.ts";

/** Milliseconds between two lines of the same kind. */
const INTERVAL = 60_000;
/** Kinds that are told apart at a time: peers may have more addresses than anybody wants to read of. */
const MOST_KINDS = 1000;
const OTHERS = "others";

interface Repeated {
  level: Level;
  /** The newest. */
  message: string;
  /** How many came since the last line. */
  more: number;
  cancel: CancelTimer;
}

export class LogFlood {
  private readonly kinds = new Map<string, Repeated>();

  constructor(private readonly ports: { clock: Clock; log: Log }) {}

  error = (message: string): void => this.write(Level.error, message);

  /**
   * Writes a message, unless one of its kind has been written lately: then it is counted, and the newest is written with
   * the count when the time has come.
   * @param kind such as an address; of more kinds than are told apart, those that come last are one
   */
  write(level: Level, message: string, kind: string = message): void {
    const known = this.kinds.has(kind) || this.kinds.size < MOST_KINDS ? kind : OTHERS;
    const repeated = this.kinds.get(known);
    if (repeated) {
      repeated.level = level;
      repeated.message = message;
      repeated.more++;
      return;
    }
    this.ports.log.write(level, message);
    this.kinds.set(known, { level, message, more: 0, cancel: this.wait(known) });
  }

  /** Says what has not been said yet. */
  close(): void {
    for (const repeated of this.kinds.values()) {
      repeated.cancel();
      this.tell(repeated);
    }
    this.kinds.clear();
  }

  private wait(kind: string): CancelTimer {
    return this.ports.clock.after(INTERVAL, () => {
      const repeated = this.kinds.get(kind)!;
      if (!this.tell(repeated)) return void this.kinds.delete(kind);
      repeated.more = 0;
      repeated.cancel = this.wait(kind);
    });
  }

  /** @returns whether there was something to say */
  private tell({ level, message, more }: Repeated): boolean {
    if (more > 0) this.ports.log.write(level, `${message} (${more} more)`);
    return more > 0;
  }
}
