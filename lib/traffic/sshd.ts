/**
 * OpenSSH's log: whom it let in and whom not.
 *
 * ```
 *   Mar  1 00:00:01 gate sshd[812]: Failed password for invalid user admin from 192.0.2.1 port 50022 ssh2
 *   Mar  1 00:00:09 gate sshd[812]: message repeated 2 times: [ Failed password for root from 192.0.2.1 port 50022 ssh2]
 *   2026-03-01T00:00:11.25+01:00 gate sshd-session[9]: Accepted publickey for joe from 2001:db8::1 port 6 ssh2: RSA SHA256:…
 * ```
 * The name of one who failed is what the client sent, ` from 198.51.100.1 port 1 ssh2` included: the address is looked for from the
 * end of the line. That of one who was let in is an account's; there the end can be what a certificate says.
 */
import { BodyError } from "../login-tuple.ts";
import type { JsonObject } from "../text/json.ts";
import type { ReadLine } from "./format.ts";
import type { LogTimes } from "./timestamp.ts";

const PROGRAM = /^\S{1,255} sshd(?:-session|-auth)?(?:\[\d+\])?: /;
const REPEATED = /^message repeated (\d{1,9}) times: \[ ([^]*)\]$/;
const EVENT = /^(Accepted|Failed) ([a-z][a-z0-9/-]{0,60}) for (?:invalid user )?/;
const PEER = /^([0-9a-fA-F.:]+)(?:%\S{1,32})? port \d{1,5} ssh2(?:: |$)/;
const FROM = " from ";
/** Repetitions that syslog gathers: it tells of them every few minutes. */
const MOST_REPEATED = 100_000;
const LONGEST_PEER = 200;

export const sshdReader =
  (times: LogTimes): ReadLine =>
  (line) => {
    const found = times.read(line);
    const program = found && PROGRAM.exec(found.rest);
    if (!program) return undefined;
    const said = found.rest.slice(program[0].length).trimEnd();
    const repeated = REPEATED.exec(said);
    const message = repeated ? repeated[2]! : said;
    const event = EVENT.exec(message);
    // "none" asks which methods there are: nobody has guessed anything.
    if (!event || event[2] === "none") return undefined;
    const count = repeated ? Number(repeated[1]) : 1;
    if (count > MOST_REPEATED) throw new BodyError(`repeated ${count} times: more than ${MOST_REPEATED} cannot be`);
    const success = event[1] === "Accepted";
    const text = message.slice(event[0].length);
    const at = success ? text.indexOf(FROM) : text.lastIndexOf(FROM);
    const peer = at < 0 ? null : PEER.exec(text.slice(at + FROM.length, at + FROM.length + LONGEST_PEER));
    if (!peer) throw new BodyError("no 'from ADDRESS port N ssh2' after the user's name");
    const body: Record<string, unknown> = {
      t: found.time / 1000,
      login: text.slice(0, at),
      remote: peer[1],
      success,
      protocol: "ssh",
      attrs: { method: event[2] },
    };
    return count === 0 ? undefined : { body: body as JsonObject, count };
  };
