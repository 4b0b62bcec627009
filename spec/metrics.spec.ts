import { describe, expect, test } from "bun:test";

import { Counter, Metrics } from "../lib/metrics.ts";

const samples = (counter: Counter): string[] => counter.format().split("\n").slice(2, -1);

describe("Counter", () => {
  test("without a label is 0 from the start and counts up", () => {
    const counter = new Counter("tests_total", "Tests run.");
    const head = "# HELP tests_total Tests run.\n# TYPE tests_total counter\n";
    expect(counter.format()).toBe(`${head}tests_total 0\n`);
    counter.increment();
    counter.increment();
    expect(counter.format()).toBe(`${head}tests_total 2\n`);
    expect(counter.get()).toBe(2);
  });

  test("with a label has a line for each value that was counted", () => {
    const counter = new Counter("tests_total", "Tests run.", "kind");
    expect(samples(counter)).toEqual([]);
    expect(counter.get("slow")).toBe(0);
    for (const kind of ["slow", "fast", "slow"]) counter.increment(kind);
    expect(samples(counter).sort()).toEqual(['tests_total{kind="fast"} 1', 'tests_total{kind="slow"} 2']);
    expect([counter.get("slow"), counter.get("fast"), counter.get("other")]).toEqual([2, 1, 0]);
  });

  test.each([
    ['say "hi"', 'say \\"hi\\"'],
    ["a\\b", "a\\\\b"],
    ["a\nb", "a\\nb"],
    ['\\"\n', '\\\\\\"\\n'],
    ["ü", "ü"],
    ["", ""],
  ])("escapes the label value %j", (value, escaped) => {
    const counter = new Counter("tests_total", "Tests run.", "kind");
    counter.increment(value);
    expect(samples(counter)).toEqual([`tests_total{kind="${escaped}"} 1`]);
  });
});

describe("Metrics", () => {
  test("is one text with the names and labels of the contract", () => {
    const metrics = new Metrics();
    metrics.reports.increment();
    metrics.rejectedReports.increment("json");
    metrics.customStats.increment("seen");
    metrics.luaErrors.increment("report");
    const text = metrics.format();
    expect(text.split("\n").filter((line) => !line.startsWith("#"))).toEqual([
      "trackalert_reports_total 1",
      'trackalert_reports_rejected_total{reason="json"} 1',
      "trackalert_requests_refused_total 0",
      'trackalert_custom_stats_total{metric="seen"} 1',
      'trackalert_lua_errors_total{function="report"} 1',
      "",
    ]);
    for (const kind of ["HELP", "TYPE"]) expect(text.match(new RegExp(`^# ${kind} `, "gm"))).toHaveLength(5);
  });
});
