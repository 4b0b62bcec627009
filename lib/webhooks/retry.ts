/** When a failed attempt is made again. */

/** Milliseconds after the first failure, the second and so on; the last one repeats when more attempts are asked for. */
const PAUSES = [5_000, 30_000, 120_000, 600_000, 3_600_000, 21_600_000];
/** Attempts of an event, unless the hook says otherwise: the first, and one after each pause. */
export const DEFAULT_ATTEMPTS = PAUSES.length + 1;
/** Pauses differ by so much, so that events which failed together do not come back together. */
const JITTER = 0.2;
/** A receiver that asks for a year would never be tried. */
const LONGEST_ASKED = 24 * 3_600_000;

/**
 * Milliseconds until the next attempt, from the schedule.
 * @param attempts how many have failed, from 1
 * @param random from 0 to 1
 */
export const scheduledPause = (attempts: number, random: number): number =>
  PAUSES[Math.min(attempts, PAUSES.length) - 1]! * (1 + JITTER * (2 * random - 1));

/**
 * Milliseconds that a receiver is left alone which asks for it: never less than it asks for.
 * @param asked milliseconds
 * @param random from 0 to 1
 */
export const askedPause = (asked: number, random: number): number =>
  Math.min(asked, LONGEST_ASKED) * (1 + JITTER * random);

/**
 * Milliseconds that all attempts of an event take at most, by the schedule. An event that waits for longer, without an
 * attempt of its own because its receiver is known not to work, has waited as long as one that was tried. One that is
 * tried only once waits for as long as a first retry would.
 */
export function patience(maxAttempts: number): number {
  let sum = scheduledPause(1, 1);
  for (let attempts = 2; attempts < maxAttempts; attempts++) sum += scheduledPause(attempts, 1);
  return sum;
}
