import { describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";

import { defaultConfig } from "../../lib/config.ts";
import { loadConfig } from "../../lib/configuration/load-config.ts";
import { Log } from "../../lib/log/log.ts";
import { checkConfig } from "../../lib/program/check.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { makeCertificate, NO_OPENSSL, signCertificate } from "../support/certificates.ts";
import { PREAMBLE, startDaemon, temporaryFolder } from "../support/daemon.ts";
import { startReceiver } from "../support/webhooks.ts";

describe("addCustomWebHook", () => {
  test.each([
    ["{}", /webhook "h": key 'url' is missing/],
    ["{ url = 'no url' }", /key 'url' is no url$/],
    ["{ url = '' }", /key 'url' is no url/],
    ["{ url = 'ftp://h/' }", /key 'url' must be http or https/],
    ["{ url = 'file:///etc/passwd' }", /key 'url' must be http or https/],
    ["{ url = {} }", /key 'url' must be a string/],
    ["{ url = 'http://' }", /key 'url' is no url/],
    ["{ url = 'http:/h' }", /key 'url' is no url/],
    ["{ url = 'http:h' }", /key 'url' is no url/],
    ["{ url = 'http:\\\\\\\\h/' }", /key 'url' is no url/],
    ["{ url = '//h/' }", /key 'url' is no url/],
    ["{ url = 'h/' }", /key 'url' is no url/],
    ["{ url = 'http://h:99999/' }", /key 'url' is no url/],
    ["{ url = 'http://h:x/' }", /key 'url' is no url/],
    ["{ url = 'http://[::1/' }", /key 'url' is no url/],
    ["{ url = 'http://h h/' }", /key 'url' is no url/],
    ["{ url = 'http://h/\\r\\nX-Evil: 1' }", /key 'url' is no url/],
    ["{ url = 'http://user:password@h h/' }", /key 'url' is no url$/],
    ["{ url = ' http://h/' }", /key 'url' is no url/],
    ["{ url = 'http://%{YYYY}%{/' }", /key 'url' is no url/],
    ["{ url = 'javascript:alert(1)' }", /key 'url' must be http or https/],
    ["{ url = 'http://h/', secret = 'whsec_' }", /key 'secret' begins with whsec_ and is no base64/],
    ["{ url = 'http://h/', secret = 'whsec_not base64!' }", /key 'secret' begins with whsec_ and is no base64/],
    ["{ url = 'http://h/', secret = 'whsec_YWI' }", /key 'secret' begins with whsec_ and is no base64/],
    ["{ url = 'http://h/', max_attempts = '0' }", /key 'max_attempts' must be a whole number from 1 to 1000/],
    ["{ url = 'http://h/', max_attempts = '1.5' }", /key 'max_attempts' must be a whole number/],
    ["{ url = 'http://h/', max_attempts = 'many' }", /key 'max_attempts' must be a whole number/],
    ["{ url = 'http://h/', max_attempts = '' }", /key 'max_attempts' must be a whole number/],
    ["{ url = 'http://h/', ['api-key'] = 'a\\nb' }", /key 'api-key' has a character that would break a header/],
    ["{ url = 'http://h/', ['content-type'] = 'a\\r\\nX: y' }", /key 'content-type' has a character/],
    ["{ url = 'http://h/', bearer = 'a\\nb' }", /key 'bearer' has a character that would break a header/],
    ["{ url = 'http://u:p@h/', bearer = 'b' }", /key 'bearer' and a user's password exclude each other/],
    ["{ url = 'http://h/', ['basic-auth'] = 'u:p', bearer = 'b' }", /key 'bearer' and a user's password/],
    ["{ url = 'http://h/', headers = 'X: y' }", /key 'headers' must be a table/],
    ["{ url = 'http://h/', headers = { 'X: y' } }", /key 'headers' is wrong: .*names must be strings/],
    [
      "{ url = 'http://h/', headers = { ['X y'] = 'z' } }",
      /key 'headers' is wrong: .*"X y" is not the name of a header/,
    ],
    ["{ url = 'http://h/', headers = { X = 'a\\r\\nb' } }", /key 'headers' is wrong: .*"X" has a control character/],
    ["{ url = 'http://h/', headers = { X = {} } }", /key 'headers' is wrong: .*string expected for 'X', got table/],
    [
      "{ url = 'http://h/', headers = { ['Content-Type'] = 'x' } }",
      /'headers' has Content-Type, which is set already$/,
    ],
    [
      "{ url = 'http://h/', headers = { ['X-Wforce-Signature'] = 'x' } }",
      /has X-Wforce-Signature, which is set already/,
    ],
    ["{ url = 'http://h/', headers = { ['WEBHOOK-ID'] = 'x' } }", /has WEBHOOK-ID, which is set already/],
    ["{ url = 'http://h/', headers = { ['Content-Length'] = 5 } }", /has Content-Length, which is set already/],
    [
      "{ url = 'http://h/', bearer = 'b', headers = { Authorization = 'x' } }",
      /has Authorization, which is set already/,
    ],
    ["{ url = 'http://h/', timeout = 0 }", /key 'timeout' must be seconds above 0 and up to 3600/],
    ["{ url = 'http://h/', timeout = '' }", /key 'timeout' must be seconds/],
    ["{ url = 'http://h/', timeout = 'soon' }", /key 'timeout' must be seconds/],
    ["{ url = 'http://h/', verify = 'no' }", /webhook "h": verify: boolean expected, got string/],
    ["{ url = 'http://h/', cert = 'x' }", /webhook "h": cert and key belong together/],
    ["{ url = 'http://h/', ca = '' }", /webhook "h": ca: path expected, got an empty string/],
    ["{ url = 'http://h/', ca = {} }", /key 'ca' must be a string/],
    ["'http://h/'", /bad argument #2 to 'addCustomWebHook' \(table expected, got string\)/],
    ["", /bad argument #2 to 'addCustomWebHook' \(table expected, got no value\)/],
  ])("with %s ends the start", async (keys, message) => {
    await expect(startDaemon(`addCustomWebHook("h"${keys && ", "}${keys})`)).rejects.toThrow(message);
  });

  test("takes a name once, and one that can stand in a header", async () => {
    await expect(startDaemon(`for i = 1, 2 do addCustomWebHook("h", { url = "http://h/" }) end`)).rejects.toThrow(
      'a webhook is named "h" already',
    );
    await expect(startDaemon(`addCustomWebHook("a\\nb", { url = "http://h/" })`)).rejects.toThrow(
      "name that can stand in a header",
    );
  });

  test("does not use an id up when it fails, and warns of keys that it does not know", async () => {
    await using daemon = await startDaemon(`pcall(addCustomWebHook, "bad", {})
      addCustomWebHook("good", { url = "http://h/", num_conns = 5, typo = "x" })`);
    expect(daemon.loaded.config.webhooks.hooks).toMatchObject([{ id: 1, name: "good" }]);
    expect(daemon.logs.filter((line) => line.includes("key"))).toEqual([
      `addCustomWebHook: webhook "good": unknown key 'typo' is ignored`,
    ]);
  });
});

describe("a webhook", () => {
  test("has as many attempts as max_attempts says, seven unless it is there", async () => {
    await using daemon = await startDaemon(`addCustomWebHook("a", { url = "http://h/" })
      addCustomWebHook("b", { url = "http://h/", max_attempts = "1" })
      addCustomWebHook("c", { url = "http://h/", max_attempts = 20 })`);
    expect(daemon.loaded.config.webhooks.hooks.map(({ maxAttempts }) => maxAttempts)).toEqual([7, 1, 20]);
  });

  test("takes user and password from the url, as curl does, and shows them nowhere", async () => {
    using receiver = startReceiver(() => new Response(null, { status: 404 }));
    const url = receiver.url.replace("//", "//us%40er:pass%3aword@");
    await using daemon = await startDaemon(`${PREAMBLE} setMetricsNoPassword()
      addCustomWebHook("h", { url = "${url}?token=t" })
      addCustomWebHook("own", { url = "${url}", ["basic-auth"] = "other:one" })
      setReport(function() runCustomWebHook("h", "{}") runCustomWebHook("own", "{}") end)`);
    await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    const sent = receiver.received.map(({ headers }) => [headers.get("x-wforce-event"), headers.get("authorization")]);
    expect(Object.fromEntries(sent)).toEqual({
      h: `Basic ${btoa("us@er:pass:word")}`,
      own: `Basic ${btoa("other:one")}`,
    });
    const printed = await daemon.daemon.execute("showCustomWebHooks() showDeadLetters()" as ByteString);
    const shown = `${daemon.logs.join("\n")} ${printed} ${await (await daemon.get("/metrics")).text()}`;
    expect(shown).toContain(`url="${receiver.url}"`);
    expect(shown).not.toMatch(/us@er|us%40er|pass%3aword/);
  });
});

describe("the keys of a webhook", () => {
  test("are sent as their bytes", async () => {
    let request = "";
    const server = createServer((socket) => {
      let received = "";
      socket.on("data", (data) => {
        received += data.toString("latin1");
        // Its head and its body may come apart.
        if (!/\r\n\r\n[xy]$/.test(received)) return;
        request += received;
        socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await using daemon = await startDaemon(`${PREAMBLE}
      addCustomWebHook("Alarm für \\255", { url = "http://127.0.0.1:${port}/", secret = "\\255\\254\\001",
        ["api-key"] = "schlüssel\\255", ["content-type"] = "text/plain; x=\\255", ["basic-auth"] = "us\\255er:a\\r\\n\\0b" })
      addCustomWebHook("url", { url = "http://us%ffer:p%0aw@127.0.0.1:${port}/" })
      setReport(function() runCustomWebHook("Alarm für \\255", "x") runCustomWebHook("url", "y") end)`);
    await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    server.close();
    const header = (name: string): string[] =>
      Array.from(request.matchAll(new RegExp(`^${name}: (.*)\r$`, "gim")), ([, value]) => value!).toSorted();
    expect(header("x-wforce-event")).toEqual(["Alarm f\xc3\xbcr \xff", "url"]);
    expect(header("x-api-key")).toEqual(["schl\xc3\xbcssel\xff"]);
    expect(header("content-type")).toContain("text/plain; x=\xff");
    expect(header("authorization")).toEqual([`Basic ${btoa("us\xffer:a\r\n\0b")}`, `Basic ${btoa("us\xffer:p\nw")}`]);
    const key = Buffer.from([255, 254, 1]);
    expect(header("x-wforce-signature")).toEqual([new Bun.CryptoHasher("sha256", key).update("x").digest("base64")]);
  });

  test("are sent as headers of its own, a bearer token, and bytes as they are", async () => {
    using receiver = startReceiver();
    await using daemon = await startDaemon(`${PREAMBLE}
      addCustomWebHook("h", { url = "${receiver.url}", bearer = "t0ken", headers = { ["X-Own"] = "\\255", ["User-Agent"] = "me",
        ["X-Number"] = 5, __proto__ = "p" } })
      addCustomWebHook("a", { url = "${receiver.url}", headers = { Authorization = "Splunk t0ken" } })
      setReport(function() runCustomWebHook("h", "{}") runCustomWebHook("a", "{}") end)`);
    await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    const sent = new Map(receiver.received.map(({ headers }) => [headers.get("x-wforce-event"), headers]));
    expect(Object.fromEntries(sent.get("h")!)).toMatchObject({
      authorization: "Bearer t0ken",
      "content-type": "application/json",
      "user-agent": "me",
      "x-own": "\xff",
      "x-number": "5",
    });
    expect(sent.get("h")!.get("__proto__")).toBe("p");
    expect(sent.get("a")!.get("authorization")).toBe("Splunk t0ken");
  });

  test("bound the time of its attempts alone", async () => {
    const gate = Promise.withResolvers<Response>();
    using receiver = startReceiver(() => gate.promise);
    await using daemon = await startDaemon(`${PREAMBLE}
      addCustomWebHook("quick", { url = "${receiver.url}", max_attempts = 1, timeout = "0.05" })
      addCustomWebHook("slow", { url = "${receiver.url}", max_attempts = 1, timeout = 60 })
      setReport(function() runCustomWebHook("quick", "{}") runCustomWebHook("slow", "{}") end)`);
    await daemon.post("/?command=report", {});
    const { webhooks } = daemon.loaded;
    while (webhooks.events.deadLetters.size === 0) await Bun.sleep(1);
    expect([...webhooks.events.deadLetters]).toMatchObject([{ hookName: "quick", problem: "timed out after 0.05 s" }]);
    gate.resolve(new Response());
    await webhooks.drain();
    expect(webhooks.counts(daemon.loaded.config.webhooks.hooks[1]!)).toEqual({ successes: 1, failures: 0 });
  });

  test.each(["user:pa ss@h/?token=secret", "http://user:password@h h/?token=secret", "ftp://user:password@h/secret"])(
    "with a malformed url are refused without showing it: %s",
    async (url) => {
      const started = startDaemon(`addCustomWebHook("h", { url = "${url}" })`);
      await expect(started).rejects.toThrow(
        /:1: addCustomWebHook: webhook "h": key 'url' (is no url|must be http or https)$/,
      );
    },
  );
});

describe("the functions for the console", () => {
  test("show webhooks, queue and dead letters, and send dead letters again", async () => {
    let status = 404;
    using receiver = startReceiver(() => new Response(null, { status }));
    await using daemon = await startDaemon(`${PREAMBLE}
      addCustomWebHook("h", { url = "${receiver.url}" })
      setReport(function() runCustomWebHook("h", "{}") end)`);
    const show = async (chunk: string): Promise<string> => {
      const text = await daemon.daemon.execute(chunk as ByteString);
      await daemon.loaded.webhooks.drain();
      return text;
    };
    for (let i = 0; i < 2; i++) await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    expect(await show("showDeadLetters()")).toContain("the receiver answered 404\n");
    const id = receiver.received[0]!.id;
    status = 200;
    expect(await show(`resendDeadLetters("${id}")`)).toBe("1 events are in the queue again, 1 dead letters are left\n");
    expect(await show("resendDeadLetters()")).toBe("1 events are in the queue again, 0 dead letters are left\n");
    expect(await show("showCustomWebHooks()")).toEndWith(
      `\n1         h                    2         2         ${receiver.url}\n`,
    );
    expect((await show("showWebHookQueue()")).split("\n")).toHaveLength(2);
  });
});

describe("the state directory", () => {
  test("keeps events that the configuration itself sends, and those of reports, for the next daemon", async () => {
    using state = temporaryFolder();
    let status = 500;
    using receiver = startReceiver(() => new Response(null, { status, headers: { "retry-after": "1" } }));
    const configuration = `${PREAMBLE} setStateDir("${state.path}")
      addCustomWebHook("h", { url = "${receiver.url}" })
      setReport(function() runCustomWebHook("h", "report") end)`;
    {
      await using daemon = await startDaemon(`${configuration} runCustomWebHook("h", "configuration")`);
      await daemon.post("/?command=report", {});
      await daemon.loaded.webhooks.drain();
    }
    status = 200;
    const before = receiver.received.length;
    await using daemon = await startDaemon(configuration);
    expect(daemon.loaded.webhooks.events.queue.size).toBe(2);
    while (daemon.loaded.webhooks.events.queue.size > 0) await Bun.sleep(5);
    const bodies = receiver.received.slice(before).map(({ body }) => body);
    expect(bodies.toSorted()).toEqual(["configuration", "report"]);
  }, 30_000);

  test("is systemd's unless the configuration names one", () => {
    const before = process.env["STATE_DIRECTORY"];
    try {
      process.env["STATE_DIRECTORY"] = "/var/lib/one:/var/lib/two";
      expect(defaultConfig().stateDir).toBe("/var/lib/one");
      process.env["STATE_DIRECTORY"] = "";
      expect(defaultConfig().stateDir).toBeUndefined();
    } finally {
      if (before === undefined) delete process.env["STATE_DIRECTORY"];
      else process.env["STATE_DIRECTORY"] = before;
    }
  });
});

describe("runCustomWebHook", () => {
  test("returns at once; what was handed over is sent before the daemon ends", async () => {
    const bodies: string[] = [];
    const gate = Promise.withResolvers<void>();
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        await gate.promise;
        bodies.push(await request.text());
        return new Response();
      },
    });
    {
      await using daemon =
        await startDaemon(`${PREAMBLE} addCustomWebHook("h", { url = "http://127.0.0.1:${receiver.port}/" })
        setReport(function(lt) runCustomWebHook("h", lt.login .. "\\0\\xff") end)`);
      expect((await daemon.post("/?command=report", { login: "joe" })).status).toBe(200);
      expect(bodies).toEqual([]);
      gate.resolve();
    }
    expect(bodies).toEqual(["joe\0\ufffd"]);
    await receiver.stop(true);
  });

  test("logs a name that is not registered, a receiver that refuses and one that fails", async () => {
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(null, { status: 302, headers: { location: "/" } }),
    });
    const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    await gone.stop(true);
    await using daemon = await startDaemon(`${PREAMBLE}
      addCustomWebHook("redirects", { url = "http://127.0.0.1:${receiver.port}/" })
      addCustomWebHook("gone", { url = "http://127.0.0.1:${gone.port}/" })
      setReport(function() for _, name in ipairs({ "redirects", "gone", "unknown" }) do runCustomWebHook(name, "{}") end end)`);
    await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    const lines = daemon.logs.filter((line) => /webhook/i.test(line)).toSorted();
    expect(lines).toEqual([
      'runCustomWebHook: no webhook is named "unknown": addCustomWebHook() registers one',
      expect.stringMatching(/^webhook gone: connection refused \(attempt 1 of 7, next in [456] s\)$/),
      expect.stringMatching(
        /^webhook redirects: given up after 1 attempts: the receiver answered 302: \S+ is a dead letter/,
      ),
      "webhooks wait in memory: what is not delivered when the daemon ends is lost (setStateDir)",
    ]);
    await receiver.stop(true);
  });
});

describe.skipIf(NO_OPENSSL !== undefined)(`TLS of webhooks${NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : ""}`, () => {
  /** Sends one event to a receiver with a certificate for a host. @returns how often it arrived, and the log */
  async function sendTo(host: string, settings: string, clientMustShowCertificate = false): Promise<[number, string]> {
    using folder = temporaryFolder();
    const server = makeCertificate(folder.path, "server", host);
    const client = makeCertificate(folder.path, "client", "client");
    let arrived = 0;
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: {
        cert: Bun.file(server.cert),
        key: Bun.file(server.key),
        ...(clientMustShowCertificate
          ? { requestCert: true, rejectUnauthorized: true, ca: Bun.file(client.cert) }
          : {}),
      },
      fetch: () => (arrived++, new Response()),
    });
    const configuration = settings.replaceAll("FOLDER", folder.path);
    await using daemon = await startDaemon(`${PREAMBLE} ${configuration}
      addCustomWebHook("h", { url = "https://127.0.0.1:${receiver.port}/" })
      setReport(function() runCustomWebHook("h", "{}") end)`);
    await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    await receiver.stop(true);
    return [arrived, daemon.logs.filter((line) => line.startsWith("webhook h")).join("\n")];
  }

  const TRUST = `setCurlCABundleFile("FOLDER/server.pem")`;
  const SHOW = `setCurlClientCertAndKey("FOLDER/client.pem", "FOLDER/client.key")`;

  test.each([
    ["an unknown authority is refused", "127.0.0.1", "", 0],
    ["an authority that is trusted is accepted", "127.0.0.1", TRUST, 1],
    ["without peer verification any is accepted", "127.0.0.1", "disableCurlPeerVerification()", 1],
    ["a certificate for another host is refused", "other.example", TRUST, 0],
    ["without host verification it is accepted", "other.example", `${TRUST} disableCurlHostVerification()`, 1],
    ["without host verification the authority still counts", "other.example", "disableCurlHostVerification()", 0],
  ])("%s", async (_, host, settings, count) => {
    const [arrived, log] = await sendTo(host, settings);
    expect(arrived).toBe(count);
    expect(log === "").toBe(count === 1);
  });

  test("a receiver that asks for a client certificate gets it", async () => {
    expect(await sendTo("127.0.0.1", `${TRUST} ${SHOW}`, true)).toEqual([1, ""]);
    expect((await sendTo("127.0.0.1", TRUST, true))[0]).toBe(0);
  });

  test("with an authority of one's own both sides trust what it has signed, and connections are used again", async () => {
    using folder = temporaryFolder();
    const authority = makeCertificate(folder.path, "authority", "authority.example");
    const signed = signCertificate(folder.path, "server", "127.0.0.1", authority);
    signCertificate(folder.path, "client", "client", authority);
    const ports = new Set<number>();
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: {
        cert: Bun.file(signed.cert),
        key: Bun.file(signed.key),
        requestCert: true,
        rejectUnauthorized: true,
        ca: Bun.file(authority.cert),
      },
      fetch: (request, server) => (ports.add(server.requestIP(request)!.port), new Response()),
    });
    await using daemon = await startDaemon(`${PREAMBLE} setNumWebHookThreads(1) setNumWebHookConnsPerThread(1)
      setCurlCABundleFile("${folder.path}/authority.pem")
      setCurlClientCertAndKey("${folder.path}/client.pem", "${folder.path}/client.key")
      addCustomWebHook("h", { url = "https://127.0.0.1:${receiver.port}/" })
      setReport(function() for i = 1, 10 do runCustomWebHook("h", "{}") end end)`);
    await daemon.post("/?command=report", {});
    const { webhooks, config } = daemon.loaded;
    await webhooks.drain();
    expect(webhooks.counts(config.webhooks.hooks[0]!)).toEqual({ successes: 10, failures: 0 });
    expect(ports.size).toBe(1);
    await receiver.stop(true);
  });

  test("files are read at the start, not by who only loads the configuration for the console", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "spec.conf");
    writeFileSync(file, `setCurlCABundleFile("gone.pem") setCurlClientCertAndKey("gone.pem", "gone.key")`);
    const log = new Log({ sink: () => {} });
    const loaded = await loadConfig(file, { clock: systemClock, log });
    loaded.engine.close();
    expect(() => loaded.outgoing.load()).toThrow("spec.conf:1: certificate");
    expect((await checkConfig(file, undefined, systemClock)).errors).toEqual([expect.stringContaining("ENOENT")]);
  });

  test.each([
    [
      "an authority that is empty",
      `setCurlCABundleFile("empty")`,
      'certificate "FOLDER/empty" is not a certificate in PEM',
    ],
    ["an authority that is garbage", `setCurlCABundleFile("garbage")`, "is not a certificate in PEM"],
    ["a bundle with garbage behind", `setCurlCABundleFile("bundle")`, "is not a certificate in PEM"],
    ["a key instead of an authority", `setCurlCABundleFile("one.key")`, "is not a certificate in PEM"],
    ["a certificate that is garbage", `setCurlClientCertAndKey("garbage", "one.key")`, "is not a certificate in PEM"],
    ["a key that is garbage", `setCurlClientCertAndKey("one.pem", "garbage")`, "is not a private key in PEM"],
    ["a key of another certificate", `setCurlClientCertAndKey("one.pem", "two.key")`, "are not a pair"],
  ])("%s ends the start", async (_, settings, message) => {
    using folder = temporaryFolder();
    for (const name of ["one", "two"]) makeCertificate(folder.path, name, name);
    writeFileSync(join(folder.path, "empty"), "");
    writeFileSync(join(folder.path, "garbage"), "no certificate");
    const one = readFileSync(join(folder.path, "one.pem"), "utf8");
    writeFileSync(
      join(folder.path, "bundle"),
      `# comment\n${one}\n-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n`,
    );
    const located = settings.replaceAll(/"([^"]+)"/g, `"${folder.path}/$1"`);
    await expect(startDaemon(located)).rejects.toThrow(message.replace("FOLDER", folder.path));
  });

  test("files are read anew by SIGHUP; the former ones stay while the new ones cannot be used", async () => {
    using folder = temporaryFolder();
    const [old, current] = ["old", "current"].map((name) => makeCertificate(folder.path, name, "127.0.0.1"));
    const trusted = join(folder.path, "trusted.pem");
    copyFileSync(old!.cert, trusted);
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: Bun.file(current!.cert), key: Bun.file(current!.key) },
      fetch: () => new Response(),
    });
    await using daemon = await startDaemon(`${PREAMBLE} setCurlCABundleFile("${trusted}")
      addCustomWebHook("h", { url = "https://127.0.0.1:${receiver.port}/", max_attempts = "1" })
      setReport(function() runCustomWebHook("h", "{}") end)`);
    const { webhooks, config } = daemon.loaded;
    const send = async (): Promise<object> => {
      await daemon.post("/?command=report", {});
      await webhooks.drain();
      return webhooks.counts(config.webhooks.hooks[0]!);
    };
    expect(await send()).toEqual({ successes: 0, failures: 1 });
    writeFileSync(trusted, "garbage");
    daemon.daemon.reload();
    expect(daemon.logs.join("\n")).toContain("certificates for other servers not replaced: ");
    expect(await send()).toEqual({ successes: 0, failures: 2 });
    copyFileSync(current!.cert, trusted);
    daemon.daemon.reload();
    expect(await send()).toEqual({ successes: 1, failures: 2 });
    await receiver.stop(true);
  });

  test("a file that cannot be read ends the start", async () => {
    await expect(startDaemon(`setCurlCABundleFile("gone.pem")`)).rejects.toThrow(
      /spec.conf:1: certificate "\S+\/gone.pem" cannot be read: ENOENT$/,
    );
  });
});

describe("the webhook settings", () => {
  test("bound requests in flight, time and queue", async () => {
    await using daemon = await startDaemon(
      "setNumWebHookThreads(2) setNumWebHookConnsPerThread(3) setWebHookQueueSize(7) setWebHookTimeoutSecs(1)",
    );
    expect(daemon.loaded.config.webhooks).toMatchObject({ threads: 2, connsPerThread: 3, queueSize: 7, timeout: 1 });
  });

  test("let no more requests out than threads times connections; what does not fit the queue makes room, and that is logged", async () => {
    let [inFlight, most, total] = [0, 0, 0];
    const gate = Promise.withResolvers<void>();
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch() {
        most = Math.max(most, ++inFlight);
        await gate.promise;
        inFlight--;
        total++;
        return new Response();
      },
    });
    await using daemon =
      await startDaemon(`${PREAMBLE} setNumWebHookThreads(2) setNumWebHookConnsPerThread(2) setWebHookQueueSize(10)
      for i = 1, 3 do addCustomWebHook("h" .. i, { url = "http://127.0.0.1:${receiver.port}/" }) end
      setReport(function() for i = 1, 12 do runCustomWebHook("h" .. i % 3 + 1, "{}") end end)`);
    await daemon.post("/?command=report", {});
    while (inFlight < 4) await Bun.sleep(1);
    gate.resolve();
    await daemon.loaded.webhooks.drain();
    expect([most, total]).toEqual([4, 10]);
    expect(daemon.logs.filter((line) => line.includes("queue is full"))).toHaveLength(2); // of two hooks
    expect(await (await daemon.get("/metrics")).text()).toContain(
      'trackalert_webhook_dropped_total{reason="made_room"} 2\n',
    );
    await receiver.stop(true);
  });
});
