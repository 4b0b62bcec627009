/** The ready-made policies leave crowds alone: sites of which all users come from one address. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { crowdOf } from "../support/crowd.ts";
import type { Random } from "../support/random.ts";
import { HEAD, runReplay } from "../support/replay.ts";

const ROOT = join(import.meta.dir, "..", "..");
const START = Date.parse("2026-03-01T00:00:00Z") / 1000;
const CONF = `
  package.path = "${ROOT}/conf/?.lua;${ROOT}/conf/?/init.lua;" .. package.path
  newHistory("sqlite::memory:")
  newGeoIP2DB("City", "${ROOT}/fixtures/geoip/GeoIP2-City-Test.mmdb")
  newGeoIP2DB("Anonymous", "${ROOT}/fixtures/geoip/GeoIP2-Anonymous-IP-Test.mmdb")
  local policies = require("policies")
  policies.use {
    "brute_force", "password_spray", "distributed_spray", "success_after_failures", "impossible_travel", "anonymous_network",
  }
  setReport(policies.report)
`;
const PROXY = /a proxy seems to hide the clients/g;

/** Users at home, each with an address of their own. */
const home = (user: number): string => `198.${100 + (user >> 8)}.${user & 255}.7`;

const MORNING = { start: START + 10, seconds: 600, logins: 1 };

test("an office of 800 behind one address, where 2 % mistype, alerts nothing, on its first morning", async () => {
  const office = { ...MORNING, users: 800, mistyped: 0.02, remote: () => "203.0.113.1" };
  using run = await runReplay(
    {
      "spec.conf": CONF,
      "office.jsonl": crowdOf(1, office),
      "others.jsonl": crowdOf(2, { ...office, users: 900, remote: home }).replaceAll("user", "other"),
      "spec.replay.yaml": `${HEAD}reports: [office.jsonl, others.jsonl]\nexpect: { alerts: [] }\n`,
    },
    { verbose: true },
  );
  expect(run.output.match(/failure/g)!.length).toBeGreaterThan(20);
  expect(run.output).toContain("1 passed");
  expect(run.output).not.toContain("Policy failed");
  expect(run.output).not.toMatch(PROXY);
}, 60_000);

test("a webmail host in front of everybody is told once, as a proxy, and alerts nothing", async () => {
  const remote = (user: number, random: Random): string => (random.chance(0.1) ? home(user) : "203.0.113.1");
  const crowd = crowdOf(3, { ...MORNING, users: 500, mistyped: 0.03, remote });
  using run = await runReplay(
    {
      "spec.conf": CONF,
      "spec.jsonl": crowd,
      "spec.replay.yaml": `${HEAD}reports: spec.jsonl\nexpect: { alerts: [] }\n`,
    },
    { verbose: true },
  );
  expect(run.output).toContain("1 passed");
  expect(run.output).not.toContain("Policy failed");
  expect(run.output.match(PROXY)).toHaveLength(1);
}, 60_000);
