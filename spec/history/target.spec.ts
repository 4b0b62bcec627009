/** Which PostgreSQL database a url means, and where its password comes from. */
import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { findPassword, passwordIn, readTarget } from "../../lib/history/postgres/target.ts";
import { temporaryFolder } from "../support/daemon.ts";

const ENV = { PGUSER: "me" };

describe("a url", () => {
  test.each([
    ["postgres://joe@db.example/logins", "postgres://joe@db.example:5432/logins"],
    [
      "postgresql://joe:top%20secret@db.example:5433/logins?sslmode=verify-full",
      "postgres://joe@db.example:5433/logins",
    ],
    ["postgres://[2001:db8::1]:5433/logins", "postgres://me@[2001:db8::1]:5433/logins"],
    ["postgres://joe@%2Fvar%2Frun%2Fpostgresql/logins", "postgres://joe@/var/run/postgresql/logins"],
    ["postgres:///logins?host=/run/pg&user=ann&port=5000", "postgres://ann@/run/pg/logins"],
    ["postgres://joe@localhost", "postgres://joe@localhost:5432/joe"],
    ["postgres://j%0Ae@localhost/d", "postgres://j\\ne@localhost:5432/d"],
  ])("%s is shown as %s", (url, shown) => expect(readTarget(url, ENV).shown).toBe(shown));

  test("keeps what else it says, and no password, for the connection", () => {
    const target = readTarget("postgres://joe:secret@h/d?sslmode=require&application_name=x&password=other", ENV);
    expect(target.parameters).toBe("sslmode=require&application_name=x");
    expect(target.password).toBe("other");
  });

  test.each([
    ["postgres://joe@host:0/d", "its port is none"],
    ["postgres://joe@host:x/d", "no url such as"],
    ["postgres://joe%zz@host/d", "a percent sign in it is no escape"],
    ["postgres://joe@host/d?sslmode=on", "sslmode: one of"],
    ["postgres://joe@host/d?options=-c", 'unknown parameter "options"'],
  ])("%s is an error", (url, message) => expect(() => readTarget(url, ENV)).toThrow(message));
});

describe("a password", () => {
  const target = readTarget("postgres://joe@db.example:5433/logins", ENV);

  test.each([
    ["db.example:5433:logins:joe:secret", "secret"],
    ["*:*:*:*:any", "any"],
    ["# a comment\nother:*:*:*:no\n*:5432:*:*:no\n*:*:*:ann:no\n*:*:logins:joe:first\n*:*:*:*:second", "first"],
    ["db.example:5433:logins:joe:with\\:colon\\\\and backslash\r\n", "with:colon\\and backslash"],
    ["db.example:5433:logins:joe", undefined],
    ["", undefined],
  ])("in a file %j", (text, password) => expect(passwordIn(text, target)).toBe(password));

  test("of a Unix socket is that of its folder or of localhost", () => {
    const socket = readTarget("postgres://joe@%2Frun%2Fpg/logins", ENV);
    expect(passwordIn("/run/pg:*:*:*:one", socket)).toBe("one");
    expect(passwordIn("localhost:*:*:*:two", socket)).toBe("two");
    expect(passwordIn("db.example:*:*:*:three", socket)).toBeUndefined();
  });

  test("comes from the url, then PGPASSWORD, then the file of PGPASSFILE, which is for the owner alone", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "pgpass");
    writeFileSync(file, "*:*:*:*:from the file\n", { mode: 0o600 });
    const warnings: string[] = [];
    const find = (url: string, env: Record<string, string>): string | undefined =>
      findPassword(readTarget(url, ENV), { PGPASSFILE: file, ...env }, (problem) => warnings.push(problem));
    expect(find("postgres://joe:of-url@h/d", { PGPASSWORD: "of-env" })).toBe("of-url");
    expect(find("postgres://joe@h/d", { PGPASSWORD: "of-env" })).toBe("of-env");
    expect(find("postgres://joe@h/d", {})).toBe("from the file");
    expect(warnings).toEqual([]);
    chmodSync(file, 0o640);
    expect(find("postgres://joe@h/d", {})).toBeUndefined();
    expect(find("postgres://joe@h/d", { PGPASSFILE: "/no/such" })).toBeUndefined();
    expect(warnings).toEqual([
      `${file} is not used: others can read it (chmod 600)`,
      "/no/such cannot be read: ENOENT",
    ]);
  });
});
