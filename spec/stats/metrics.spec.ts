import { expect, test } from "bun:test";

import { Metrics } from "../../lib/stats/metrics.ts";

test("metrics are one text with the names and labels of the contract", async () => {
  const metrics = new Metrics();
  metrics.reports.increment();
  metrics.rejectedReports.increment("json");
  metrics.luaErrors.increment("report");
  const text = await metrics.format();
  expect(text.split("\n").filter((line) => !line.startsWith("#"))).toEqual([
    "trackalert_reports_total 1",
    'trackalert_reports_rejected_total{reason="json"} 1',
    "trackalert_requests_refused_total 0",
    "trackalert_acl_denied_total 0",
    'trackalert_lua_errors_total{function="report"} 1',
    "",
  ]);
  for (const kind of ["HELP", "TYPE"]) expect(text.match(new RegExp(`^# ${kind} `, "gm"))).toHaveLength(7);
});
