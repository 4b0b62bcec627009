/**
 * Dovecot's log: what its login processes say of a login that succeeded or failed.
 *
 * ```
 *   Mar  1 00:00:01 mx dovecot: imap-login: Login: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=198.51.100.1, mpid=7, TLS, session=<…>
 *   2026-03-01 00:00:01 pop3-login: Info: Aborted login (auth failed, 2 attempts in 9 secs): user=<joe>, rip=…, lip=…
 *   2026-03-01T00:00:01+01:00 mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<…
 * ```
 * The name is what the client sent, `>, rip=…` included: what follows it is looked for from the end of the line.
 */
import { BodyError } from "../login-tuple.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { JsonObject } from "../text/json.ts";
import type { ReadLine } from "./format.ts";
import type { LogTimes } from "./timestamp.ts";

/** Host and program, where syslog wrote the line, the service, and perhaps a process and a level. */
const SERVICE =
  /^(?:\S{1,255} )?(?:dovecot(?:\[\d+\])?: )?(imap|pop3|submission|managesieve|sieve|lmtp)(?:-login)?(?:\(\d+\))?: (?:Info: )?/;
const SUCCESS = /^(?:Login|Logged in): $/;
const FAILURE = /\(auth failed, (\d{1,9}) attempts?\b/;
/** Bytes before the name: Dovecot's own words. */
const LONGEST_EVENT = 400;
/** Bytes after the name: addresses, TLS, a session. */
const LONGEST_REST = 2000;
/** Attempts of one connection: Dovecot ends it after a few. */
const MOST_ATTEMPTS = 10_000;

const USER = "user=<";

export const dovecotReader =
  (times: LogTimes): ReadLine =>
  (line) => {
    const found = times.read(line);
    const service = found && SERVICE.exec(found.rest);
    if (!service) return undefined;
    const message = found.rest.slice(service[0].length);
    const name = message.slice(0, LONGEST_EVENT).indexOf(USER);
    if (name < 0) return undefined;
    const event = message.slice(0, name);
    const success = SUCCESS.test(event);
    const attempts = FAILURE.exec(event)?.[1];
    if (!success && attempts === undefined) return undefined;
    const count = success ? 1 : Number(attempts);
    if (count === 0) return undefined;
    if (count > MOST_ATTEMPTS) throw new BodyError(`${count} attempts: more than ${MOST_ATTEMPTS} cannot be`);
    const { login, fields, tls } = readFields(message.slice(name + USER.length));
    const method = fields.get("method");
    const session = fields.get("session");
    const body: Record<string, unknown> = {
      t: found.time / 1000,
      login,
      success,
      tls,
      remote: fields.get("rip"),
      protocol: service[1] === "managesieve" ? "sieve" : service[1],
      ...(session && { session_id: session.slice(1, -1) }),
      ...(method && { attrs: { method } }),
    };
    return { body: body as JsonObject, count };
  };

/** `NAME>, method=PLAIN, rip=…, lip=…, TLS, session=<…>` */
function readFields(text: string): { login: ByteString; fields: Map<string, string>; tls: boolean } {
  const end = Math.max(text.lastIndexOf(">, method="), text.lastIndexOf(">, rip="));
  const rest = text.slice(end + 1);
  if (end < 0 || rest.length > LONGEST_REST) throw new BodyError("no rip= after the user's name");
  const words = rest.split(", ").slice(1);
  const fields = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals > 0) fields.set(word.slice(0, equals), word.slice(equals + 1));
  }
  if (!fields.has("rip")) throw new BodyError("no rip= after the user's name");
  const session = fields.get("session");
  if (words.at(-1)!.startsWith("rip=") || (session !== undefined && !/^<[^<>]*>$/.test(session))) {
    throw new BodyError("the line is cut off");
  }
  return { login: text.slice(0, end) as ByteString, fields, tls: words.some((word) => /^TLS\b/.test(word)) };
}
