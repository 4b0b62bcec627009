/** Metrics of the counters. */
import { LabelledGauge } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { Counters } from "./counters.ts";

/** Shows how many keys the dbs have. */
export function addCounterMetrics(metrics: Metrics, { dbs }: Counters): void {
  metrics.add(
    new LabelledGauge("trackalert_counters_keys", "Keys in the dbs of counters.", "db", () =>
      Array.from(dbs, ([name, { size }]) => [name, size] as const),
    ),
  );
}
