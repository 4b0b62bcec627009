/** Requests that leave: whom policies and webhooks trust, who they are, and the proxy that they take. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";

import { toByteString } from "../../lib/text/byte-string.ts";
import { makeCertificate, NO_OPENSSL, signCertificate } from "../support/certificates.ts";
import { callEndpoint, PREAMBLE, startDaemon, temporaryFolder } from "../support/daemon.ts";
import { startProxy } from "../support/proxy.ts";
import { closedPort } from "../support/web.ts";

/** Asks a server in each way that there is; each answers the status, or why there is none. */
const ASK = `
  function ask(url, keys)
    keys = keys or {}
    local answer, problem = httpRequest{ url = url, tls = keys.tls }
    local result = { httpRequest = answer and answer.status or problem }
    for name, module in pairs{ ["socket.http"] = require("socket.http"), ["ssl.https"] = require("ssl.https") } do
      local request = { url = url }
      for key, value in pairs(keys.luasec or {}) do request[key] = value end
      local ok, status = module.request(request)
      result[name] = status
    end
    return result
  end
  setCustomEndpoint("ask", function(args)
    return true, ask(args.attrs.url, args.attrs.keys and load("return " .. args.attrs.keys)())
  end)
  setReport(function(lt) runCustomWebHook("h", "{}") end)`;

const WAYS = ["httpRequest", "socket.http", "ssl.https"];
const all = (answer: string): Record<string, string> => Object.fromEntries(WAYS.map((way) => [way, answer]));

describe.skipIf(NO_OPENSSL !== undefined)(`TLS of requests${NO_OPENSSL ? ` (skipped: ${NO_OPENSSL})` : ""}`, () => {
  const folder = temporaryFolder();
  const servers: Record<string, Bun.Server<undefined>> = {};
  const url = (name: string): string => `https://127.0.0.1:${servers[name]!.port}/`;
  const DIR = folder.path;

  beforeAll(() => {
    const authority = makeCertificate(DIR, "authority", "authority.example");
    makeCertificate(DIR, "stranger", "127.0.0.1");
    const own = signCertificate(DIR, "own", "127.0.0.1", authority);
    const other = signCertificate(DIR, "other", "other.example", authority);
    signCertificate(DIR, "client", "client", authority);
    writeFileSync(join(DIR, "garbage"), "no certificate");
    const serve = (tls: { cert: string; key: string }, more: object = {}): Bun.Server<undefined> =>
      Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        tls: { cert: Bun.file(tls.cert), key: Bun.file(tls.key), ...more },
        fetch: () => new Response("here"),
      });
    servers["own"] = serve(own);
    servers["other"] = serve(other);
    servers["asking"] = serve(own, { requestCert: true, rejectUnauthorized: true, ca: Bun.file(authority.cert) });
  });
  afterAll(async () => {
    for (const server of Object.values(servers)) await server.stop(true);
    folder[Symbol.dispose]();
  });

  /** What each way of a policy answers, and how often a webhook arrived. */
  async function ask(server: string, settings: string, keys?: string, hookKeys = ""): Promise<Record<string, unknown>> {
    const located = (text: string): string => text.replaceAll("DIR", DIR);
    await using daemon = await startDaemon(`${PREAMBLE} ${located(settings)} ${ASK}
      addCustomWebHook("h", { url = "${url(server)}", max_attempts = 1 ${located(hookKeys)} })`);
    const answers = await callEndpoint(daemon, "ask", { url: url(server), ...(keys && { keys: located(keys) }) });
    await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    const { hooks } = daemon.loaded.config.webhooks;
    return { ...answers, webhook: daemon.loaded.webhooks.counts(hooks[0]!).successes };
  }

  const TRUST = `setCurlCABundleFile("DIR/authority.pem")`;
  const SHOW = `setCurlClientCertAndKey("DIR/client.pem", "DIR/client.key")`;

  test.each([
    ["an authority that is trusted", "own", TRUST],
    ["no verification of peers", "own", "disableCurlPeerVerification()"],
    ["no verification of hosts", "other", `${TRUST} disableCurlHostVerification()`],
    ["a client's certificate", "asking", `${TRUST} ${SHOW}`],
  ])("settings hold for policies as for webhooks: %s", async (_, server, settings) => {
    expect(await ask(server, settings)).toEqual({ ...all("200"), webhook: 1 });
  });

  test.each([
    ["an authority that is not trusted", "own", "", /certificate|issuer/],
    ["another authority", "own", `setCurlCABundleFile("DIR/stranger.pem")`, /certificate|issuer/],
    ["another host", "other", TRUST, /altnames/],
    ["no client certificate", "asking", TRUST, /CERTIFICATE_REQUIRED|closed/],
  ])("what they do not allow fails everywhere: %s", async (_, server, settings, why) => {
    const { webhook, ...answers } = await ask(server, settings);
    expect(webhook).toBe(0);
    for (const way of WAYS) expect(answers[way]).toMatch(why);
  });

  const KEYS = `{ tls = { ca = "DIR/authority.pem" }, luasec = { cafile = "DIR/authority.pem" } }`;
  const CLIENT = `{ tls = { ca = "DIR/authority.pem", cert = "DIR/client.pem", key = "DIR/client.key" }, luasec = { mode = "client",
    protocol = "tlsv1_2", options = { "all", "no_sslv3" }, verify = { "peer", "fail_if_no_peer_cert" },
    cafile = "DIR/authority.pem", certificate = "DIR/client.pem", key = "DIR/client.key" } }`;

  test.each([
    ["an authority", "own", "", KEYS, `, ca = "DIR/authority.pem"`],
    ["over another authority", "own", `setCurlCABundleFile("DIR/stranger.pem")`, KEYS, `, ca = "DIR/authority.pem"`],
    [
      "a client's certificate",
      "asking",
      "",
      CLIENT,
      `, ca = "DIR/authority.pem", cert = "DIR/client.pem", key = "DIR/client.key"`,
    ],
    ["no verification", "own", "", `{ tls = { verify = false }, luasec = { verify = "none" } }`, ", verify = false"],
  ])("keys hold for one request, or one webhook: %s", async (_, server, settings, keys, hookKeys) => {
    expect(await ask(server, settings, keys, hookKeys)).toEqual({ ...all("200"), webhook: 1 });
  });

  test("keys of one do not hold for the next", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} ${ASK}`);
    const keys = KEYS.replaceAll("DIR", DIR);
    expect(await callEndpoint(daemon, "ask", { url: url("own"), keys })).toEqual(all("200"));
    for (const answer of Object.values(await callEndpoint(daemon, "ask", { url: url("own") }))) {
      expect(answer).toMatch(/certificate|issuer/);
    }
  });

  test("verification that one asks for is made, though the settings make none", async () => {
    const keys = `{ tls = { verify = true }, luasec = { verify = "peer" } }`;
    const { webhook, ...answers } = await ask("own", "disableCurlPeerVerification()", keys, `, verify = "true"`);
    expect(webhook).toBe(0);
    for (const way of WAYS) expect(answers[way]).toMatch(/certificate|issuer/);
  });

  test("a file that cannot be used is a failure of the request, which names it", async () => {
    const keys = `{ tls = { ca = "DIR/gone" }, luasec = { certificate = "DIR/garbage", key = "DIR/client.key" } }`;
    const answers = await ask("own", "", keys);
    expect(answers["httpRequest"]).toBe(`${url("own")}: certificate "${DIR}/gone" cannot be read: ENOENT`);
    expect(answers["ssl.https"]).toBe(`certificate "${DIR}/garbage" is not a certificate in PEM`);
  });

  test("names of files are relative to the configuration's folder", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} ${ASK}`, {
      "ca.pem": await Bun.file(join(DIR, "authority.pem")).text(),
    });
    const keys = `{ tls = { ca = "ca.pem" }, luasec = { cafile = "ca.pem" } }`;
    expect(await callEndpoint(daemon, "ask", { url: url("own"), keys })).toEqual(all("200"));
  });

  test("files of a webhook are checked at the start, with its line", async () => {
    const hook = (keys: string): string => `\naddCustomWebHook("h", { url = "https://h/", ${keys} })`;
    await expect(startDaemon(hook(`ca = "gone.pem"`))).rejects.toThrow(
      /spec\.conf:2: certificate "\S+gone\.pem" cannot/,
    );
    await expect(startDaemon(hook(`cert = "${DIR}/client.pem", key = "${DIR}/own.key"`))).rejects.toThrow(
      /spec\.conf:2: .* are not a pair/,
    );
  });

  test("https goes through the proxy in a tunnel, in which the server's certificate still counts", async () => {
    using proxy = await startProxy();
    const through = proxy.url.replace("//", "//user:pass@");
    expect(await ask("own", `${TRUST} setHTTPProxy("${through}")`)).toEqual({ ...all("200"), webhook: 1 });
    const target = url("own").slice("https://".length, -1);
    expect(proxy.seen).toEqual(Array(4).fill({ line: `CONNECT ${target} HTTP/1.1`, credentials: btoa("user:pass") }));
    const { webhook, ...answers } = await ask("own", `setHTTPProxy("${through}")`);
    expect(webhook).toBe(0);
    for (const way of WAYS) expect(answers[way]).toMatch(/certificate|issuer/);
    const { webhook: shown, ...own } = await ask("asking", `${TRUST} ${SHOW} setHTTPProxy("${through}")`);
    expect([shown, own]).toEqual([1, all("200")]);
  });
});

describe("the proxy", () => {
  /** Asks a plain server in each way. @returns the answers, and what became of a webhook that did not arrive */
  async function ask(
    settings: string,
    environment: Record<string, string> = {},
  ): Promise<{ answers: Record<string, unknown>; problem: string; origin: string }> {
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("here") });
    const origin = server.url.href;
    Object.assign(process.env, environment);
    const starting = startDaemon(`${PREAMBLE} ${settings} ${ASK}
      addCustomWebHook("h", { url = "${origin}", max_attempts = 1 })`);
    await starting.finally(() => Object.keys(environment).forEach((name) => delete process.env[name]));
    await using daemon = await starting;
    const answers = await callEndpoint(daemon, "ask", { url: origin });
    daemon.loaded.webhooks.send(daemon.loaded.config.webhooks.hooks[0]!, toByteString("{}"));
    await daemon.loaded.webhooks.drain();
    const [dead] = daemon.loaded.webhooks.events.deadLetters;
    return { answers, problem: dead?.problem ?? "", origin };
  }

  test("of HTTP_PROXY takes policies and webhooks alike", async () => {
    using proxy = await startProxy();
    const { answers, problem, origin } = await ask("", { HTTP_PROXY: proxy.url });
    expect([answers, problem]).toEqual([all("200"), ""]);
    expect(proxy.seen.map(({ line }) => line)).toEqual([
      ...Array<string>(3).fill(`GET ${origin} HTTP/1.1`),
      `POST ${origin} HTTP/1.1`,
    ]);
  });

  test("is not taken to what NO_PROXY has, whoever named it", async () => {
    using proxy = await startProxy();
    for (const settings of ["", `setHTTPProxy("${proxy.url}")`]) {
      const { answers, problem } = await ask(settings, { HTTP_PROXY: proxy.url, NO_PROXY: "x, 127.0.0.0/8" });
      expect([answers, problem]).toEqual([all("200"), ""]);
    }
    expect(proxy.seen).toEqual([]);
  });

  test("of setHTTPProxy counts more, and none is one, too", async () => {
    using proxy = await startProxy();
    const environment = { HTTP_PROXY: `http://127.0.0.1:${await closedPort()}` };
    expect((await ask(`setHTTPProxy("127.0.0.1:${proxy.port}")`, environment)).answers).toEqual(all("200"));
    expect(proxy.seen).toHaveLength(4);
    expect((await ask(`setHTTPProxy("")`, environment)).answers).toEqual(all("200"));
    expect(proxy.seen).toHaveLength(4);
  });

  test("that cannot be reached is named, without its password", async () => {
    const port = await closedPort();
    const { answers, problem, origin } = await ask(`setHTTPProxy("http://user:secret@127.0.0.1:${port}")`);
    const why = `connection refused (through the proxy http://127.0.0.1:${port})`;
    expect(answers).toEqual({ ...all(why), httpRequest: `${origin}: ${why}` });
    expect(problem).toBe(why);
  });

  test.each([
    ["does not answer", ""],
    ["opens a tunnel to nowhere", "HTTP/1.1 200 OK\r\n\r\n"],
  ])("that %s keeps no connection of a request that was given up", async (_, answer) => {
    let connections = 0;
    const silent = createServer((socket) => {
      connections++;
      socket.on("error", () => {}).on("close", () => connections--);
      socket.once("data", () => socket.write(answer));
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    await using daemon = await startDaemon(`setHTTPProxy("127.0.0.1:${port}")
      for _, scheme in ipairs{ "http", "https" } do
        for i = 1, 3 do
          local answer, problem = httpRequest{ url = scheme .. "://h.invalid/", timeout = 0.05 }
          infoLog(problem or "answered")
        end
      end`);
    const lines = daemon.logs.filter((line) => line.includes("h.invalid"));
    expect(lines).toHaveLength(6);
    for (const line of lines) expect(line).toContain(`(through the proxy http://127.0.0.1:${port})`);
    while (connections > 0) await Bun.sleep(1);
    silent.close();
  });

  test("that wants a password is asked again later, for events are not refused by it", async () => {
    using proxy = await startProxy("407 Proxy Authentication Required");
    const settings = `setHTTPProxy("${proxy.url}")`;
    expect(await ask(settings)).toMatchObject({ answers: all("407"), problem: "the receiver answered 407" });
    await using daemon = await startDaemon(
      `${PREAMBLE} ${settings} addCustomWebHook("h", { url = "https://h.invalid/" })`,
    );
    daemon.loaded.webhooks.send(daemon.loaded.config.webhooks.hooks[0]!, toByteString("{}"));
    await daemon.loaded.webhooks.drain();
    expect([...daemon.loaded.webhooks.events.queue]).toMatchObject([
      { attempts: 1, problem: `the proxy refused to open a tunnel (407) (through the proxy ${proxy.url})` },
    ]);
  });

  test.each(["socks5://h:1080", "https://h:1", "http://", "http://user:secret@h:x"])(
    "must be one of HTTP: %s",
    async (url) => {
      const started = startDaemon(`setHTTPProxy("${url}")`);
      await expect(started).rejects.toThrow(
        /:1: bad argument #1 to 'setHTTPProxy' \(url of a proxy such as http:\/\/proxy\.example:3128 expected\)$/,
      );
    },
  );
});

describe("keys that are wrong", () => {
  test.each([
    ["httpRequest{ url = 'https://h/', tls = {} }", undefined],
    ["httpRequest{ url = 'https://h/', tls = 'x' }", "'httpRequest' (tls: table expected, got string)"],
    [
      "httpRequest{ url = 'https://h/', tls = { cafile = 'x' } }",
      "'httpRequest' (tls: unknown key 'cafile': ca, cert, key, verify are known)",
    ],
    ["httpRequest{ url = 'https://h/', tls = { ca = 5 } }", "'httpRequest' (tls: ca: string expected, got number)"],
    [
      "httpRequest{ url = 'https://h/', tls = { ca = '' } }",
      "'httpRequest' (tls: ca: path expected, got an empty string)",
    ],
    ["httpRequest{ url = 'https://h/', tls = { cert = 'x' } }", "'httpRequest' (tls: cert and key belong together)"],
    [
      "httpRequest{ url = 'https://h/', tls = { verify = 'no' } }",
      "'httpRequest' (tls: verify: boolean expected, got string)",
    ],
    ["https.request{ url = 'https://h/', verify = 'none', redirect = false }", undefined],
    [
      "https.request{ url = 'https://h/', capath = 'x', cafil = 'x' }",
      "'request' (unknown key 'cafil': beside LuaSocket's cafile, certificate, key, mode, options, protocol, verify are known)",
    ],
    ["http.request{ url = 'http://h/', verify = 'no' }", "'request' (verify: none or peer expected, got 'no')"],
    [
      "https.request{ url = 'https://h/', verify = { 'peer', 5 } }",
      "'request' (verify: none or peer expected, got '5')",
    ],
    [
      "https.request{ url = 'https://h/', protocol = 'sslv3' }",
      "'request' (protocol: any or tlsv1_2 expected, got 'sslv3')",
    ],
    ["https.request{ url = 'https://h/', mode = 'server' }", "'request' (mode: client expected)"],
    [
      "https.request{ url = 'https://h/', options = 'no_tlsv1_2' }",
      "'request' (options: 'no_tlsv1_2' is not supported)",
    ],
    ["https.request{ url = 'https://h/', cafile = {} }", "'request' (cafile: path of a file expected, got table)"],
    ["https.request{ url = 'https://h/', key = 'x' }", "'request' (certificate and key belong together)"],
  ])("%s", async (source, problem) => {
    const [port, unreachable] = [await closedPort(), "h"];
    const call = source.replaceAll(`//${unreachable}/`, `//127.0.0.1:${port}/`);
    const started = startDaemon(`https, http = require("ssl.https"), require("socket.http")\n${call}`);
    if (problem !== undefined) await expect(started).rejects.toThrow(`spec.conf:2: bad argument #1 to ${problem}`);
    else await (await started)[Symbol.asyncDispose]();
  });
});
