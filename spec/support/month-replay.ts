/** Replays the month with conf/policies, quiet or with its attacks. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { AlertJson } from "../../lib/alerts/alert.ts";
import { DeviceParser } from "../../lib/device/device.ts";
import { readFixture } from "../../lib/replay/fixture.ts";
import { runFixture } from "../../lib/replay/run.ts";
import { ATTACKS, DORMANT, DORMANT_SINCE } from "./attacks.ts";
import { temporaryFolder } from "./daemon.ts";
import { HOME_NETWORKS, hostIn, writeGeoIP } from "./month-world.ts";
import { MONTH_DAYS, MONTH_START, quietMonth, type Report, report, TIME_ZONE } from "./month.ts";

const CONF = join(import.meta.dir, "..", "..", "conf");

/** The default set: all but account_risk. */
export const DEFAULT_SET = [
  "brute_force",
  "password_spray",
  "distributed_spray",
  "success_after_failures",
  "impossible_travel",
  "new_country",
  "new_device",
  "anonymous_network",
  "dormant_account",
  "risk",
  "volume",
  "daily_summary",
];

/** What a configuration in any folder says to run conf/policies with the month's databases, which are beside it. */
export const policies = (set: readonly string[]): string => `
package.path = ${JSON.stringify(`${CONF}/?.lua;${CONF}/?/init.lua;`)} .. package.path
for _, name in ipairs { "City", "ASN", "Anonymous" } do newGeoIP2DB(name, name .. ".mmdb") end
newHistory("sqlite:history.sqlite", { retention = "90d" })
local policies = require("policies")
policies.use { ${set.map((name) => JSON.stringify(name)).join(", ")} }
setReport(policies.report)
`;

/** What came long before: an account that has not been used since. */
export const BEFORE = [
  report({ t: DORMANT_SINCE, login: DORMANT, remote: hostIn(HOME_NETWORKS[60]!, 9), success: true, password: "old" }),
];

export const attackedMonth = (): Report[] =>
  [...quietMonth(), ...ATTACKS.flatMap(({ reports }) => reports)].sort((a, b) => a.t - b.t);

const toLines = (reports: readonly Report[]): string => reports.map((one) => `${JSON.stringify(one)}\n`).join("");

/** @returns the alerts, in the order in which they were raised */
export async function replayMonth(reports: readonly Report[]): Promise<{ alerts: AlertJson[]; seconds: number }> {
  using folder = temporaryFolder();
  const file = (name: string): string => join(folder.path, name);
  writeGeoIP(folder.path);
  writeFileSync(file("month.conf"), `setStateDir("state")\n${policies(DEFAULT_SET)}`);
  writeFileSync(file("before.jsonl"), toLines(BEFORE));
  writeFileSync(file("month.jsonl"), toLines(reports));
  writeFileSync(
    file("month.replay.yaml"),
    `name: month\nconfig: month.conf\nstart: ${new Date(MONTH_START * 1000).toISOString()}\nuntil: +${MONTH_DAYS}d\n` +
      `tz: ${TIME_ZONE}\nlearn: before.jsonl\nreports: month.jsonl\n`,
  );
  const fixture = readFixture(file("month.replay.yaml"));
  const devices = new DeviceParser();
  const before = process.cpuUsage();
  const outcome = await runFixture(fixture, { parseDevice: (...id) => devices.parse(...id) });
  const { user, system } = process.cpuUsage(before);
  if (outcome.failure !== undefined || outcome.errorCount > 0) {
    throw new Error(outcome.failure ?? `${outcome.errorCount} errors, the first: ${outcome.errors[0]?.message}`);
  }
  const alerts = outcome.alerts.list.map(({ body }) => JSON.parse(body) as AlertJson);
  return { alerts, seconds: (user + system) / 1e6 };
}
