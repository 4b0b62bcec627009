/**
 * A quiet month: what 500 users of a site do in 30 days, as wforce would report it. It is the same each time. Nothing in it is
 * an attack; its rates are those below.
 */
import {
  FOREIGN_NETWORKS,
  HOME_NETWORKS,
  hostIn,
  MOBILE_NETWORKS,
  type Network,
  OFFICE,
  VPN_NETWORKS,
} from "./month-world.ts";
import { Random } from "./random.ts";

const RATES = {
  users: 500,
  reports: 100_000,
  days: 30,
  /** A login fails as mistyped; each user has a rate of their own. */
  mistyped: [0.01, 0.03],
  /** A mistyped password is mistyped again. */
  again: 0.3,
  /** Users to one mail client that has an old password; it tries each quarter of an hour, for two days. */
  usersToOldPassword: 200,
  /** Those who work in the office, all behind one address: with their working hours, half of all reports. */
  officeWorkers: 0.85,
  /** Reports on working days from 8 to 18 of those who are there. */
  working: 0.78,
  /** Of all reports, by the device: laptop, phone, webmail. */
  devices: [0.5, 0.35, 0.15],
  /** A phone is on the mobile network, another /24 each hour, and not on the network that its owner is in. */
  mobile: 0.4,
  /** New countries a login and year. */
  countries: 1,
  /** Travellers whose mail client at home goes on. */
  leftRunning: 0.2,
  /** A phone is replaced by another maker's, a login and year. */
  phones: 0.25,
  /** Users who have a VPN, and how often their laptop uses it. */
  vpnUsers: 0.04,
  vpn: 0.2,
} as const;

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
/** Seconds since 1970; a Wednesday. */
export const MONTH_START = Date.UTC(2026, 3, 1) / 1000;
export const MONTH_DAYS = RATES.days;
export const USERS = RATES.users;
export const TIME_ZONE = "Europe/Berlin";
/** Seconds that its clocks are ahead in the whole of the month. */
const AHEAD = 2 * HOUR;
/** Users from here on stay at home all the month: whoever attacks them is not taken for a journey. */
export const FIRST_AT_HOME = 480;

/** As wforce posts it. */
export interface Report {
  t: number;
  login: string;
  remote: string;
  pwhash: string;
  success: boolean;
  device_id: string;
  protocol: string;
  policy_reject: boolean;
  fail_type: string;
  tls: boolean;
}

/** Users have device, place and password; what is the same for all of them is in {@link RATES}. */
interface User {
  login: string;
  password: string;
  mistyped: number;
  worksInOffice: boolean;
  home: Network;
  host: number;
  laptop: string;
  phones: [old: string, replacement: string];
  replacedAt: number;
  webmail: string;
  hasVpn: boolean;
  trip: Trip | undefined;
}

interface Trip {
  /** Seconds since 1970; nothing comes from them in the {@link FLIGHT} before and after. */
  from: number;
  until: number;
  network: Network;
  leftRunning: boolean;
}
const FLIGHT = 13 * HOUR;

const imap = (name: string, version: string, os: string): string =>
  `"name" "${name}" "version" "${version}" "os" "${os}"`;
const LAPTOPS = [
  imap("Thunderbird", "128.5.0", "Windows"),
  imap("Mac OS X Mail", "16.0", "Mac OS X"),
  imap("Outlook", "16.0", "Windows"),
];
const PHONES = [
  imap("iPhone Mail", "21.6", "iOS"),
  imap("com.android.email", "9.2", "android"),
  imap("K-9 Mail", "8.0", "android"),
];
const BROWSERS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
];

export const loginOf = (user: number): string => `user${user}@example.org`;

/** As Dovecot does: 12 bits of a hash of both. */
export function passwordHash(login: string, password: string): string {
  let hash = 0x811c9dc5;
  for (const character of `${login}\0${password}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return ((hash ^ (hash >>> 15)) & 0xfff).toString(16).padStart(3, "0");
}

/** A report with what most have, and the hash of the password. */
export const report = ({
  password,
  ...fields
}: Pick<Report, "t" | "login" | "remote" | "success"> & Partial<Report> & { password: string }): Report => ({
  pwhash: passwordHash(fields.login, password),
  device_id: "",
  protocol: "imap",
  policy_reject: false,
  fail_type: fields.success ? "" : "credentials",
  tls: true,
  ...fields,
});

const random = (seed: number): Random & { between(from: number, to: number): number } =>
  Object.assign(new Random(seed), {
    between(this: Random, from: number, to: number): number {
      return from + ((to - from) * this.below(1_000_000)) / 1_000_000;
    },
  });
type Chance = ReturnType<typeof random>;

function newUser(number: number, chance: Chance): User {
  const travels = number < FIRST_AT_HOME && chance.chance((RATES.countries * RATES.days) / 365);
  const from = MONTH_START + chance.between(1, RATES.days - 6) * DAY;
  const phone = chance.below(PHONES.length);
  return {
    login: loginOf(number),
    password: `secret ${number}`,
    mistyped: chance.between(...RATES.mistyped),
    worksInOffice: chance.chance(RATES.officeWorkers),
    home: HOME_NETWORKS[number % HOME_NETWORKS.length]!,
    host: number,
    laptop: chance.pick(LAPTOPS),
    phones: [PHONES[phone]!, PHONES[(phone + 1) % PHONES.length]!],
    replacedAt: chance.chance((RATES.phones * RATES.days) / 365)
      ? MONTH_START + chance.below(RATES.days * DAY)
      : Infinity,
    webmail: chance.pick(BROWSERS),
    hasVpn: chance.chance(RATES.vpnUsers),
    trip: travels
      ? {
          from,
          until: from + chance.between(2, 5) * DAY,
          network: chance.pick(FOREIGN_NETWORKS),
          leftRunning: chance.chance(RATES.leftRunning),
        }
      : undefined,
  };
}

/** A time of the month: by day and by hour as people work. */
function newTime(chance: Chance): { t: number; isWorkingHour: boolean } {
  for (;;) {
    const local = MONTH_START + AHEAD + chance.below(RATES.days * DAY) + chance.below(1000) / 1000;
    const weekday = new Date(local * 1000).getUTCDay();
    const hour = Math.floor((local % DAY) / HOUR);
    const isWorkingHour = weekday > 0 && weekday < 6 && hour >= 8 && hour < 18;
    if (isWorkingHour !== chance.chance(RATES.working) || (!isWorkingHour && hour < 6 && chance.chance(0.8))) continue;
    return { t: local - AHEAD, isWorkingHour };
  }
}

interface Attempt {
  device: "laptop" | "phone" | "webmail";
  network: Network;
  host: number;
}

/** What a user would log in with, and from where; undefined while they fly. */
function attempt(user: User, t: number, isWorkingHour: boolean, chance: Chance): Attempt | undefined {
  const { trip } = user;
  const away = trip && t > trip.from && t < trip.until;
  if (away && trip.leftRunning && chance.chance(0.5)) return { device: "laptop", network: user.home, host: user.host };
  if (trip && !away && t > trip.from - FLIGHT && t < trip.until + FLIGHT) return undefined;
  const kind = chance.between(0, 1);
  const device = kind < RATES.devices[0] ? "laptop" : kind < RATES.devices[0] + RATES.devices[1] ? "phone" : "webmail";
  // Those who are abroad with a phone still have an address of their operator's.
  if (device === "phone" && chance.chance(RATES.mobile)) {
    const hour = Math.floor(t / HOUR);
    const other = new Random(hour * USERS + user.host);
    return { device, network: other.pick(MOBILE_NETWORKS), host: other.below(254) };
  }
  if (away) return { device, network: trip.network, host: user.host };
  if (device === "laptop" && user.hasVpn && chance.chance(RATES.vpn)) {
    return { device, network: chance.pick(VPN_NETWORKS), host: 1 };
  }
  if (isWorkingHour && user.worksInOffice) return { device, network: OFFICE, host: 1 };
  return { device, network: user.home, host: user.host };
}

function deviceId(user: User, device: Attempt["device"], t: number): string {
  if (device === "phone") return user.phones[t < user.replacedAt ? 0 : 1];
  return device === "laptop" ? user.laptop : user.webmail;
}

/** Failures of a client that still has an old password. */
function* oldPassword(user: User, from: number): Generator<Report> {
  for (let t = from; t < from + 2 * DAY; t += 15 * MINUTE) {
    const remote = hostIn(user.home, user.host);
    yield report({ t, login: user.login, remote, success: false, password: "of last year", device_id: user.laptop });
  }
}

/** All reports in the order of their times. */
export function quietMonth(): Report[] {
  const chance = random(2026);
  const users = Array.from({ length: RATES.users }, (_, number) => newUser(number, chance));
  const reports: Report[] = [];
  for (let left = Math.ceil(RATES.users / RATES.usersToOldPassword); left > 0; left--) {
    reports.push(...oldPassword(chance.pick(users), MONTH_START + chance.between(3, RATES.days - 3) * DAY));
  }
  while (reports.length < RATES.reports) {
    const { t, isWorkingHour } = newTime(chance);
    const user = chance.pick(users);
    const made = attempt(user, t, isWorkingHour, chance);
    if (!made) continue;
    const fields = {
      login: user.login,
      remote: hostIn(made.network, made.host),
      device_id: deviceId(user, made.device, t),
      protocol: made.device === "webmail" ? "http" : "imap",
    };
    let before = 0;
    for (let probability = user.mistyped; chance.chance(probability); probability = RATES.again) {
      before += chance.between(3, 20);
      const password = `${user.password}${chance.below(50)}`;
      reports.push(report({ ...fields, t: t - before, success: false, password }));
    }
    reports.push(report({ ...fields, t, success: true, password: user.password }));
  }
  reports.length = RATES.reports;
  return reports.filter(({ t }) => t >= MONTH_START).sort((a, b) => a.t - b.t);
}
