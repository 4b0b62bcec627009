/** A morning of many users, for policies that must not take them for attackers: made from a seed. */
import { Random } from "./random.ts";

interface Crowd {
  users: number;
  /** The address of a user's login. */
  remote: (user: number) => string;
  /** How likely a login is mistyped first. */
  mistyped: number;
  /** Seconds since 1970, and within how many seconds after it all come. */
  start: number;
  seconds: number;
}

/** JSON lines in the order of their times. */
export function crowdOf(seed: number, { users, remote, mistyped, start, seconds }: Crowd): string {
  const random = new Random(seed);
  const reports: { t: number; success: boolean; [field: string]: string | number | boolean }[] = [];
  for (let user = 0; user < users; user++) {
    const t = start + random.below(seconds);
    const report = { login: `user${user}`, remote: remote(user), protocol: "imap" };
    if (random.chance(mistyped)) {
      const pwhash = random.below(4096).toString(16);
      reports.push({ t, ...report, success: false, fail_type: "credentials", pwhash });
    }
    reports.push({ t: t + 5, ...report, success: true, pwhash: `own${user}` });
  }
  const sorted = reports.toSorted((a, b) => a.t - b.t);
  return sorted.map((report) => `${JSON.stringify(report)}\n`).join("");
}
