/** The ready-made policies together: what a configuration may say of them, whom they see, and what they do without a history. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Check, checkConfig } from "../../lib/program/check.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { startDaemon, temporaryFolder } from "../support/daemon.ts";
import { startEngine } from "../support/engine.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";
import { runPolicy } from "../support/replay.ts";

const ROOT = join(import.meta.dir, "..", "..");
const FIND = `package.path = "${ROOT}/conf/?.lua;${ROOT}/conf/?/init.lua;" .. package.path `;
const CITY = `newGeoIP2DB("City", "${ROOT}/fixtures/geoip/GeoIP2-City-Test.mmdb") `;
const MEMORY = `newHistory("sqlite::memory:") `;

/** A configuration that uses these policies. */
const using = (list: string, before = MEMORY + CITY): string =>
  `${FIND}${before}local policies = require("policies") policies.use({ ${list} }) setReport(policies.report)`;

async function check(configuration: string): Promise<Check> {
  using folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  writeFileSync(file, configuration);
  return await checkConfig(file, undefined, systemClock);
}

const TYPES = "logins, networks, countries, asns";
const refused: [list: string, problem: string][] = [
  ["", "a table of policies expected"],
  ['"brute_force"', "a table of policies expected"],
  ["{ 5 }", "entry 1: the name of a policy expected"],
  ['{ "brute_farce" }', "there is no policy 'brute_farce' (each has a file in the folder policies)"],
  ['{ "internal.cache" }', "there is no policy 'internal.cache' (each has a file in the folder policies)"],
  ["{ mine = {} }", "there is no policy 'mine' (each has a file in the folder policies)"],
  ["{ new_country = 5 }", "new_country: a table of options expected"],
  [
    '{ new_country = { atypcal = "30d" } }',
    "new_country: option 'atypcal' is unknown: there are atypical, days, learning, ignore, only, vip",
  ],
  [
    "{ new_country = { 5 } }",
    "new_country: option '1' is unknown: there are atypical, days, learning, ignore, only, vip",
  ],
  ["{ new_country = { atypical = 30 } }", "new_country: option 'atypical' must be a string, as 30d is"],
  ['{ new_country = { days = "5" } }', "new_country: option 'days' must be a number, as 5 is"],
  ["{ new_country = { days = -1 } }", "new_country: option 'days' must be a number of 0 or more"],
  ["{ new_country = { days = 0 / 0 } }", "new_country: option 'days' must be a number of 0 or more"],
  ["{ new_country = { days = 12 } }", "new_country: option 'days' must be 11 or less"],
  ...["", "0d", "5", "5y", "-5d", "1.5d", " 5d", `${"9".repeat(400)}d`].map((text): [string, string] => [
    `{ dormant_account = { silence = "${text}" } }`,
    "dormant_account: option 'silence' must be a duration such as 30s, 15m, 24h or 90d",
  ]),
  ["{ risk = { threshold = true } }", "risk: option 'threshold' must be a number above 0"],
  ["{ anonymous_network = { list = true } }", "anonymous_network: option 'list' must be the name of a file"],
  ["{ mine = { report = 5 } }", "mine: option 'report' must be a function"],
  [
    "{ mine = { report = print, ingore = {} } }",
    "mine: option 'ingore' is unknown: a policy of your own has report, options, needs, start, ignore, only, vip",
  ],
  ["{ ignore = 5 }", `all policies: ignore must be a table of ${TYPES}`],
  ["{ vip = { login = {} } }", `all policies: vip has no 'login': there are ${TYPES}`],
  ['{ vip = { logins = "ceo" } }', "all policies: vip.logins must be a list"],
  ["{ only = { asns = { 'AS1' } } }", "all policies: only.asns must be a list of numbers"],
  ["{ risk = { only = { logins = { joe = true } } } }", "risk: only.logins must be a list of strings"],
  ["{ geoip = { cty = 'City' } }", "geoip: option 'cty' is unknown: there are anonymous, asn, city, country"],
  ["{ geoip = { city = 5 } }", "geoip: option 'city' must be the name of a database (newGeoIP2DB)"],
];

describe("policies.use", () => {
  test("refuses what is wrong by name, with the line of the configuration", async () => {
    const attempts = refused.map(([list]) => `try(function() fresh().use(${list}) end)`);
    const { warnings, errors } = await check(`${FIND}
      function try(attempt) warnLog(select(2, pcall(attempt)) or "not refused") end
      function fresh()
        for name in pairs(package.loaded) do if name:find("^policies") then package.loaded[name] = nil end end
        return require("policies")
      end\n${attempts.join("\n")}`);
    expect(errors).toEqual([]);
    const refusals = warnings.slice(0, refused.length).map((warning) => warning.replace(/^\S*\/spec\.conf:/, ""));
    expect(refusals).toEqual(refused.map(([, problem], i) => `${i + 7}: policies.use: ${problem}`));
  });

  test.each([
    [
      '{ ignore = { networks = { "10.0.0.0/99" } } }',
      /spec\.conf:1: policies\.use: all policies: ignore\.networks has '10\.0\.0\.0\/99': .*netmask/,
    ],
    ['{ daily_summary = { at = "at noon" } }', /spec\.conf:1: policies\.use: .*cronScheduleBackgroundFunc/],
  ])("ends a start: %s", async (list, problem) => {
    const { errors } = await check(`${FIND}${MEMORY}require("policies").use(${list})`);
    expect(errors).toEqual([expect.stringMatching(problem)]);
  });

  test.each([
    ["192.0.2.1\n192.0.2.1/99 vpn\n", /:1: policies\.use: anonymous_network: option 'list' .*exits:2: no network: 192/],
    ["# Tor's\n\n192.0.2.1 onion", /option 'list' .*exits:3: tor, vpn or hosting expected, got onion/],
    [undefined, /option 'list' cannot be used: .*exits: No such file/],
  ])("ends a start for a list of networks that is wrong, with its line: %j", async (content, problem) => {
    using folder = temporaryFolder();
    const list = join(folder.path, "exits");
    if (content !== undefined) writeFileSync(list, content);
    const { errors } = await check(
      `${FIND}${MEMORY}require("policies").use({ anonymous_network = { list = "${list}" } })`,
    );
    expect(errors).toEqual([expect.stringMatching(problem)]);
  });

  test("is called once", async () => {
    const { errors } = await check(`${using('"new_device"')}\npolicies.use({ "new_country" })`);
    expect(errors).toEqual([
      expect.stringContaining("spec.conf:2: policies.use: it has been called before: name all policies in one call"),
    ]);
  });

  test("says in a check which networks it leaves out, and what is silent for want of a database; that is no warning", async () => {
    const { notes, warnings } = await check(using('"new_country", "risk", only = { asns = { 1 } }', MEMORY));
    expect(notes).toEqual([
      'Policies see no reports from these networks (ignore): networks="127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 ::1/128 fc00::/7 fe80::/10"',
      'Filter has no effect: asns needs a GeoIP database of network operators (newGeoIP2DB): policy="all policies"',
      'Policy is silent: it needs a GeoIP database of countries (newGeoIP2DB): policy="new_country"',
    ]);
    expect(warnings.filter((warning) => /olic/.test(warning))).toEqual([]);
  });

  test("has policies that need a history be silent where there is none", async () => {
    using run = await runPolicy(
      using('"new_device", mine = { report = function(lt, about) about:alert({ type = "mine" }) end }', ""),
      `reports: [{ at: +1s, login: joe, remote: 192.0.2.1, success: true }]
expect:
  alerts: [{ type: mine }]
  logs: ['^info: Policy is silent: it needs a history \\(newHistory\\): policy="new_device"$']`,
    );
    expect([run.code, run.output]).toEqual([0, expect.stringContaining("1 passed")]);
  });
});

describe("reports", () => {
  test("are seen by a site's own function, and by the others when one fails, which is logged by name", async () => {
    using run = await runPolicy(
      using(`bad = { report = function() error("no idea") end },
        mine = { options = { word = "hello" }, report = function(lt, about, options)
          about:alert({ type = "mine", login = lt.login, message = options.word .. " " .. about.country .. " " .. about.network })
        end }`),
      `reports:
  - { at: +1s, login: joe, remote: 81.2.69.142, success: true }
  - { at: +2s, login: "", remote: "::ffff:81.2.69.142", success: false }
  - { at: +3s, login: ann, remote: "2001:218:1:2::3", success: false }
expect:
  alerts:
    - { at: +1s, type: mine, login: joe, severity: medium, message: "hello GB 81.2.69.0/24", policy: mine }
    - { at: +2s, type: mine, message: "hello GB 81.2.69.0/24" }
    - { at: +3s, type: mine, login: ann, message: "hello JP 2001:218:1:2::/64" }
  logs: ['^error: Policy failed: error=".*spec\\.conf:1: no idea" policy="bad"$']`,
    );
    expect([run.code, run.output]).toEqual([0, expect.stringContaining("1 passed")]);
  });

  test("are left out (ignore), seen alone (only) and taken more seriously (vip), by all policies or by one", async () => {
    using run = await runPolicy(
      using(`ignore = { logins = { "robot" }, networks = { "203.0.113.0/24", "!10.1.0.0/16" }, countries = { "CN" } },
        vip = { logins = { "ceo" } },
        mine = {
          report = function(lt, about) about:alert({ type = "mine", login = lt.login, severity = lt.session_id, remote = lt.remote }) end,
          ignore = { logins = { "tester" } },
          vip = { countries = { "SE" } },
        },
        site = {
          report = function(lt, about) about:alert({ type = "site", severity = "low", remote = lt.remote }) end,
          only = { logins = { "ceo" } },
        }`),
      `reports:
  - { at: +1s, login: joe, remote: 192.0.2.1, session_id: low, success: true }
  - { at: +2s, login: robot, remote: 192.0.2.1, session_id: low, success: true }
  - { at: +2s, login: joe, remote: 203.0.113.9, session_id: low, success: true }
  - { at: +2s, login: joe, remote: 10.2.0.1, session_id: low, success: true }
  - { at: +2s, login: joe, remote: "::1", session_id: low, success: true }
  - { at: +2s, login: joe, remote: 175.16.199.37, session_id: low, success: true }
  - { at: +2s, login: tester, remote: 192.0.2.1, session_id: low, success: true }
  - { at: +3s, login: joe, remote: 10.1.0.1, session_id: high, success: true }
  - { at: +4s, login: ceo, remote: 192.0.2.1, session_id: critical, success: true }
  - { at: +5s, login: ann, remote: 89.160.20.112, session_id: medium, success: true }
expect:
  alerts:
    - { at: +1s, type: mine, login: joe, remote: 192.0.2.1, severity: low }
    - { at: +3s, type: mine, login: joe, remote: 10.1.0.1, severity: high }
    - { at: +4s, type: mine, login: ceo, severity: critical }
    - { at: +4s, type: site, severity: low } # about no login, so about nobody who is watched closely
    - { at: +5s, type: mine, login: ann, severity: high }`,
    );
    expect([run.code, run.output]).toEqual([0, expect.stringContaining("1 passed")]);
  });

  const logins = (n: number, rest: string): string =>
    Array.from({ length: n }, (_, i) => `  - { login: user${i}, ${rest} }\n`).join("");
  const proxyWarnings = async (reports: string): Promise<number> => {
    using run = await runPolicy(using('"new_device"'), `reports:\n${reports}`, { verbose: true });
    expect(run.code).toBe(0);
    return (
      run.output.match(/log warning: Over half of all logins come from one address: a proxy .*remote="10\.0\.0\.5"/g)
        ?.length ?? 0
    );
  };
  test("that come from one address tell of a proxy, once", async () => {
    const webmail = logins(20, "at: +1m, remote: 10.0.0.5, success: true, repeat: 30, every: 1s");
    expect(await proxyWarnings(webmail)).toBe(1);
  });
  test.each([
    ["failures, as an attack makes them", logins(20, "at: +1m, remote: 10.0.0.5, success: false, repeat: 30")],
    ["few logins", logins(19, "at: +1m, remote: 10.0.0.5, success: true, repeat: 30")],
    [
      "a quiet hour",
      `${logins(19, "at: +1m, remote: 10.0.0.5, success: true, repeat: 10")}  - { at: +1m, login: joe, remote: 10.0.0.5, success: true, repeat: 9 }\n`,
    ],
    [
      "half of all",
      logins(20, "at: +1m, remote: 192.0.2.1, success: true, repeat: 10") +
        logins(20, "at: +2m, remote: 10.0.0.5, success: true, repeat: 10"),
    ],
  ])("of one address do not when they are %s", async (_, reports) => {
    expect(await proxyWarnings(reports)).toBe(0);
  });
});

test("what is remembered of a million logins is bounded, and what is used stays", async () => {
  using engine = await startEngine();
  const [kept, used] = await engine.values(`${FIND}
    local cache = require("policies.internal.cache").new(1000)
    for i = 1, 1000000 do
      cache:set("login" .. i, i)
      if i % 500 == 0 then assert(cache:get("login500") == 500) end
    end
    local kept = 0
    for _, entries in ipairs({ cache.young, cache.old }) do for _ in pairs(entries) do kept = kept + 1 end end
    answer(kept <= 2000, cache:get("login500"))`);
  expect([kept, used]).toEqual(["true", "500"]);
});

describe.skipIf(noPostgres !== "")(`daemons with a history on a server${noPostgres}`, () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await PostgresServer.start()), 60_000);
  afterAll(() => server[Symbol.asyncDispose]());
  const report = (login: string, more: object): object => ({ login, remote: "81.2.69.142", success: true, ...more });
  const configuration = (list: string, url: string): string => `
    addListener("127.0.0.1:0", false, "", "", {}) setWebserverPassword("super")
    ${using(list, `${CITY}history = newHistory("${url}", { batch = "1s", timeout = "1s" }) `)}
    setCustomEndpoint("known", function(args) return true, { n = #assert(getHistory():known("joe", "country")) } end)`;
  const SITES_OWN = 'mine = { report = function(lt, about) about:alert({ type = "mine", login = lt.login }) end }';
  const until = async (condition: () => Promise<boolean> | boolean): Promise<void> => {
    while (!(await condition())) await Bun.sleep(20);
  };

  test("skip a policy while it is away, count that and say so once, and say when it works again", async () => {
    await using daemon = await startDaemon(configuration(`"dormant_account", ${SITES_OWN}`, await server.database()));
    const { logs, loaded } = daemon;
    const skipped = (): number => loaded.stats.custom.of("policies_skipped").all;
    const said = (text: string): number => logs.filter((line) => line.includes(text)).length;
    await daemon.post("/?command=report", report("first", {}));
    expect([skipped(), said("Policy is skipped")]).toEqual([0, 0]);
    await server.kill();
    for (let i = 0; i < 3; i++) await daemon.post("/?command=report", report(`away${i}`, {}));
    await until(() => skipped() === 3);
    expect(said('Policy is skipped: policy="dormant_account" why="history')).toBe(1);
    // What needs no history goes on.
    await until(() => said('login="away2" message="mine: away2"') === 1);
    await server.resume();
    for (let i = 0; said("Policy works again") === 0; i++) {
      await daemon.post("/?command=report", report(`back${i}`, {}));
      await Bun.sleep(20);
    }
    expect([said("Policy works again"), said("Policy failed")]).toEqual([1, 0]);
  }, 60_000);

  test("ask what another daemon has learnt before an alert is raised", async () => {
    const url = await server.database();
    await using one = await startDaemon(configuration('"new_country"', url));
    await using other = await startDaemon(configuration('"new_country"', url));
    const known = async (): Promise<string> => (await other.post("/?command=known", { attrs: {} })).text();
    const now = Date.now() / 1000;
    for (const days of [15, 12, 9, 6, 3]) {
      await one.post("/?command=report", report("joe", { t: now - days * 86_400 }));
    }
    await until(async () => (await known()).includes('"n":"1"'));
    await other.post("/?command=report", report("joe", {}));
    const alerts = ({ logs }: { logs: string[] }): string[] => logs.filter((line) => line.includes("new_country"));
    await one.post("/?command=report", report("joe", { remote: "89.160.20.112" }));
    await until(async () => (await known()).includes('"n":"2"') && alerts(one).length === 1);
    await other.post("/?command=report", report("joe", { remote: "89.160.20.112" }));
    await other.post("/?command=report", report("joe", { remote: "175.16.199.37" }));
    await until(() => alerts(other).length > 0);
    expect(alerts(other)).toEqual([expect.stringContaining("new country: joe from CN")]);
    expect(await (await other.get("/metrics")).text()).not.toContain('alerts_folded_total{type="new_country"}');
  }, 60_000);
});
