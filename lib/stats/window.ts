/** A count of what happened in the last 5 minutes. */

/** Milliseconds that one window lasts. */
const WINDOW = 15_000;
const WINDOWS = 20;

/** Seconds that a {@link SlidingCount} looks back. */
export const LOOK_BACK = (WINDOWS * WINDOW) / 1000;

/**
 * 20 windows of 15 seconds, of which the oldest falls out when a new one begins: what was counted is gone 300 s later, and
 * up to 15 s sooner. It has no timer: windows move when it is used.
 *
 * Times are those of the monotonic clock, in milliseconds. One that went backwards would count as the latest so far.
 */
export class SlidingCount {
  private readonly windows = new Uint32Array(WINDOWS);
  /** Windows since the clock's start, up to the one that is counted in. */
  private latest = 0;
  private total = 0;

  add(now: number): void {
    this.moveTo(now);
    this.windows[this.latest % WINDOWS]!++;
    this.total++;
  }

  /** How many were added in the time before `now`. */
  at(now: number): number {
    this.moveTo(now);
    return this.total;
  }

  private moveTo(now: number): void {
    const window = Math.floor(now / WINDOW);
    if (window <= this.latest) return;
    // After a long time without use each window is emptied once, not once for each that has passed.
    const first = Math.max(this.latest + 1, window - WINDOWS + 1);
    for (let i = first; i <= window; i++) {
      this.total -= this.windows[i % WINDOWS]!;
      this.windows[i % WINDOWS] = 0;
    }
    this.latest = window;
  }
}
