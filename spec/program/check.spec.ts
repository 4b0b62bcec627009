import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { formatTime } from "../../lib/log/log.ts";
import type { Check } from "../../lib/program/check.ts";
import { makeCertificate, NO_OPENSSL } from "../support/certificates.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { map, uint64, writeMmdb } from "../support/mmdb-writer.ts";
import { runProgram, startProgram } from "../support/program.ts";

/** 32 bytes. */
const KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const PASSWORD = "correct horse battery";
/** Nothing to warn of. */
const GOOD = `
  addListener("127.0.0.1:8084", false, "", "", {})
  setWebserverPassword("${PASSWORD}")
  setKey("${KEY}")
  controlSocket("[::1]:4005")
  setACL({ "127.0.0.0/8" })
  setReport(function() end)`;

interface Outcome {
  code: number;
  /** Lines of standard output. */
  lines: string[];
  errors: string;
}

/** Checks a configuration in a folder with these files; the folder's path is taken out of what is printed. */
async function check(
  configuration: string,
  files: Record<string, string | Buffer> = {},
  ...args: string[]
): Promise<Outcome> {
  using folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder.path, name), content);
  const file = join(folder.path, "spec.conf");
  writeFileSync(file, configuration);
  const contents = (): [string, Buffer][] =>
    readdirSync(folder.path).map((name) => [name, readFileSync(join(folder.path, name))]);
  const before = contents();
  const { code, output, errors } = await runProgram(["--check-config", "-C", file, ...args]);
  expect(contents()).toEqual(before);
  const local = (text: string): string => text.replaceAll(`${folder.path}/`, "");
  return { code, lines: local(output).trimEnd().split("\n"), errors: local(errors) };
}

const warningsOf = async (configuration: string, files: Record<string, string | Buffer> = {}): Promise<string[]> => {
  const { code, lines, errors } = await check(`${GOOD}\n${configuration}`, files);
  expect([code, errors, lines.at(-1)]).toEqual([0, "", "OK"]);
  return lines.filter((line) => line.startsWith("warning: ")).map((line) => line.slice("warning: ".length));
};

describe("--check-config", () => {
  test("prints one line for each kind of thing, then OK", async () => {
    const { code, lines, errors } = await check(GOOD);
    expect([code, errors]).toEqual([0, ""]);
    expect(lines).toEqual([
      "configuration        spec.conf",
      "listeners            127.0.0.1:8084",
      "control socket       [::1]:4005",
      "ACL                  127.0.0.0/8",
      "report function      set",
      "webhooks             none",
      "alert channels       none",
      "endpoints            none",
      "scheduled functions  none",
      "GeoIP databases      none",
      "custom stats         none",
      "counters             none",
      "history              none",
      "proxy                none",
      "OK",
    ]);
  });

  test("knows endpoints, schedules with their next time, databases with their build date, stats and webhooks", async () => {
    const built = new Date(Math.floor(Date.now() / 1000) * 1000);
    const database = writeMmdb(map({}), { build_epoch: uint64(BigInt(built.getTime() / 1000)) });
    const { lines } = await check(
      `${GOOD}
      setCustomEndpoint("one", print) setCustomEndpoint("two", print)
      setBackground("clean", print)
      cronScheduleBackgroundFunc("0 0 1 1 *", "clean") intervalScheduleBackgroundFunc("00:05:00", "clean")
      newGeoIP2DB("City", "city.mmdb")
      addCustomStat("seen") addCustomStat("blocked")
      addCustomWebHook("alert", { url = "https://user:hunter2@alerts.example/T0K3N?token=S3CR3T", secret = "hush" })
      addCustomWebHook("kafka", { url = "https://kafka.example", kafka = "true", ["basic-auth"] = "kafka:pwd" })`,
      { "city.mmdb": database },
    );
    expect(lines).toContain(
      "webhooks             alert (https://alerts.example/…, signed), kafka (https://kafka.example, Kafka)",
    );
    expect(lines).toContain("endpoints            one, two");
    expect(lines.join("\n")).toMatch(
      new RegExp(
        String.raw`\nscheduled functions  clean \(0 0 1 1 \*; next 20\d\d-01-01 00:00:00\), clean \(every 300 s; next 20\d\d-.{14}\)\n`,
      ),
    );
    expect(lines).toContain(`GeoIP databases      City (Test, built ${formatTime(built.getTime())})`);
    expect(lines).toContain("custom stats         seen, blocked");
    expect(lines.join("\n")).not.toMatch(/hunter2|T0K3N|S3CR3T|hush|pwd|correct horse|MDEyMz/);
  });

  test("tells the proxy, without its password, and variables that cannot be used", async () => {
    const none = Object.fromEntries(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].map((name) => [name, ""]));
    const proxyLine = async (environment: Record<string, string>, settings = ""): Promise<string> => {
      using folder = temporaryFolder();
      const file = join(folder.path, "spec.conf");
      writeFileSync(file, GOOD + settings);
      const env = Object.entries({ ...none, ...environment }).map(([name, value]) => `${name}=${value}`);
      await using program = startProgram(["--check-config", "-C", file], "index.ts", folder.path, ["env", ...env]);
      return /^proxy .*\n(?:warning: .*\n)?/m.exec((await program.ended).output)![0];
    };
    const column = "proxy                ";
    expect(await proxyLine({})).toBe(`${column}none\n`);
    expect(await proxyLine({ HTTPS_PROXY: "http://user:secret@p:3128", NO_PROXY: "localhost,.example" })).toBe(
      `${column}for https http://p:3128 (HTTPS_PROXY), not for localhost .example (NO_PROXY)\n`,
    );
    expect(await proxyLine({ HTTP_PROXY: "http://q" }, ` setHTTPProxy("http://user:secret@p:3128")`)).toBe(
      `${column}http://p:3128 (setHTTPProxy)\n`,
    );
    expect(await proxyLine({ ALL_PROXY: "socks5://p" })).toBe(
      `${column}none\nwarning: ALL_PROXY is ignored: it is not the url of a proxy, http://host:port\n`,
    );
  });

  test("escapes what would drive the terminal", async () => {
    const { lines } = await check(`${GOOD} setCustomEndpoint("\\27[31mred", print)`);
    expect(lines).toContain("endpoints            \\x1b[31mred");
  });

  test("has no effects: the script's output, its web requests and its webhooks go nowhere, and no port is opened", async () => {
    let requests = 0;
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(String(++requests)) });
    const { code, lines } = await check(`${GOOD}
      print("printed")
      addListener("127.0.0.1:${server.port}", false, "", "", {})
      addCustomWebHook("alert", { url = "http://127.0.0.1:${server.port}/" })
      runCustomWebHook("alert", "{}")
      pcall(httpRequest, { url = "http://127.0.0.1:${server.port}/" })`);
    expect([code, lines[0], lines.at(-1), requests]).toEqual([0, "configuration        spec.conf", "OK", 0]);
  });

  test("changes no file: what the script writes, renames and removes is in memory", async () => {
    const { code, lines } = await check(
      `${GOOD} local log = assert(io.open("live.log", "w")) log:write("x") log:close()
      assert(os.rename("live.log", "old.log") and os.remove("policy.txt")) assert(io.open("old.log"):read("a") == "x")`,
      { "live.log": "of the daemon\n", "policy.txt": "text" },
    );
    expect([code, lines.at(-1)]).toEqual([0, "OK"]);
  });

  test.each([
    ["setWebserverPassword('super')", "the password is one that everybody knows (setWebserverPassword)"],
    ["setWebserverPassword('elevenchars')", "the password has less than 12 characters (setWebserverPassword)"],
    ["setWebserverPassword('')", "no password: requests that need one are refused (setWebserverPassword)"],
    ["disableCurlPeerVerification()", "other servers may have any certificate (disableCurlPeerVerification)"],
    [
      "disableCurlHostVerification()",
      "other servers may have the certificate of any host (disableCurlHostVerification)",
    ],
    [
      "addCustomWebHook('a', { url = 'https://h/', verify = false })",
      'webhook "a" goes to a receiver with any certificate (verify)',
    ],
    ["addCustomWebHook('a', { url = 'http://192.0.2.1/' })", 'webhook "a" is sent without TLS'],
    ["warnLog('of the script')", "of the script"],
    ["setStateDir('spec.conf')", 'state directory "spec.conf": "spec.conf" is no directory'],
    ["setStateDir('spec.conf/state')", 'state directory "spec.conf/state": "spec.conf" is no directory'],
    ["newGeoIP2DB('City', 'gone.mmdb')", "newGeoIP2DB: City: gone.mmdb: no such file"],
    ["setBackground('b', print) cronScheduleBackgroundFunc('0 0 30 2 *', 'b')", 'background function "b" never runs'],
  ])("warns of %s", async (configuration, warning) => {
    const warnings = await warningsOf(configuration);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toStartWith(warning);
  });

  test("warns of names that nobody defines, where they stand, and in files that it loads", async () => {
    const warnings = await warningsOf(
      `
      local helper = dofile("helper.lua")
      setBackground("nightly", function()
        infoLgo("late") -- infoLgo
        os.exit(helper("infoLgo"))
        io.popen("ls") os.execute("ls")
      end)
      if later then infoLgo(math.nothing, math.floor(seen)) end
      function sets() seen = 1 end
      setCustomEndpoint("x", function() setAllow(lt) end)`,
      { "helper.lua": "return function(text)\n  if ngx then ngx.log(text) end\n  return txt\nend" },
    );
    expect(warnings).toEqual([
      'spec.conf:11: no global is named "infoLgo" (also in line 15)',
      "spec.conf:12: os.exit is not available: use shutdown()",
      "spec.conf:13: io.popen is not available: no other program is run: use httpRequest or a webhook",
      "spec.conf:13: os.execute is not available: no other program is run: use httpRequest or a webhook",
      'spec.conf:15: no global is named "later"',
      "spec.conf:15: there is no math.nothing",
      expect.stringMatching(/^spec\.conf:17: setAllow is wforce's: it belongs into wforce\.conf; /),
      'spec.conf:17: no global is named "lt"',
      'helper.lua:3: no global is named "txt"',
    ]);
  });

  test("--strict fails on warnings, and on nothing else", async () => {
    expect(await check(GOOD, {}, "--strict")).toMatchObject({ code: 0, errors: "" });
    const { code, lines, errors } = await check(`${GOOD} setBackground("b", function() nosuch() end)`, {}, "--strict");
    expect([code, errors, lines.at(-1)]).toEqual([1, "", 'warning: spec.conf:7: no global is named "nosuch"']);
    expect((await check(`${GOOD} warnLog("x")`, {}, "--strict", "--json")).code).toBe(1);
  });

  test("warns of an old database, and not of a state directory that can be made", async () => {
    const database = writeMmdb(map({}));
    const configuration = "newGeoIP2DB('City', 'city.mmdb') setStateDir('made/at/the/start')";
    const days = (): number => Math.floor((Date.now() / 1000 - 1_700_000_000) / 86_400);
    const before = days();
    const [warning, ...others] = await warningsOf(configuration, { "city.mmdb": database });
    expect(others).toEqual([]);
    // Midnight may have passed.
    expect([before, days()].map((count) => `GeoIP database "City" is ${count} days old`)).toContain(warning!);
  });

  test.skipIf(process.platform !== "linux")(
    "warns when more connections are asked for than files may be open, as a start does (Linux only)",
    async () => {
      using folder = temporaryFolder();
      const file = join(folder.path, "spec.conf");
      const warning = "setMaxWebserverConns(257): only 256 files and sockets may be open (ulimit -n, LimitNOFILE=)\n";
      const launcher = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"];
      const run = async (configuration: string, ...args: string[]): Promise<string> => {
        writeFileSync(file, configuration.replace(":8084", ":0").replace(":4005", ":0"));
        await using program = startProgram([...args, "-C", file], "index.ts", folder.path, launcher);
        return (await program.ended).output;
      };
      expect(await run(`${GOOD} setMaxWebserverConns(257)`, "--check-config")).toContain(`warning: ${warning}OK\n`);
      expect(await run(`${GOOD} setMaxWebserverConns(257) shutdown()`, "-s")).toStartWith(warning);
      for (const quiet of ["", "setMaxWebserverConns(256)"]) {
        expect(await run(`${GOOD} ${quiet}`, "--check-config")).not.toContain("ulimit");
      }
    },
  );

  test("warns of all that an empty configuration lacks", async () => {
    const { code, lines } = await check("");
    expect([code, lines.filter((line) => line.startsWith("warning: "))]).toEqual([
      0,
      [
        "warning: no listener: nothing is served (addListener)",
        "warning: no password: requests that need one are refused (setWebserverPassword)",
        "warning: no key and no control socket: no console (setKey, controlSocket)",
        "warning: no report function: reports are counted, nothing else (setReport)",
      ],
    ]);
  });

  test.each([
    ["does not load", "\nerror('no')", /^spec\.conf:2: no\n$/],
    [
      "schedules a function that is not there",
      `${GOOD}\ncronScheduleBackgroundFunc("@daily", "gone")`,
      /^spec\.conf:8: no background function is named "gone"/,
    ],
    ["has a control socket without a key", `controlSocket("127.0.0.1:4005")`, /^controlSocket: there is no key/],
    [
      "has one address twice",
      `${GOOD} addListener("[::1]:4005", false, "", "", {})
      for i = 1, 3 do addListener("127.0.0.1:8084", false, "", "", {}) addListener("127.0.0.1:0", false, "", "", {}) end`,
      /^cannot listen on 127\.0\.0\.1:8084 twice .*\ncannot listen on \[::1\]:4005 twice \(addListener, controlSocket\)\n$/,
    ],
    [
      "has an address that another one takes in",
      `${GOOD} addListener("0.0.0.0:8084", false, "", "", {}) addListener("[::]:8084", false, "", "", {})
      addListener("[::1]:8084", false, "", "", {}) addListener("[::ffff:127.0.0.2]:8084", false, "", "", {})`,
      new RegExp(
        String.raw`^cannot listen on 0\.0\.0\.0:8084 beside 127\.0\.0\.1:8084: one is in the other .*
cannot listen on \[::1\]:8084 beside \[::\]:8084: one is in the other .*
cannot listen on 127\.0\.0\.2:8084 beside 0\.0\.0\.0:8084: one is in the other \(addListener, controlSocket\)\n$`,
      ),
    ],
    [
      "has a TLS listener without a certificate",
      `\naddListener("127.0.0.1:8443", true, "gone.pem", "gone.key", {})`,
      /^spec\.conf:2: certificate "gone\.pem" cannot be read: ENOENT\n$/,
    ],
  ])("fails as a start does where the configuration %s", async (_, configuration, message) => {
    const { code, lines, errors } = await check(configuration);
    expect([code, lines.includes("OK")]).toEqual([1, false]);
    expect(errors).toMatch(message);
  });

  test("loads the regexes of -R, which may fail or have problems", async () => {
    const rules = "user_agent_parsers:\n  - regex: '(Safari'\nos_parsers: []\ndevice_parsers: []\n";
    const { code, lines, errors } = await check(GOOD, {}, "-R", "/no/such.yaml");
    expect([code, lines.includes("OK")]).toEqual([1, false]);
    expect(errors).toStartWith("/no/such.yaml: ");
    using folder = temporaryFolder();
    const file = join(folder.path, "regexes.yaml");
    writeFileSync(file, rules);
    const problems = await check(GOOD, {}, "-R", file);
    expect(problems.code).toBe(0);
    expect(problems.lines.at(-2)).toStartWith(`warning: ${file}:2: `);
  });

  test.skipIf(NO_OPENSSL !== undefined)(
    `tells until when certificates are valid${NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : ""}`,
    async () => {
      using folder = temporaryFolder();
      const { cert, key } = makeCertificate(folder.path, "server", "127.0.0.1");
      const { lines } = await check(`${GOOD} addListener("127.0.0.1:8443", true, "${cert}", "${key}", {})`);
      expect(lines[1]).toStartWith(`listeners            127.0.0.1:8084, 127.0.0.1:8443 (TLS, ${cert} until 20`);
      expect(lines.at(-1)).toBe("OK");
    },
  );

  test("--json prints the same for machines, failures too", async () => {
    const good = await check(GOOD, {}, "--json");
    expect(JSON.parse(good.lines.join("\n")) as Check).toEqual({
      config: "spec.conf",
      inventory: {
        listeners: [{ address: "127.0.0.1:8084", tls: null }],
        controlSocket: "[::1]:4005",
        acl: ["127.0.0.0/8"],
        reportFunction: true,
        webhooks: [],
        alertChannels: [],
        endpoints: [],
        schedules: [],
        geoip: [],
        customStats: [],
        counters: [],
        proxies: { http: null, https: null, exceptions: [] },
        history: null,
      },
      warnings: [],
      notes: [],
      errors: [],
    });
    const bad = await check("\nx = = 1", {}, "--json");
    expect([bad.code, bad.errors]).toEqual([1, ""]);
    expect(JSON.parse(bad.lines.join("\n")) as Check).toEqual({
      config: "spec.conf",
      inventory: null,
      warnings: [],
      notes: [],
      errors: ["spec.conf:2: unexpected symbol near '='"],
    });
  });
});
