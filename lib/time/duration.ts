/** Durations as configurations and policies write them: `30s`, `15m`, `24h`, `90d`, `2w`. */

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** What to tell who has written something else. */
export const DURATION_EXAMPLES = "duration such as 30s, 15m, 24h or 90d";

/** @returns seconds; undefined for a text that is no duration */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * SECONDS[unit!]!;
}
