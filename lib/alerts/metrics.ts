/** Counts of alerts for Prometheus. */
import { Counter } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";

/** Types that have a metric of their own: policies may make them up. */
const MOST_TYPES = 200;

export class AlertMetrics {
  private readonly types = new Set<string>();
  private readonly raisedTotal: Counter;
  private readonly foldedTotal: Counter;

  constructor(metrics: Metrics) {
    this.raisedTotal = metrics.add(new Counter("trackalert_alerts_total", "Alerts raised.", "type", "severity"));
    this.foldedTotal = metrics.add(
      new Counter("trackalert_alerts_folded_total", "Alerts folded into an earlier one that cools down.", "type"),
    );
  }

  raised({ type, severity }: { type: string; severity: string }): void {
    this.raisedTotal.increment(this.labelOf(type), severity);
  }

  folded({ type }: { type: string }): void {
    this.foldedTotal.increment(this.labelOf(type));
  }

  private labelOf(type: string): string {
    if (this.types.has(type)) return type;
    if (this.types.size >= MOST_TYPES) return "other";
    this.types.add(type);
    return type;
  }
}
