/** When a failed attempt is made again. */

/** Milliseconds after the first failure, the second and so on; the last one repeats when more attempts are asked for. */
const PAUSES = [5_000, 30_000, 120_000, 600_000, 3_600_000, 21_600_000];
/** Attempts of an event, unless the hook says otherwise: the first, and one after each pause. */
export const DEFAULT_ATTEMPTS = PAUSES.length + 1;
/** Pauses differ by so much, so that events which failed together do not come back together. */
const JITTER = 0.2;

/** A receiver that asks for no pause would have all attempts at once, and one that asks for a year would never be tried. */
const SHORTEST_ASKED = 1_000;
const LONGEST_ASKED = 24 * 3_600_000;

/** No pause is longer, in milliseconds: neither one of the schedule nor one that a receiver asks for. */
export const LONGEST_PAUSE = LONGEST_ASKED * (1 + JITTER);

/**
 * Milliseconds until the next attempt.
 * @param attempts how many have failed, from 1
 * @param asked milliseconds that the receiver asks to be left alone, which stand instead of the schedule
 * @param random from 0 to 1
 */
export function retryPause(attempts: number, asked: number | undefined, random: number): number {
  if (asked === undefined) return PAUSES[Math.min(attempts, PAUSES.length) - 1]! * (1 + JITTER * (2 * random - 1));
  // Never sooner than asked.
  return Math.min(Math.max(asked, SHORTEST_ASKED), LONGEST_ASKED) * (1 + JITTER * random);
}

/**
 * A Retry-After header: seconds, or a date (RFC 9110, 10.2.3).
 * @param now milliseconds since 1970
 * @returns milliseconds from now, undefined when there is none that can be read
 */
export function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Date.parse reads more than HTTP's dates; each of those begins with the name of a day.
  const date = /^[A-Z][a-z]{2,8},? /.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(date - now, 0);
}
