import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";

import { ConfigError } from "../../lib/configuration/load-config.ts";
import { Listeners } from "../../lib/http/listeners.ts";
import { Log } from "../../lib/log/log.ts";
import { readTlsOptions } from "../../lib/net/tls-options.ts";
import { dateProblem, readCredentials } from "../../lib/net/tls.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { makeCertificate, NO_OPENSSL, signCertificate } from "../support/certificates.ts";
import { AUTHORIZATION, startDaemon, temporaryFolder, type TestDaemon } from "../support/daemon.ts";
import { startProgram } from "../support/program.ts";

const HOST = "127.0.0.1";

/** Certificates of two names, each with its key. */
function certificates(): { path: string; files: Record<string, string>; ca: string } & Disposable {
  const folder = temporaryFolder();
  const files: Record<string, string> = {};
  for (const name of ["one", "other"]) {
    const { cert, key } = makeCertificate(folder.path, name, HOST);
    files[`${name}.pem`] = readFileSync(cert, "utf8");
    files[`${name}.key`] = readFileSync(key, "utf8");
  }
  return { path: folder.path, files, ca: files["one.pem"]!, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

const listener = (options = "", cert = "one.pem", key = "one.key"): string =>
  `addListener("${HOST}:0", true, "${cert}", "${key}", {${options}}) setWebserverPassword("super")\n`;

/** Options of s_client without which it does not offer old versions. */
const WEAK = ["-cipher", "DEFAULT@SECLEVEL=0"];

/** What `openssl s_client` says of a connection: `New, TLSv1.3, Cipher is …`, or undefined when there is none. */
async function handshake(port: number, ...options: string[]): Promise<string | undefined> {
  const client = Bun.spawn(["openssl", "s_client", "-connect", `${HOST}:${port}`, ...options], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const text = await new Response(client.stdout).text();
  await client.exited;
  return /^New, (?!\(NONE\)).*$/m.exec(text)?.[0];
}

/** The certificate that is served. */
async function servedCertificate(port: number): Promise<string> {
  const client = Bun.spawn(["openssl", "s_client", "-connect", `${HOST}:${port}`], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  return /-----BEGIN[^]*END CERTIFICATE-----\n/.exec(await new Response(client.stdout).text())?.[0] ?? "none";
}

const portOf = (daemon: TestDaemon): number => daemon.daemon.addresses[0]!.port;

async function refusal(configuration: string, files: Record<string, string> = {}): Promise<string> {
  try {
    await using daemon = await startDaemon(configuration, files);
    return `served on ${portOf(daemon)}`;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(/(?<=")[^"]*\//g, "");
  }
}

describe.skipIf(NO_OPENSSL !== undefined)(`TLS listeners${NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : ""}`, () => {
  test("serve beside plain ones, with the same access control; files are relative to the configuration", async () => {
    using made = certificates();
    await using daemon = await startDaemon(
      `${listener()} ${listener("", "other.pem", "other.key")} addListener("${HOST}:0", false, "", "", {})`,
      made.files,
    );
    const [one, other, plain] = daemon.daemon.addresses.map(({ port }) => port);
    const get = (url: string, ca: string, headers = {}): Promise<Response> => fetch(url, { headers, tls: { ca } });
    expect((await get(`https://${HOST}:${one}/command/stats`, made.ca, AUTHORIZATION)).status).toBe(200);
    expect((await get(`https://${HOST}:${one}/command/stats`, made.ca)).status).toBe(401);
    expect((await get(`https://${HOST}:${other}/readyz`, made.files["other.pem"]!)).status).toBe(200);
    expect((await fetch(`http://${HOST}:${plain}/readyz`)).status).toBe(200);
    expect(daemon.logs).toContain(`listening on ${HOST}:${one} with TLS`);
    expect(daemon.logs).toContain(`listening on ${HOST}:${plain}`);
  });

  test("speak TLS 1.2 and 1.3 unless told otherwise", async () => {
    using made = certificates();
    await using daemon = await startDaemon(listener(), made.files);
    expect(await handshake(portOf(daemon))).toStartWith("New, TLSv1.3, ");
    expect(await handshake(portOf(daemon), "-tls1_2")).toStartWith("New, TLSv1.2, ");
    expect(await handshake(portOf(daemon), "-tls1_1", ...WEAK)).toBeUndefined();
  });

  test.each([
    ['minimum_protocol = "TLSv1.3"', ["-tls1_3"], ["-tls1_2"]],
    ['MinProtocol = "tls13"', ["-tls1_3"], ["-tls1_2"]],
    ['minimum_protocol = "tls1.2"', ["-tls1_2"], ["-tls1_1", ...WEAK]],
    ['minimum_protocol = "TLSv1.1"', ["-tls1_1", ...WEAK], ["-tls1", ...WEAK]],
    ['MaxProtocol = "TLSv1.2"', ["-tls1_2"], ["-tls1_3"]],
    [
      'CipherString = "ECDHE-ECDSA-AES256-GCM-SHA384"',
      ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
      ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
    ],
    ['Protocol = "-ALL,TLSv1.2"', ["-tls1_2"], ["-tls1_3"]],
    ['Protocol = "ALL,-TLSv1.2"', ["-tls1_3"], ["-tls1_2"]],
    ['Protocol = "ALL"', ["-tls1_3"], ["-tls1_1", ...WEAK]],
    ['ECDHParameters = "P-384"', ["-groups", "P-384"], ["-groups", "X25519"]],
    ['Groups = "P-384"', ["-groups", "P-384"], ["-groups", "X25519"]],
    ['Curves = "P-384"', ["-groups", "P-384"], ["-groups", "X25519"]],
    [
      'SignatureAlgorithms = "ECDSA+SHA256"',
      ["-tls1_3", "-sigalgs", "ECDSA+SHA256"],
      ["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"],
    ],
  ])("honour %s", async (options, accepted, refused) => {
    using made = certificates();
    await using daemon = await startDaemon(listener(options), made.files);
    expect(await handshake(portOf(daemon), ...accepted)).toStartWith("New, TLSv1");
    expect(await handshake(portOf(daemon), ...refused)).toBeUndefined();
  });

  test("go on after plain HTTP, garbage and a handshake that was broken off", async () => {
    using made = certificates();
    await using daemon = await startDaemon(listener(), made.files);
    const hello = Buffer.from("1603010200010001fc0303", "hex");
    for (const bytes of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\0\xff garbage", hello]) {
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      const socket = net.connect(portOf(daemon), HOST, () => void socket.end(bytes));
      socket
        .on("close", () => resolve())
        .on("error", () => {})
        .resume();
      await closed;
    }
    expect((await fetch(`https://${HOST}:${portOf(daemon)}/readyz`, { tls: { ca: made.ca } })).status).toBe(200);
  });

  test("are not opened with files that cannot be used, each told apart, with file and line", async () => {
    using made = certificates();
    const { files } = made;
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const encrypted = join(made.path, "encrypted.key");
    const encrypt = ["openssl", "pkcs8", "-topk8", "-in", join(made.path, "one.key"), "-passout", "pass:x", "-out"];
    expect(Bun.spawnSync([...encrypt, encrypted]).exitCode).toBe(0);
    const more = { "chain.pem": files["one.pem"]! + broken, "encrypted.key": readFileSync(encrypted, "utf8") };
    const refused = async (cert: string, key: string): Promise<string> =>
      (await refusal(`\n${listener("", cert, key)}`, { ...files, ...more })).replace(/^.*spec\.conf:/, "");
    expect(await refused("no.pem", "one.key")).toBe('2: certificate "no.pem" cannot be read: ENOENT');
    expect(await refused("one.pem", "no.key")).toBe('2: key "no.key" cannot be read: ENOENT');
    expect(await refused("/dev", "one.key")).toEndWith('certificate "dev" cannot be read: it is not a regular file');
    expect(await refused("one.key", "one.key")).toEndWith('certificate "one.key" is not a certificate in PEM');
    expect(await refused("one.pem", "one.pem")).toEndWith('key "one.pem" is not a private key in PEM');
    expect(await refused("one.pem", "other.key")).toEndWith('certificate "one.pem" and key "other.key" are not a pair');
    expect(await refused("one.pem", "encrypted.key")).toEndWith('"encrypted.key" is encrypted: remove its passphrase');
    expect(await refused("chain.pem", "one.key")).toEndWith('"chain.pem" or one behind it in that file cannot be used');
  });

  test("take certificate and key from one file", async () => {
    using made = certificates();
    const both = { "both.pem": made.files["one.key"]! + made.files["one.pem"]! };
    await using daemon = await startDaemon(listener("", "both.pem", "both.pem"), both);
    expect(await servedCertificate(portOf(daemon))).toBe(made.ca);
  });

  test("warn of a certificate that has expired or is not valid yet", () => {
    using made = certificates();
    const files = { certificate: join(made.path, "one.pem"), key: join(made.path, "one.key") };
    const credentials = readCredentials(files);
    const problem = (milliseconds: number): string | undefined => dateProblem(credentials, milliseconds);
    const [from, until] = [credentials.validFrom, credentials.validUntil];
    expect(problem(from.getTime() - 1)).toBe(
      `certificate "${files.certificate}" is not valid before ${from.toISOString()}`,
    );
    expect(problem(from.getTime())).toBeUndefined();
    expect(problem(until.getTime())).toBeUndefined();
    expect(problem(until.getTime() + 1)).toBe(`certificate "${files.certificate}" expired at ${until.toISOString()}`);
  });
});

describe.skipIf(NO_OPENSSL !== undefined)(`Options${NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : ""}`, () => {
  const [strong, stronger] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"];
  const ciphers = `CipherString = "${strong}:${stronger}"`;

  test("let the server choose the cipher, if they say so", async () => {
    using made = certificates();
    const client = ["-tls1_2", "-cipher", `${stronger}:${strong}`];
    await using theirs = await startDaemon(listener(ciphers), made.files);
    expect(await handshake(portOf(theirs), ...client)).toEndWith(stronger);
    await using ours = await startDaemon(listener(`${ciphers}, Options = "ServerPreference"`), made.files);
    expect(await handshake(portOf(ours), ...client)).toEndWith(strong);
  });

  test("switch session tickets off", async () => {
    using made = certificates();
    const ticket = async (options: string): Promise<boolean> => {
      await using daemon = await startDaemon(listener(options), made.files);
      const command = ["openssl", "s_client", "-connect", `${HOST}:${portOf(daemon)}`, "-tls1_2"];
      const client = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
      return (await new Response(client.stdout).text()).includes("TLS session ticket:");
    };
    expect(await ticket("")).toBe(true);
    expect(await ticket('Options = "-SessionTicket"')).toBe(false);
    expect(await ticket('Options = "-SessionTicket,SessionTicket"')).toBe(true);
  });

  test("that change nothing are accepted, and said with their line", async () => {
    using made = certificates();
    const options = `Ciphersuites = "TLS_AES_256_GCM_SHA384", Options = "-Compression,NoRenegotiation", NumTickets = 2`;
    await using daemon = await startDaemon(`\n${listener(options)}`, made.files);
    const said = daemon.logs.filter((line) => line.includes("changes nothing")).toSorted();
    expect(said.map((line) => line.replace(/^\S*spec\.conf:2: addListener: (.*) changes nothing: .*/, "$1"))).toEqual([
      "option 'Ciphersuites'",
      "option 'NumTickets'",
      "option 'Options -Compression'",
      "option 'Options NoRenegotiation'",
    ]);
  });
});

describe("options of a TLS listener that are not supported", () => {
  test.each([
    [[["passphrase", "x"]], "option 'passphrase' is not supported; known are MinProtocol, MaxProtocol, Protocol"],
    [[["Ciphersuites", "x"]], "option 'Ciphersuites': one of TLS_AES_128_GCM_SHA256, "],
    [[["Ciphersuites", "TLS_AES_128_CCM_SHA256"]], "option 'Ciphersuites': one of TLS_AES_128_GCM_SHA256, "],
    [[["Options", "ServerPreference,Nonsense"]], "option 'Options': flags such as -SessionTicket"],
    [[["Options", "UnsafeLegacyRenegotiation"]], "option 'Options': flags such as -SessionTicket"],
    [[["Protocol", "TLSv1.1,TLSv1.3"]], "option 'Protocol': versions without a gap"],
    [[["Protocol", "ALL,-ALL"]], "option 'Protocol': versions without a gap"],
    [[["Protocol", "TLSv1.4"]], "option 'Protocol': a version from TLSv1.0 to TLSv1.3 expected"],
    [[["1", "x"]], "option '1' is not supported"],
    [[["toString", "x"]], "option 'toString' is not supported"],
    [
      [["minimum_protocol", "SSLv3"]],
      "option 'minimum_protocol': a version from TLSv1.0 to TLSv1.3 expected, got \"SSLv3\"",
    ],
    [[["CipherString", "NONSENSE"]], "option 'CipherString': a list as OpenSSL writes it expected, got \"NONSENSE\""],
    [[["CipherString", ""]], "option 'CipherString': a list"],
    [[["groups", "NONSENSE"]], "option 'groups': a list"],
    [[["SignatureAlgorithms", "NONSENSE"]], "option 'SignatureAlgorithms': a list"],
    [
      [
        ["MinProtocol", "TLSv1.3"],
        ["MaxProtocol", "TLSv1.2"],
      ],
      "options MinProtocol (TLSv1.2 unless given) and MaxProtocol leave no version",
    ],
    [[["VerifyMode", "Request"]], "option 'VerifyMode': Require or None expected, got \"Request\""],
    [[["VerifyMode", "Require"]], "options VerifyMode = Require and VerifyCAFile need each other"],
    [[["client_ca", "ca.pem"]], "options VerifyMode = Require and VerifyCAFile need each other"],
    [
      [
        ["verify_client", "none"],
        ["client_ca", "ca.pem"],
      ],
      "options VerifyMode = Require and VerifyCAFile need each other",
    ],
    [[["MaxProtocol", "TLSv1.1"]], "options MinProtocol (TLSv1.2 unless given) and MaxProtocol leave no version"],
  ] as [[string, string][], string][])("%p", (options, message) => {
    expect(() => readTlsOptions(options)).toThrow(message);
  });

  test("are an error of the configuration, with its line", async () => {
    expect(await refusal(`\naddListener("${HOST}:0", true, "a", "b", { passphrase = "x" })`)).toMatch(
      /spec\.conf:2: addListener: option 'passphrase' is not supported; known are .*SignatureAlgorithms.*$/,
    );
  });
});

describe.skipIf(NO_OPENSSL !== undefined)(
  `Clients' certificates${NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : ""}`,
  () => {
    /** What a client gets whose certificate is that of the given name; undefined for none at all. */
    async function statusFor(port: number, folder: string, name: string | undefined): Promise<number | "refused"> {
      const own = (kind: string): string => readFileSync(join(folder, `${name}.${kind}`), "utf8");
      const client = name === undefined ? {} : { cert: own("pem"), key: own("key") };
      const tls = { rejectUnauthorized: false, ...client };
      try {
        const body = '{"login":"joe"}';
        const url = `https://${HOST}:${port}/?command=report`;
        return (await fetch(url, { method: "POST", headers: AUTHORIZATION, body, tls, keepalive: false })).status;
      } catch {
        return "refused";
      }
    }

    /** The listener's own, two authorities, a client's certificate of each, and one that has signed itself. */
    function clients(): ReturnType<typeof certificates> {
      const made = certificates();
      for (const name of ["ca", "former"]) {
        const authority = makeCertificate(made.path, name, "authority.example");
        signCertificate(made.path, `by-${name}`, "client.example", authority);
        made.files[`${name}.pem`] = readFileSync(authority.cert, "utf8");
      }
      return made;
    }

    test.each([
      'VerifyMode = "Require", VerifyCAFile = "ca.pem"',
      'VerifyMode = "Peer,Require", VerifyCAFile = "ca.pem", MaxProtocol = "TLSv1.2"',
      'verify_client = true, client_ca = "ca.pem"',
    ])("are asked for with { %s }: only who has one of that authority is heard", async (options) => {
      using made = clients();
      await using daemon = await startDaemon(
        `heard = 0 setReport(function() heard = heard + 1 end) ${listener(options)}`,
        made.files,
      );
      const status = (name?: string): Promise<number | "refused"> => statusFor(portOf(daemon), made.path, name);
      expect(await status("by-ca")).toBe(200);
      for (const name of [undefined, "by-former", "other"]) expect(await status(name)).toBe("refused");
      expect(await status("by-ca")).toBe(200);
      expect(await daemon.daemon.execute("return heard" as ByteString)).toBe("2" as ByteString);
    });

    test("are of a new authority once that is in the file and the certificates are read anew", async () => {
      using made = clients();
      await using daemon = await startDaemon(listener('VerifyMode = "Require", VerifyCAFile = "ca.pem"'), {
        ...made.files,
        "ca.pem": made.files["former.pem"]!,
      });
      const status = (name: string): Promise<number | "refused"> => statusFor(portOf(daemon), made.path, name);
      expect([await status("by-former"), await status("by-ca")]).toEqual([200, "refused"]);
      writeFileSync(join(daemon.folder, "ca.pem"), made.files["ca.pem"]!);
      daemon.daemon.reload();
      expect([await status("by-former"), await status("by-ca")]).toEqual(["refused", 200]);
      rmSync(join(daemon.folder, "ca.pem"));
      daemon.daemon.reload();
      expect([await status("by-former"), await status("by-ca")]).toEqual(["refused", 200]);
      expect(daemon.logs.filter((line) => line.includes("not replaced"))).toHaveLength(1);
    });
  },
);

describe.skipIf(NO_OPENSSL !== undefined)(`New certificates${NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : ""}`, () => {
  /** Listeners that answer once they are let, on a certificate that can be replaced by `other`. */
  function serve(): {
    listeners: Listeners;
    port: number;
    logs: string[];
    files: { certificate: string; key: string };
    made: ReturnType<typeof certificates>;
    replace(name: string): void;
    /** A request has come. */
    asked: Promise<void>;
    answer(): void;
  } & AsyncDisposable {
    const made = certificates();
    mkdirSync(join(made.path, "live"));
    const files = { certificate: join(made.path, "live", "cert.pem"), key: join(made.path, "live", "cert.key") };
    const replace = (name: string): void => {
      copyFileSync(join(made.path, `${name}.pem`), files.certificate);
      copyFileSync(join(made.path, `${name}.key`), files.key);
    };
    replace("one");
    const logs: string[] = [];
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const fetch = async (): Promise<Response> => {
      ask();
      await answered;
      return new Response("answer");
    };
    const listeners = new Listeners(
      { fetch, error: () => new Response(null, { status: 500 }) },
      { clock: systemClock, log: new Log({ sink: (line) => logs.push(line) }) },
    );
    listeners.listen({ hostname: HOST, port: 0, tls: { files, options: {}, where: "spec.conf:1: " } });
    listeners.listen({ hostname: HOST, port: 0 });
    return {
      listeners,
      port: listeners.addresses[0]!.port,
      logs,
      files,
      made,
      replace,
      asked,
      answer: resolve,
      async [Symbol.asyncDispose]() {
        await listeners.cut();
        made[Symbol.dispose]();
      },
    };
  }

  test("are served on the same port; requests in flight are answered, and waited for", async () => {
    await using serving = serve();
    const { listeners, made, port } = serving;
    const inFlight = fetch(`https://${HOST}:${port}/`, { tls: { ca: made.ca } });
    await serving.asked;
    serving.replace("other");
    listeners.reloadCertificates();
    expect(await servedCertificate(port)).toBe(made.files["other.pem"]!);
    expect(serving.logs).toEqual([`new certificate on ${HOST}:${port}`]);
    const stopped = listeners.stop().then(() => "stopped");
    expect(await Promise.race([stopped, Bun.sleep(0)])).toBeUndefined();
    serving.answer();
    expect(await (await inFlight).text()).toBe("answer");
    await stopped;
  });

  test("that are the old ones, or cannot be used, change nothing", async () => {
    await using serving = serve();
    const { files, listeners, logs, made, port } = serving;
    listeners.reloadCertificates();
    expect(logs).toEqual([]);
    const reload = async (): Promise<string> => {
      listeners.reloadCertificates();
      expect(await servedCertificate(port)).toBe(made.ca);
      return logs.at(-1)!.replaceAll(/(?<=")[^"]*\//g, "");
    };
    const problem = `certificate of ${HOST}:${port} not replaced: spec.conf:1: `;
    copyFileSync(join(made.path, "other.pem"), files.certificate);
    expect(await reload()).toBe(`${problem}certificate "cert.pem" and key "cert.key" are not a pair`);
    writeFileSync(files.certificate, "");
    expect(await reload()).toBe(`${problem}certificate "cert.pem" is not a certificate in PEM`);
    rmSync(files.certificate);
    expect(await reload()).toBe(`${problem}certificate "cert.pem" cannot be read: ENOENT`);
    serving.replace("other");
    listeners.reloadCertificates();
    expect(await servedCertificate(port)).toBe(made.files["other.pem"]!);
  });

  test("give way to the old ones where serving them fails", async () => {
    using made = certificates();
    let problem = "";
    const options = {
      get ciphers() {
        const ciphers = problem;
        problem = "";
        return ciphers || "HIGH";
      },
    };
    const logs: string[] = [];
    const listeners = new Listeners(
      { fetch: () => new Response("answer"), error: () => new Response(null, { status: 500 }) },
      { clock: systemClock, log: new Log({ sink: (line) => logs.push(line) }) },
    );
    const files = { certificate: join(made.path, "one.pem"), key: join(made.path, "one.key") };
    listeners.listen({ hostname: HOST, port: 0, tls: { files, options, where: "" } });
    const { port } = listeners.addresses[0]!;
    for (const kind of ["pem", "key"]) copyFileSync(join(made.path, `other.${kind}`), join(made.path, `one.${kind}`));
    problem = "NONSENSE";
    expect(listeners.reloadCertificates()).toEqual({ all: 1, current: 0 });
    expect(logs).toEqual([expect.stringContaining(`certificate of ${HOST}:${port} not replaced: `)]);
    expect(await servedCertificate(port)).toBe(made.ca);
    expect(listeners.reloadCertificates()).toEqual({ all: 1, current: 1 });
    expect(await servedCertificate(port)).toBe(made.files["other.pem"]!);
    await listeners.cut();
  });

  test("are served after SIGHUP", async () => {
    using made = certificates();
    const file = join(made.path, "spec.conf");
    writeFileSync(file, `${listener()} ${listener("", "other.pem", "other.key")}`);
    await using program = startProgram(["-s", "-C", file]);
    const [, one, other] = await program.waitFor(/listening on \S+:(\d+) with TLS\nlistening on \S+:(\d+) with TLS\n/);
    copyFileSync(join(made.path, "other.pem"), join(made.path, "one.pem"));
    copyFileSync(join(made.path, "other.key"), join(made.path, "one.key"));
    program.kill("SIGHUP");
    await program.waitFor(/reloaded: /);
    expect(program.output().match(/new certificate on .*/g)).toEqual([`new certificate on ${HOST}:${one}`]);
    for (const port of [one, other]) expect(await servedCertificate(Number(port))).toBe(made.files["other.pem"]!);
  });
});
