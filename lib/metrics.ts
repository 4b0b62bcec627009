/**
 * Counters in the Prometheus text format, version 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */

/** A counter with at most one label. */
export class Counter {
  private readonly values = new Map<string, number>();

  /** @param label the label's name, or undefined for a single number, which then starts at 0 */
  constructor(
    readonly name: string,
    readonly help: string,
    readonly label?: string,
  ) {
    if (label === undefined) this.values.set("", 0);
  }

  /** Makes a label value appear before it is first counted. */
  declare(labelValue: string): void {
    if (!this.values.has(labelValue)) this.values.set(labelValue, 0);
  }

  increment(labelValue = ""): void {
    this.values.set(labelValue, (this.values.get(labelValue) ?? 0) + 1);
  }

  get(labelValue = ""): number {
    return this.values.get(labelValue) ?? 0;
  }

  /** The HELP and TYPE lines and a line for each label value. */
  format(): string {
    let text = `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} counter\n`;
    for (const [value, count] of this.values) {
      const labels = this.label === undefined ? "" : `{${this.label}="${escapeLabel(value)}"}`;
      text += `${this.name}${labels} ${count}\n`;
    }
    return text;
  }
}

const escapeLabel = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

/** What the daemon counts. */
export class Metrics {
  readonly reports = new Counter("trackalert_reports_total", "Reports received and given to the policy.");
  readonly rejectedReports = new Counter(
    "trackalert_reports_rejected_total",
    "Report bodies that were refused.",
    "reason",
  );
  readonly refusedRequests = new Counter(
    "trackalert_requests_refused_total",
    "Requests answered 503 because too many were in flight.",
  );
  readonly customStats = new Counter(
    "trackalert_custom_stats_total",
    "Custom stats, as the policy counts them.",
    "metric",
  );
  readonly luaErrors = new Counter("trackalert_lua_errors_total", "Errors raised by policy functions.", "function");

  format(): string {
    return [this.reports, this.rejectedReports, this.refusedRequests, this.customStats, this.luaErrors]
      .map((counter) => counter.format())
      .join("");
  }
}
