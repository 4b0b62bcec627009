/** TLS to a real PostgreSQL server, which takes nothing else, and wants a password. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { SQL } from "bun";

import { PostgresStore } from "../../lib/history/postgres/store.ts";
import { readTarget } from "../../lib/history/postgres/target.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { makeCertificate, NO_OPENSSL, signCertificate } from "../support/certificates.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";

const PASSWORD = "top-secret";
const missing = noPostgres || (NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : "");

describe.skipIf(missing !== "")(`TLS to PostgreSQL${missing}`, () => {
  let server: PostgresServer;
  let folder: ReturnType<typeof temporaryFolder>;
  let database: string;
  let authorities: { ours: string; another: string };

  beforeAll(async () => {
    folder = temporaryFolder();
    const ours = makeCertificate(folder.path, "ours", "ca.example");
    const another = makeCertificate(folder.path, "another", "ca.example");
    server = await PostgresServer.start(signCertificate(folder.path, "server", "localhost", ours));
    authorities = { ours: ours.cert, another: another.cert };
    database = new URL(await server.database()).pathname;
    await using sql = new SQL("postgres://localhost", {
      adapter: "postgres",
      path: `${server.socket}/.s.PGSQL.${server.port}`,
      username: "spec",
      database: database.slice(1),
      max: 1,
    });
    await sql.unsafe(`alter user spec password '${PASSWORD}'`);
  }, 30_000);
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  /** Opens a history there. @returns why it cannot be; an empty text when it can */
  async function problemOf(parameters: string, { host = "localhost", password = PASSWORD } = {}): Promise<string> {
    const url = `postgres://spec:${password}@${host}:${server.port}${database}?${parameters}`;
    const target = readTarget(url, {});
    const store = new PostgresStore(target, { password: target.password, timeout: 5000, clock: systemClock });
    try {
      await store.open();
      return "";
    } catch (error) {
      return (error as Error).message;
    } finally {
      await store.close();
    }
  }

  test.each(["require", "prefer", "verify-ca", "verify-full"])("%s connects", async (mode) => {
    const authority = mode.startsWith("verify") ? `&sslrootcert=${authorities.ours}` : "";
    expect(await problemOf(`sslmode=${mode}${authority}`)).toBe("");
  });

  test("disable is refused by a server for TLS alone", async () => {
    expect(await problemOf("sslmode=disable")).toContain("no encryption");
  });

  test.each(["verify-ca", "verify-full"])(
    "%s takes no certificate of another authority, or of one not named",
    async (mode) => {
      expect(await problemOf(`sslmode=${mode}&sslrootcert=${authorities.another}`)).toMatch(/verif|self.signed/i);
      expect(await problemOf(`sslmode=${mode}`)).toMatch(/verif|self.signed/i);
    },
  );

  test("the host's name must be the certificate's for verify-full alone", async () => {
    const authority = `&sslrootcert=${authorities.ours}`;
    expect(await problemOf(`sslmode=verify-full${authority}`, { host: "127.0.0.1" })).toContain("does not match");
    expect(await problemOf(`sslmode=verify-ca${authority}`, { host: "127.0.0.1" })).toBe("");
  });

  test("an authority that is not there, and a wrong password, are said, without the password", async () => {
    expect(await problemOf("sslmode=verify-full&sslrootcert=/nowhere.pem")).not.toBe("");
    const wrong = await problemOf("sslmode=require", { password: "not-the-one" });
    expect(wrong).toContain("password authentication failed");
    expect(wrong).not.toContain("not-the-one");
  });

  test("another mode is refused by name", () => {
    expect(() => readTarget("postgres://joe@host/db?sslmode=sometimes", {})).toThrow(
      /sslmode: one of .* got "sometimes"/,
    );
  });
});
