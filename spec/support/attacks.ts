import { FAR_NETWORKS, FOREIGN_NETWORKS, HOME_NETWORKS, hostIn, type Network, TOR_NETWORKS } from "./month-world.ts";
/** Twelve attacks to be hidden in the quiet month, and what each is to be found as. */
import { FIRST_AT_HOME, loginOf, MONTH_START, type Report, report } from "./month.ts";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** An alert; its subject is a login, a network, or the whole site. */
interface Expected {
  type: string;
  severity: string;
  login?: string;
  remote?: string;
}

export interface Attack {
  name: string;
  what: string;
  /** Seconds since 1970 of the first report. */
  from: number;
  reports: Report[];
  /** The alerts that are to tell of it, in their order. */
  expected: Expected[];
}

/** Not a user of the month: the last login was long before. */
export const DORMANT = "emeritus@example.org";
export const DORMANT_SINCE = MONTH_START - 200 * DAY;

const victim = (number: number): string => loginOf(FIRST_AT_HOME + number);
/** Seconds since 1970 of a day of the month, the first being 1, and a time in UTC. */
const at = (day: number, hour: number, minute: number): number =>
  MONTH_START + (day - 1) * DAY + hour * HOUR + minute * MINUTE;

interface Guesses {
  from: number;
  count: number;
  /** Seconds from one to the next. */
  every: number;
  login: (i: number) => string;
  network: (i: number) => Network;
}

/** Failures, each with a password of its own. */
const guesses = ({ from, count, every, login, network }: Guesses): Report[] =>
  Array.from({ length: count }, (_, i) =>
    report({
      t: from + i * every,
      login: login(i),
      remote: hostIn(network(i), 7 + i),
      success: false,
      password: `guess ${i}`,
    }),
  );

const success = (t: number, login: string, network: Network, device_id = ""): Report =>
  report({ t, login, remote: hostIn(network, 66), success: true, password: "found", device_id });

const networkOf = ({ prefix }: Network): string => `${prefix}.0/24`;
const users =
  (from: number) =>
  (i: number): string =>
    loginOf(from + i);
const far = (i: number): Network => FAR_NETWORKS[i]!;

const attack = (name: string, what: string, reports: Report[], ...expected: Expected[]): Attack => ({
  name,
  what,
  from: reports[0]!.t,
  reports,
  expected,
});

export const ATTACKS: readonly Attack[] = [
  attack(
    "fast brute force",
    "40 passwords on one login in 10 minutes; two hours later the right one, from another country",
    [
      ...guesses({ from: at(16, 2, 0), count: 40, every: 15, login: () => victim(0), network: () => far(0) }),
      success(at(16, 4, 10), victim(0), far(13)),
    ],
    { type: "brute_force", severity: "high", login: victim(0) },
    { type: "success_after_failures", severity: "high", login: victim(0) },
  ),
  attack(
    "slow brute force",
    "one password each quarter of an hour on one login, from four networks in turn, for a day",
    guesses({
      from: at(17, 1, 0),
      count: 96,
      every: 15 * MINUTE,
      login: () => victim(1),
      network: (i) => far(4 + (i % 4)),
    }),
    { type: "brute_force", severity: "high", login: victim(1) },
  ),
  attack(
    "fast spray",
    "one network tries one password each on 40 logins in 4 minutes",
    guesses({ from: at(19, 9, 30), count: 40, every: 6, login: users(20), network: () => far(20) }),
    { type: "password_spray", severity: "medium", remote: networkOf(far(20)) },
  ),
  attack(
    "slow spray",
    "one network tries a login each 12 minutes, for a day",
    guesses({ from: at(20, 0, 5), count: 118, every: 12 * MINUTE, login: users(80), network: () => far(21) }),
    { type: "password_spray", severity: "medium", remote: networkOf(far(21)) },
  ),
  attack(
    "success after a spray",
    "one network tries 30 logins in 5 minutes, and gets into one an hour later",
    [
      ...guesses({ from: at(21, 12, 0), count: 30, every: 10, login: users(210), network: () => far(22) }),
      success(at(21, 13, 5), victim(3), far(22)),
    ],
    { type: "password_spray", severity: "medium", remote: networkOf(far(22)) },
    { type: "success_after_failures", severity: "critical", login: victim(3) },
  ),
  attack(
    "distributed spray",
    "40 networks try 60 logins in 12 minutes, twice each",
    guesses({
      from: at(22, 14, 20),
      count: 120,
      every: 6,
      login: (i) => loginOf(300 + (i % 60)),
      network: (i) => far(30 + (i % 40)),
    }),
    { type: "distributed_spray", severity: "high" },
  ),
  attack(
    "volume",
    "600 logins that nobody has fail once in an hour, from 80 networks",
    guesses({
      from: at(23, 20, 1),
      count: 600,
      every: 5,
      login: (i) => `info${i}@example.org`,
      network: (i) => far(i % 80),
    }),
    { type: "volume", severity: "medium" },
  ),
  attack(
    "stolen session far away",
    "a success from Brazil in a login's working hours in Berlin",
    [success(at(24, 11, 40), victim(4), far(24))],
    { type: "impossible_travel", severity: "high", login: victim(4) },
  ),
  attack(
    "stolen password next door",
    "a success from Poland, too near for a flight to tell",
    [success(at(25, 19, 15), victim(5), FOREIGN_NETWORKS[6]!)],
    { type: "new_country", severity: "low", login: victim(5) },
  ),
  attack(
    "stolen password, own tool",
    "a success from a provider in the login's own country, with a program that copies mailboxes",
    [success(at(26, 8, 5), victim(6), HOME_NETWORKS[40]!, '"name" "imapsync" "version" "2.2" "os" "Linux"')],
    { type: "new_device", severity: "low", login: victim(6) },
  ),
  attack(
    "stolen password over Tor",
    "a success from a Tor exit",
    [success(at(27, 2, 45), victim(7), TOR_NETWORKS[1]!)],
    { type: "anonymous_network", severity: "medium", login: victim(7) },
  ),
  attack(
    "account that nobody uses",
    "a success of a login that was last seen 200 days before",
    [success(at(28, 10, 0), DORMANT, HOME_NETWORKS[60]!)],
    { type: "dormant_account", severity: "medium", login: DORMANT },
  ),
];
