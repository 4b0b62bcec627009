/** Lines of log files and exports as reports. */
import { describe, expect, test } from "bun:test";

import { BodyError } from "../../lib/login-tuple.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { JsonError } from "../../lib/text/json.ts";
import { dovecotReader } from "../../lib/traffic/dovecot.ts";
import type { ReadLine, Recorded } from "../../lib/traffic/format.ts";
import { readJsonLine } from "../../lib/traffic/json-line.ts";
import { sshdReader } from "../../lib/traffic/sshd.ts";
import { LogTimes } from "../../lib/traffic/timestamp.ts";
import { property } from "../support/random.ts";

const NOW = Date.parse("2026-03-02T00:00:00Z");
const T = Date.parse("2026-03-01T00:00:01Z") / 1000;
const dovecot = dovecotReader(new LogTimes(NOW, undefined));
const sshd = sshdReader(new LogTimes(NOW, undefined));
const call = (reader: ReadLine, line: string): Recorded | undefined => reader(line as ByteString);

describe("a line of Dovecot", () => {
  const PREFIX = "Mar  1 00:00:01 mx dovecot: ";
  const success = {
    ...{ t: T, login: "joe", remote: "192.0.2.1", success: true, protocol: "imap", tls: true },
    ...{ session_id: "abc+/=", attrs: { method: "PLAIN" } },
  };

  test.each([
    `${PREFIX}imap-login: Login: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=198.51.100.1, mpid=7, TLS, session=<abc+/=>`,
    "Mar 01 00:00:01 imap-login: Info: Login: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=198.51.100.1, mpid=7, TLS, session=<abc+/=>",
    "2026-03-01T01:00:01+01:00 mx dovecot[812]: imap-login: Login: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=::1, mpid=7, TLS, session=<abc+/=>",
    "2026-03-01 00:00:01 imap-login(812): Info: Logged in: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=::1, TLS, session=<abc+/=>",
  ])("of a success: %s", (line) => {
    expect(call(dovecot, line)).toEqual({ body: success, count: 1 } as never);
  });

  test.each([
    [
      "imap",
      1,
      "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<joe>, method=PLAIN, rip=192.0.2.1, lip=::1, TLS, session=<s>",
    ],
    [
      "pop3",
      3,
      "pop3-login: Disconnected: Connection closed (auth failed, 3 attempts in 9 secs): user=<joe>, method=LOGIN, rip=192.0.2.1, lip=::1, session=<s>",
    ],
    [
      "sieve",
      2,
      "managesieve-login: Aborted login (auth failed, 2 attempts in 9 secs): user=<joe>, rip=192.0.2.1, lip=::1, session=<s>",
    ],
    [
      "submission",
      1,
      "submission-login: Disconnected: Inactivity (auth failed, 1 attempts in 180 secs): user=<joe>, rip=192.0.2.1, lip=::1, TLS: Disconnected, session=<s>",
    ],
    ["lmtp", 1, "lmtp: Aborted login (auth failed, 1 attempts): user=<joe>, method=PLAIN, rip=192.0.2.1, lip=::1"],
    [
      "imap",
      2,
      "imap-login: Login aborted: Logged out (auth failed, 2 attempts in 4 secs) (auth_failed): user=<joe>, method=PLAIN, rip=192.0.2.1, lip=::1, session=<s>",
    ],
  ])("of a failure by %s, %i times", (protocol, count, rest) => {
    const { body, count: counted } = call(dovecot, PREFIX + rest)!;
    expect(counted).toBe(count);
    expect(body as object).toMatchObject({ t: T, login: "joe", remote: "192.0.2.1", success: false, protocol });
    expect(body["tls" as ByteString]).toBe(rest.includes("TLS"));
  });

  test.each([
    "imap-login: Aborted login (no auth attempts in 0 secs): user=<>, rip=192.0.2.1, lip=::1, session=<s>",
    "imap-login: Disconnected (no auth attempts in 5 secs): user=<>, rip=192.0.2.1, lip=::1, TLS, session=<s>",
    "imap-login: Disconnected (tried to use disallowed plaintext auth): user=<>, rip=192.0.2.1, lip=::1, session=<s>",
    "imap-login: Disconnected (auth failed, 0 attempts): user=<>, rip=192.0.2.1, lip=::1",
    "imap(joe)<7><s>: Logged out in=1 out=2",
    "auth: passwd-file(joe,192.0.2.1,<s>): Password mismatch",
    "lda(joe): msgid=<a>: saved mail to INBOX",
    "imap-login: Error: user=<joe>, rip=192.0.2.1 (auth failed, 1 attempts)",
  ])("about something else tells of no login: %s", (rest) => {
    expect(call(dovecot, PREFIX + rest)).toBeUndefined();
  });

  test("of another program is none", () => {
    const rest = "imap-login: Login: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=::1, session=<s>";
    expect(call(dovecot, `Mar  1 00:00:01 mx evil: ${rest}`)).toBeUndefined();
    expect(call(dovecot, rest)).toBeUndefined();
  });

  test.each([
    ["a>, rip=198.51.100.1", ", method=PLAIN, rip=192.0.2.1, lip=::1, session=<s>"],
    ["a>, rip=198.51.100.1", ", rip=192.0.2.1, lip=::1, session=<s>"],
    ["a>, method=PLAIN, rip=198.51.100.1, lip=::1, session=<x>", ", method=PLAIN, rip=192.0.2.1, lip=::1, session=<s>"],
    ["a>, method=PLAIN, rip=198.51.100.1, lip=::1, session=<x>", ", rip=192.0.2.1, lip=::1"],
    ["joe\xff, x=<y> user=<", ", method=PLAIN, rip=192.0.2.1, lip=::1, TLS, session=<s>"],
  ])("keeps what a client put into its name in the name: %s", (name, rest) => {
    const line = `${PREFIX}imap-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<${name}>${rest}`;
    expect(call(dovecot, line)!.body as object).toMatchObject({ login: name, remote: "192.0.2.1" });
  });

  property("has the address that Dovecot wrote, whatever the name", 200, (random) => {
    const alphabet = [
      ">",
      "<",
      ", ",
      "rip=",
      "method=",
      "lip=",
      "session=<",
      "user=<",
      "198.51.100.1",
      "a",
      " (auth failed, 9 attempts)",
    ];
    const name = random.list(12, () => random.pick(alphabet)).join("");
    const rest = `${random.chance(0.5) ? ", method=PLAIN" : ""}, rip=192.0.2.1, lip=::1, session=<s>`;
    const found = call(
      dovecot,
      `${PREFIX}imap-login: Aborted login (auth failed, 2 attempts in 2 secs): user=<${name}>${rest}`,
    )!;
    expect(found.body as object).toMatchObject({ login: name, remote: "192.0.2.1" });
    expect(found.count).toBe(2);
  });

  test.each([
    ["imap-login: Login: user=<joe>, method=PLAIN, rip=192.0.2", "the line is cut off"],
    ["imap-login: Login: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=::1, session=<ab", "the line is cut off"],
    ["imap-login: Login: user=<joe", "no rip= after the user's name"],
    ["imap-login: Login: user=<joe>, method=PLAIN", "no rip= after the user's name"],
    [
      "imap-login: Aborted login (auth failed, 999999999 attempts): user=<joe>, rip=::1, lip=::1",
      "999999999 attempts: more than 10000 cannot be",
    ],
  ])("that is half a line, or cannot be, says so: %s", (rest, problem) => {
    expect(() => call(dovecot, PREFIX + rest)).toThrow(new BodyError(problem));
  });
});

describe("a line of sshd", () => {
  const PREFIX = "Mar  1 00:00:01 gate sshd[812]: ";
  const body = {
    t: T,
    login: "joe",
    remote: "192.0.2.1",
    success: false,
    protocol: "ssh",
    attrs: { method: "password" },
  };

  test.each([
    [`${PREFIX}Failed password for joe from 192.0.2.1 port 50022 ssh2`, {}, 1],
    [`${PREFIX}Failed password for invalid user joe from 192.0.2.1 port 50022 ssh2`, {}, 1],
    [
      `${PREFIX}Failed keyboard-interactive/pam for joe from 192.0.2.1 port 50022 ssh2`,
      { attrs: { method: "keyboard-interactive/pam" } },
      1,
    ],
    [`${PREFIX}message repeated 5 times: [ Failed password for joe from 192.0.2.1 port 50022 ssh2]`, {}, 5],
    [
      "2026-03-01T01:00:01.000+01:00 gate sshd-session[9]: Accepted password for joe from 192.0.2.1 port 1 ssh2",
      { success: true },
      1,
    ],
    [
      `${PREFIX}Accepted publickey for joe from 2001:db8::1 port 1 ssh2: RSA SHA256:abc`,
      { success: true, remote: "2001:db8::1", attrs: { method: "publickey" } },
      1,
    ],
    [
      `${PREFIX}Accepted publickey for joe from 192.0.2.1 port 1 ssh2: RSA-CERT SHA256:abc ID x from 198.51.100.1 port 1 ssh2 (serial 0)`,
      { success: true, attrs: { method: "publickey" } },
      1,
    ],
    [`${PREFIX}Failed password for invalid user  from 192.0.2.1 port 1 ssh2`, { login: "" }, 1],
    [
      `${PREFIX}Failed password for invalid user a from 198.51.100.1 port 1 ssh2 from 192.0.2.1 port 1 ssh2`,
      { login: "a from 198.51.100.1 port 1 ssh2" },
      1,
    ],
  ])("%s", (line, difference, count) => {
    expect(call(sshd, line)).toEqual({ body: { ...body, ...difference }, count } as never);
  });

  test.each([
    `${PREFIX}Failed none for invalid user joe from 192.0.2.1 port 1 ssh2`,
    `${PREFIX}Invalid user joe from 192.0.2.1 port 1`,
    `${PREFIX}Connection closed by authenticating user joe 192.0.2.1 port 1 [preauth]`,
    "Mar  1 00:00:01 gate sudo: Failed password for joe from 192.0.2.1 port 1 ssh2",
    "Mar  1 00:00:01 gate CRON[1]: sshd[1]: Failed password for joe from 192.0.2.1 port 1 ssh2",
  ])("about something else tells of no login: %s", (line) => {
    expect(call(sshd, line)).toBeUndefined();
  });

  test.each([
    "Failed password for joe from 192.0.2.1 por",
    "Failed password for joe from 192.0.2.1 port 50",
    "Failed password for joe from host.example.org port 50022 ssh2",
    "Failed password for joe",
  ])("that is half a line says so: %s", (rest) => {
    expect(() => call(sshd, PREFIX + rest)).toThrow("no 'from ADDRESS port N ssh2' after the user's name");
  });
});

describe("a line of JSON", () => {
  const t = (line: string): unknown => call(readJsonLine, line)!.body["t" as ByteString];

  test.each([
    ['{"t":5.5}', 5.5],
    ['{"t":"2026-03-01T00:00:01Z"}', T],
    ['{"@timestamp":"2026-03-01T00:00:01.000Z"}', T],
    [`{"@timestamp":${T * 1000}}`, T],
    ['{"t":7,"@timestamp":"2026-03-01T00:00:01.000Z"}', 7],
    ['{"_index":"a","_source":{"@timestamp":"2026-03-01T01:00:01+01:00"}}', T],
    ['{"login":"x"}', undefined],
  ])("%s has its time", (line, time) => {
    expect(t(line)).toBe(time);
  });

  test.each([
    ['{"t":true}', "t: a number or an ISO 8601 time expected, got true"],
    ['{"t":null}', "t: a number or an ISO 8601 time expected, got null"],
    ['{"t":"5"}', 't: a number or an ISO 8601 time expected, got "5"'],
    ['{"t":[1]}', "t: a number or an ISO 8601 time expected, got [1]"],
    ['{"@timestamp":"yesterday"}', '@timestamp: a number or an ISO 8601 time expected, got "yesterday"'],
  ])("%s is refused", (line, problem) => {
    expect(() => t(line)).toThrow(new BodyError(problem));
  });

  test("is what it is in an export, and no JSON is refused", () => {
    const line = '{"_index":"wforce","_id":"1","_source":{"t":1,"login":"joe","remote":"192.0.2.1"}}';
    expect(call(readJsonLine, line)!.body as object).toEqual({ t: 1, login: "joe", remote: "192.0.2.1" });
    expect(() => call(readJsonLine, "Mar  1 …")).toThrow(JsonError);
  });
});

describe("the worst megabyte", () => {
  const MEGABYTE = 1_000_000;
  const worst = [
    ">, rip=",
    ">, method=",
    "user=<",
    " from ",
    "(auth failed, 1 attempts",
    "[ ",
    "1",
    " ",
    "(",
    "message repeated 1 times: [ ",
    ", a=b",
  ].map((piece) => piece.repeat(MEGABYTE / piece.length));
  const beginnings = [
    "Mar  1 00:00:01 ",
    "Mar  1 00:00:01 mx dovecot: imap-login: ",
    "Mar  1 00:00:01 mx dovecot: imap-login: Login: user=<",
    "Mar  1 00:00:01 gate sshd[1]: ",
    "Mar  1 00:00:01 gate sshd[",
    "Mar  1 00:00:01 gate sshd[1]: Failed password for invalid user ",
    "Mar  1 00:00:01 gate sshd[1]: message repeated 1 times: [ Failed password for ",
  ];

  test("is read at once", () => {
    const begun = performance.now();
    for (const reader of [dovecot, sshd]) {
      for (const beginning of beginnings) {
        for (const rest of worst) {
          try {
            call(reader, beginning + rest);
          } catch (error) {
            expect(error).toBeInstanceOf(BodyError);
          }
        }
      }
    }
    // 154 megabytes: a pattern that is not linear would take hours for one.
    expect(performance.now() - begun).toBeLessThan(20_000);
  });
});
