/** A working day of many users, for policies that must not take them for attackers: made from a seed. */
import { Random } from "./random.ts";

interface Crowd {
  users: number;
  /** The address of a user's login. */
  remote: (user: number, random: Random) => string;
  /** How likely a login is mistyped first. */
  mistyped: number;
  /** Seconds since 1970, and how many seconds the day has. */
  start: number;
  seconds: number;
  /** Logins of a user in that time. */
  logins: number;
}

/** JSON lines in the order of their times. */
export function crowdOf(seed: number, { users, remote, mistyped, start, seconds, logins }: Crowd): string {
  const random = new Random(seed);
  const reports: { t: number; success: boolean; [field: string]: string | number | boolean }[] = [];
  for (let user = 0; user < users; user++) {
    for (let i = 0; i < logins; i++) {
      const t = start + random.below(seconds);
      const report = { login: `user${user}`, remote: remote(user, random), protocol: "imap" };
      if (random.chance(mistyped)) {
        const pwhash = random.below(4096).toString(16);
        reports.push({ t, ...report, success: false, fail_type: "credentials", pwhash });
      }
      reports.push({ t: t + 5, ...report, success: true, pwhash: `own${user}` });
    }
  }
  const sorted = reports.toSorted((a, b) => a.t - b.t);
  return sorted.map((report) => `${JSON.stringify(report)}\n`).join("");
}
