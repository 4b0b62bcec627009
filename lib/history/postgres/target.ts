/** Which PostgreSQL database is meant, and how to connect to it. */
import { readFileSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";

import { escapeControls } from "../../log/log.ts";

export interface PostgresTarget {
  /** As people see it: without a password. */
  shown: string;
  /** A host's name or address; undefined for a Unix socket. */
  host: string | undefined;
  /** The folder of a Unix socket. */
  socket: string | undefined;
  port: number;
  user: string;
  database: string;
  /** That of the url. */
  password: string | undefined;
  /** What else the url says, such as `sslmode=verify-full&sslrootcert=…`. */
  parameters: string;
}

/** A url that names no database; the message shows no password. */
export class TargetError extends Error {
  override name = "TargetError";
}

const DEFAULT_PORT = 5432;
const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/** What the url may say beside them, in libpq's names; what is not for the connection would be sent to the server. */
const PARAMETERS = [
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "channel_binding",
  "connect_timeout",
  "application_name",
];

/**
 * Reads `postgres://user:password@host:port/database?sslmode=…`. A host that is a path, in the url or as `?host=`, is the
 * folder of a Unix socket.
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 * @throws {TargetError}
 */
export function readTarget(text: string, env: Record<string, string | undefined>): PostgresTarget {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new TargetError("no url such as postgres://user@host/database");
  }
  const { searchParams } = url;
  const named = (name: string): string | undefined => searchParams.get(name) || undefined;
  const host = named("host") ?? (decode(url.hostname).replace(/^\[(.*)\]$/, "$1") || undefined) ?? "localhost";
  const port = Number(named("port") ?? (url.port || DEFAULT_PORT));
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new TargetError("its port is none");
  const user = named("user") ?? (decode(url.username) || env["PGUSER"] || userInfo().username);
  const database = named("dbname") ?? (decode(url.pathname.slice(1)) || user);
  const password = named("password") ?? (decode(url.password) || undefined);
  for (const name of ["host", "port", "user", "dbname", "password"]) searchParams.delete(name);
  for (const [name, value] of searchParams) {
    if (!PARAMETERS.includes(name)) {
      throw new TargetError(`unknown parameter ${JSON.stringify(name)}: ${PARAMETERS.join(", ")} are known`);
    }
    if (name === "sslmode" && !SSL_MODES.includes(value)) {
      throw new TargetError(`sslmode: one of ${SSL_MODES.join(", ")} expected, got ${JSON.stringify(value)}`);
    }
  }
  const socket = host.startsWith("/") ? host : undefined;
  const place = socket === undefined ? `${host.includes(":") ? `[${host}]` : host}:${port}` : socket;
  return {
    shown: escapeControls(`postgres://${user}@${place}/${database}`),
    host: socket === undefined ? host : undefined,
    socket,
    port,
    user,
    database,
    password,
    parameters: searchParams.toString(),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TargetError("a percent sign in it is no escape");
  }
}

/**
 * The password: that of the url, of PGPASSWORD, or of the file that PGPASSFILE names.
 * https://www.postgresql.org/docs/current/libpq-pgpass.html
 * @param warn told of a file that others can read, which is not used
 */
export function findPassword(
  target: PostgresTarget,
  env: Record<string, string | undefined>,
  warn: (problem: string) => void,
): string | undefined {
  const given = target.password ?? env["PGPASSWORD"];
  if (given !== undefined) return given;
  const file = env["PGPASSFILE"] || join(homedir(), ".pgpass");
  let text: string;
  try {
    if ((statSync(file).mode & 0o077) !== 0) {
      warn(`${file} is not used: others can read it (chmod 600)`);
      return undefined;
    }
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (env["PGPASSFILE"]) warn(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    return undefined;
  }
  return passwordIn(text, target);
}

/** That of the first line whose host, port, database and user are the target's, or `*`. */
export function passwordIn(text: string, { host, socket, port, database, user }: PostgresTarget): string | undefined {
  const hosts = socket === undefined ? [host!] : [socket, "localhost"];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const fields = splitFields(line.replace(/\r$/, ""));
    const [ofHost, ofPort, ofDatabase, ofUser, password] = fields;
    const matches = (pattern: string | undefined, ...values: string[]): boolean =>
      pattern === "*" || values.some((value) => value === pattern);
    if (
      password !== undefined &&
      matches(ofHost, ...hosts) &&
      matches(ofPort, String(port)) &&
      matches(ofDatabase, database) &&
      matches(ofUser, user)
    ) {
      return password;
    }
  }
  return undefined;
}

/** At colons; a backslash takes the next character as it is. */
function splitFields(line: string): string[] {
  const fields = [""];
  for (let i = 0; i < line.length; i++) {
    if (line[i] === ":") fields.push("");
    else fields.push(`${fields.pop()}${line[i] === "\\" && i + 1 < line.length ? line[++i] : line[i]}`);
  }
  return fields;
}
