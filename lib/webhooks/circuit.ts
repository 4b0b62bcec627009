/**
 * Keeps a receiver that does not work from taking time and attempts: after failures in a row it is left alone for a pause,
 * then one attempt at a time probes it. Each probe that fails makes the next pause longer; a success ends it. A receiver
 * that asks to be left alone is, whatever becomes of the attempts that it has already.
 */

/** Failures in a row after which the receiver is left alone. */
const MOST_FAILURES = 5;
/** Milliseconds; a pause is twice the one before it. */
const FIRST_PAUSE = 5_000;
const LONGEST_PAUSE = 300_000;

/** Times are those of {@link Clock.monotonic}, in milliseconds. */
export class Circuit {
  private failures = 0;
  private pause = FIRST_PAUSE;
  /** The end of the pause after failures. */
  private pausedUntil: number | undefined;
  /** The end of the time that the receiver has asked for. */
  private askedUntil: number | undefined;

  /** When the next probe may leave; undefined while the receiver works. */
  get openUntil(): number | undefined {
    const { pausedUntil, askedUntil } = this;
    return pausedUntil === undefined ? askedUntil : Math.max(pausedUntil, askedUntil ?? pausedUntil);
  }

  /** Whether an attempt may start. @param inFlight how many are under way */
  allows(now: number, inFlight: number): boolean {
    const { openUntil } = this;
    return openUntil === undefined || (now >= openUntil && inFlight === 0);
  }

  /** @returns whether this has closed the circuit */
  succeeded(now: number): boolean {
    const wasOpen = this.openUntil !== undefined;
    this.failures = 0;
    this.pause = FIRST_PAUSE;
    this.pausedUntil = undefined;
    // Before that time nothing starts: this attempt was under way when another one was answered so.
    if (this.askedUntil !== undefined && now >= this.askedUntil) this.askedUntil = undefined;
    return wasOpen && this.openUntil === undefined;
  }

  /**
   * @param asked milliseconds that the receiver asks to be left alone
   * @returns whether this has opened the circuit
   */
  failed(now: number, asked: number | undefined): boolean {
    const wasOpen = this.openUntil !== undefined;
    this.failures++;
    // Attempts that left together fail together: only what fails after the pause makes the next one longer.
    if (this.failures >= MOST_FAILURES && !(this.pausedUntil !== undefined && now < this.pausedUntil)) {
      this.pausedUntil = now + this.pause;
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    }
    if (asked !== undefined) this.askedUntil = Math.max(this.askedUntil ?? 0, now + asked);
    return !wasOpen && this.openUntil !== undefined;
  }
}
