/** Known answers of the risk score: made-up logins, scored one after the other from what went before. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const FILE = join(import.meta.dir, "..", "..", "fixtures", "risk", "logins.jsonl.gz");

interface LearntLogin {
  t: number;
  login: string;
  features: Record<string, string>;
  /** Null for those that only teach. */
  risk: number | null;
}

export function learntLogins(): LearntLogin[] {
  const lines = Buffer.from(Bun.gunzipSync(readFileSync(FILE)))
    .toString()
    .trimEnd()
    .split("\n");
  return lines.map((line) => {
    const { t, login, risk, ...features } = JSON.parse(line) as LearntLogin & Record<string, unknown>;
    const texts = Object.entries(features).map(([name, value]) => [name, String(value)]);
    return { t, login, risk, features: Object.fromEntries(texts) as Record<string, string> };
  });
}
