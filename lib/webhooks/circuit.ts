/**
 * Keeps a receiver that does not work from taking time and attempts: after failures in a row it is left alone for a pause,
 * then one attempt at a time probes it. Each probe that fails makes the next pause longer; a success ends it.
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
  private until: number | undefined;

  /** When the next probe may leave; undefined while the receiver works. */
  get openUntil(): number | undefined {
    return this.until;
  }

  /** Whether an attempt may start. @param inFlight how many are under way */
  allows(now: number, inFlight: number): boolean {
    return this.until === undefined || (now >= this.until && inFlight === 0);
  }

  /** @returns whether this has closed the circuit */
  succeeded(): boolean {
    const wasOpen = this.until !== undefined;
    this.failures = 0;
    this.pause = FIRST_PAUSE;
    this.until = undefined;
    return wasOpen;
  }

  /**
   * @param asked milliseconds that the receiver asks to be left alone
   * @returns whether this has opened the circuit
   */
  failed(now: number, asked: number | undefined): boolean {
    const wasOpen = this.until !== undefined;
    this.failures++;
    // Attempts that left together fail together: only what fails after the pause makes the next one longer.
    if (this.failures >= MOST_FAILURES && !(this.until !== undefined && now < this.until)) {
      this.until = now + this.pause;
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    }
    if (asked !== undefined) this.until = Math.max(this.until ?? 0, now + asked);
    return !wasOpen && this.until !== undefined;
  }
}
