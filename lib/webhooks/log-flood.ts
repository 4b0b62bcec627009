/** Says an error that repeats once, and then every so often how many more there were. */
import type { Log } from "../log/log.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";

/** Milliseconds between two lines of the same error. */
const INTERVAL = 10_000;

interface Repeated {
  more: number;
  cancel: CancelTimer;
}

export class LogFlood {
  private readonly errors = new Map<string, Repeated>();

  constructor(private readonly ports: { clock: Clock; log: Log }) {}

  /** @param message one of few: each is remembered for a while */
  error(message: string): void {
    const repeated = this.errors.get(message);
    if (repeated) {
      repeated.more++;
      return;
    }
    this.ports.log.error(message);
    this.errors.set(message, { more: 0, cancel: this.ports.clock.after(INTERVAL, () => this.tell(message)) });
  }

  /** Says what has not been said yet. */
  close(): void {
    for (const message of [...this.errors.keys()]) this.tell(message);
  }

  private tell(message: string): void {
    const { more, cancel } = this.errors.get(message)!;
    cancel();
    this.errors.delete(message);
    if (more > 0) this.ports.log.error(`${message} (${more} more)`);
  }
}
