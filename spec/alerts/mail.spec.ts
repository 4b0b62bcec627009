/** Channels of kind mail, against a real SMTP server. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";

import { toByteString } from "../../lib/text/byte-string.ts";
import { makeCertificate, NO_OPENSSL, signCertificate } from "../support/certificates.ts";
import { startDaemon, temporaryFolder, type TestDaemon } from "../support/daemon.ts";
import { type Relay, startRelay } from "../support/relay.ts";

const PASSWORD = "sesame/42";
const USER = `watch%40example.org:${encodeURIComponent(PASSWORD)}@`;

/** A daemon whose only channel sends mails. */
const startMailing = (relay: string, keys = "", to = `"b@example.org"`): Promise<TestDaemon> =>
  startDaemon(
    `addAlertChannel("c", { kind = "mail", relay = "${relay}", from = "a@example.org", to = ${to}, ${keys} })`,
  );

/** Raises an alert, and delivers what can be delivered. */
async function raise({ loaded }: TestDaemon, login = "joe"): Promise<void> {
  const chunk = `alert{ type = "brute_force", login = "${login}", remote = "192.0.2.1", evidence = { n = 1 } }`;
  await loaded.engine.runConsole(toByteString(chunk));
  await loaded.webhooks.drain();
}

const problems = ({ logs }: TestDaemon): string[] => logs.filter((line) => /webhook c|channel c/.test(line));
const problemsOfDead = ({ loaded }: TestDaemon): string[] =>
  Array.from(loaded.webhooks.events.deadLetters, ({ problem }) => problem);

/** An authority of the spec's own, and a relay's certificate by it. */
function authority(host: string): Disposable & { ca: string; cert: string; key: string; stranger: string } {
  const folder = temporaryFolder();
  const ca = makeCertificate(folder.path, "ca", "authority");
  const stranger = makeCertificate(folder.path, "stranger", "stranger");
  const signed = signCertificate(folder.path, "relay", host, ca);
  const [cert, key] = [readFileSync(signed.cert, "utf8"), readFileSync(signed.key, "utf8")];
  return { ca: ca.cert, cert, key, stranger: stranger.cert, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

test("one mail goes to all, to which a login adds no header and no recipient", async () => {
  await using relay = await startRelay();
  const to = `{ "b@example.org", "c@example.org" }`;
  await using daemon = await startMailing(`smtp://127.0.0.1:${relay.port}`, `subject = "x %{login}"`, to);
  await raise(daemon, "@everyone\\r\\nBcc: evil@example.org");
  expect(problems(daemon)).toEqual([]);
  expect(relay.mails).toHaveLength(1);
  const { to: recipients, text } = relay.mails[0]!;
  expect(recipients).toEqual(["b@example.org", "c@example.org"]);
  expect(text).not.toMatch(/^Bcc:/im);
  expect(text).toContain("\r\nSubject: x @everyone\\r\\nBcc: evil@example.org\r\n");
  expect(text).toMatch(/^Message-ID: <[0-9a-f]{32}@example\.org>/m);
});

describe.skipIf(NO_OPENSSL !== undefined)(`over TLS${NO_OPENSSL ? ` (${NO_OPENSSL})` : ""}`, () => {
  const start = (own: { cert: string; key: string }, scheme: string): Promise<Relay> =>
    startRelay({ key: own.key, cert: own.cert, secure: scheme === "smtps", password: PASSWORD });

  const EACH = [
    ["smtp", "127.0.0.1"],
    ["smtps", "127.0.0.1"],
    ["smtp", "localhost"],
    ["smtps", "localhost"],
  ] as const;

  test.each(EACH)("%s to %s sends user and password to a relay of the channel's authority", async (scheme, host) => {
    using own = authority(host);
    await using relay = await start(own, scheme);
    await using daemon = await startMailing(`${scheme}://${USER}${host}:${relay.port}`, `ca = "${own.ca}"`);
    await raise(daemon);
    expect(problems(daemon)).toEqual([]);
    expect(relay.mails).toMatchObject([{ to: ["b@example.org"], encrypted: true, user: "watch@example.org" }]);
  });

  test.each(EACH)("%s to %s sends nothing to a relay of another authority", async (scheme, host) => {
    using own = authority(host);
    await using relay = await start(own, scheme);
    for (const keys of ["", `ca = "${own.stranger}"`]) {
      await using daemon = await startMailing(`${scheme}://${USER}${host}:${relay.port}`, keys);
      await raise(daemon);
      expect(problems(daemon)).toEqual([expect.stringMatching(/could not be sent: .*certificate.*\(attempt 1 of 7/)]);
    }
    expect(relay.asked).toEqual({ recipients: 0, mails: 0, passwords: 0 });
  });

  test.each(["smtp", "smtps"])("%s sends nothing to a relay whose certificate is another host's", async (scheme) => {
    using own = authority("relay.example.org");
    await using relay = await start(own, scheme);
    await using daemon = await startMailing(`${scheme}://${USER}127.0.0.1:${relay.port}`, `ca = "${own.ca}"`);
    await raise(daemon);
    expect(problems(daemon)).toEqual([expect.stringContaining("could not be sent: ")]);
    expect(relay.asked).toEqual({ recipients: 0, mails: 0, passwords: 0 });
  });
});

test("no password leaves this machine without TLS", async () => {
  await using relay = await startRelay({ password: PASSWORD });
  // Its own address, which does not say so.
  await using daemon = await startMailing(`smtp://${USER}0.0.0.0:${relay.port}`);
  await raise(daemon);
  expect(problems(daemon)).toEqual([expect.stringContaining("the relay has no STARTTLS (attempt 1 of 7")]);
  expect(relay.asked.passwords).toBe(0);
});

test("a wrong password makes a dead letter that says so, and is shown nowhere", async () => {
  await using relay = await startRelay({ password: PASSWORD });
  await using daemon = await startMailing(`smtp://joe:wrong-secret@127.0.0.1:${relay.port}`);
  await raise(daemon);
  expect(problemsOfDead(daemon)).toEqual(["the relay refused user or password (535)"]);
  const shown = [
    ...daemon.logs,
    toByteString(await daemon.loaded.engine.runConsole(toByteString("showCustomWebHooks()"))),
    await daemon.loaded.metrics.format(),
  ];
  expect(shown.join("\n")).not.toMatch(/wrong-secret|joe:/);
});

test("a relay that refuses one of two recipients gets the mail for the other", async () => {
  await using relay = await startRelay({ recipient: (address) => (address.startsWith("b") ? 550 : 250) });
  const to = `{ "b@example.org", "c@example.org" }`;
  await using daemon = await startMailing(`smtp://127.0.0.1:${relay.port}`, "", to);
  await raise(daemon);
  expect(relay.mails).toMatchObject([{ to: ["c@example.org"] }]);
  expect(problems(daemon)).toEqual([
    expect.stringContaining("alert channel c: the relay refused b@example.org, not the others"),
  ]);
  expect(problemsOfDead(daemon)).toEqual([]);
});

describe("a mail", () => {
  test.each([
    ["recipient", 550, "refused"],
    ["recipient", 450, "tried again"],
    ["mail", 554, "refused"],
    ["mail", 451, "tried again"],
  ] as const)("whose %s the relay answers with %d is %s", async (what, code, outcome) => {
    await using relay = await startRelay({ [what]: () => code });
    await using daemon = await startMailing(`smtp://127.0.0.1:${relay.port}`);
    await raise(daemon);
    expect(relay.mails).toEqual([]);
    const reason = `the relay answered ${code}`;
    expect(problemsOfDead(daemon)).toEqual(outcome === "refused" ? [reason] : []);
    const queue = Array.from(daemon.loaded.webhooks.events.queue, ({ attempts, problem }) => ({ attempts, problem }));
    expect(queue).toEqual(outcome === "refused" ? [] : [{ attempts: 1, problem: reason }]);
  });

  test.each(["b", "c"])("is tried again when %s alone may be taken later, and nobody now", async (later) => {
    await using relay = await startRelay({ recipient: (address) => (address.startsWith(later) ? 450 : 550) });
    const to = `{ "b@example.org", "c@example.org" }`;
    await using daemon = await startMailing(`smtp://127.0.0.1:${relay.port}`, "", to);
    await raise(daemon);
    expect(problems(daemon)).toEqual([expect.stringContaining("the relay answered 450 (attempt 1 of 7")]);
  });
});

test.each(["", "220 relay.example.org\r\n"])(
  "a relay that says %j and no more is given up in time",
  async (greeting) => {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => {
      sockets.push(socket.on("error", () => {}).resume());
      socket.write(greeting);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as net.AddressInfo;
      await using daemon = await startMailing(`smtp://127.0.0.1:${port}`, `timeout = "0.2"`);
      await raise(daemon);
      expect(problems(daemon)).toEqual([expect.stringContaining("timed out after 0.2 s (attempt 1 of 7")]);
      expect(sockets).toHaveLength(1);
      if (!sockets[0]!.closed) await new Promise((resolve) => sockets[0]!.once("close", resolve));
    } finally {
      server.close();
    }
  },
);
