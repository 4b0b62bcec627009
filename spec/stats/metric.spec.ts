import { describe, expect, test } from "bun:test";

import { Counter, Gauge, Histogram, LabelledGauge, ReadCounter } from "../../lib/stats/metric.ts";

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

test("a counter with two labels has a line for each pair", () => {
  const counter = new Counter("tests_total", "Tests run.", "kind", "status");
  counter.declare("slow", "error");
  counter.increment("slow", "ok");
  counter.increment("slow", "ok");
  expect(samples(counter)).toEqual([
    'tests_total{kind="slow",status="error"} 0',
    'tests_total{kind="slow",status="ok"} 2',
  ]);
  expect([counter.get("slow", "ok"), counter.get("ok", "slow")]).toEqual([2, 0]);
});

test("a gauge is asked each time it is shown", () => {
  let depth = 3;
  const gauge = new Gauge("depth", "How deep.", () => depth);
  expect(gauge.format()).toBe("# HELP depth How deep.\n# TYPE depth gauge\ndepth 3\n");
  depth = 0.5;
  expect(gauge.format()).toEndWith("\ndepth 0.5\n");
});

test("a counter that is kept elsewhere is one in the eyes of Prometheus", () => {
  const counter = new ReadCounter("work_total", "Work done.", () => 1.5);
  expect(counter.format()).toBe("# HELP work_total Work done.\n# TYPE work_total counter\nwork_total 1.5\n");
});

test("a gauge with a label has a line for each value there is at the time, and may be infinite", () => {
  let values: [string, number][] = [];
  const gauge = new LabelledGauge("depth", "How deep.", "sea", () => values);
  const head = "# HELP depth How deep.\n# TYPE depth gauge\n";
  expect(gauge.format()).toBe(head);
  values = [
    ["Dead", 298],
    ['"', Infinity],
  ];
  expect(gauge.format()).toBe(`${head}depth{sea="Dead"} 298\ndepth{sea="\\""} +Inf\n`);
});

test("a histogram says which bound it was", () => {
  const histogram = new Histogram("seconds", "How long.", [0.1, 1]);
  expect([0, 0.1, 0.2, 1, 1.1].map((value) => histogram.observe(value))).toEqual([0, 0, 1, 1, 2]);
});

test("a histogram counts what is at most each bound", () => {
  const histogram = new Histogram("wait_seconds", "Waited.", [0.001, 0.01, 0.1]);
  for (const seconds of [0, 0.001, 0.0011, 0.1, 7]) histogram.observe(seconds);
  expect(histogram.format()).toBe(
    [
      "# HELP wait_seconds Waited.",
      "# TYPE wait_seconds histogram",
      'wait_seconds_bucket{le="0.001"} 2',
      'wait_seconds_bucket{le="0.01"} 3',
      'wait_seconds_bucket{le="0.1"} 4',
      'wait_seconds_bucket{le="+Inf"} 5',
      `wait_seconds_sum ${0.001 + 0.0011 + 0.1 + 7}`,
      "wait_seconds_count 5",
      "",
    ].join("\n"),
  );
});
