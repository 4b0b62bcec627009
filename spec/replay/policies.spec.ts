/** The ready-made policies leave crowds alone. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { crowdOf } from "../support/crowd.ts";
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

/** Users at home, each with an address of their own. */
const home = (user: number): string => `198.${100 + (user >> 8)}.${user & 255}.7`;

test("an office of 800 behind one address, where 2 % mistype, alerts nothing, on its first morning", async () => {
  const office = { start: START, seconds: 600, users: 800, mistyped: 0.02, remote: () => "203.0.113.1" };
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
  expect(run.output).not.toContain("a proxy seems");
}, 60_000);
