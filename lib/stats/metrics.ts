/** What the daemon counts, and shows on /metrics. */
import { Counter, type Metric } from "./metric.ts";

export class Metrics {
  private readonly all: Metric[] = [];

  readonly reports = this.add(new Counter("trackalert_reports_total", "Reports received and given to the policy."));
  readonly rejectedReports = this.add(
    new Counter("trackalert_reports_rejected_total", "Report bodies that were refused.", "reason"),
  );
  readonly refusedRequests = this.add(
    new Counter("trackalert_requests_refused_total", "Requests answered 503 because too many were in flight."),
  );
  readonly aclDenied = this.add(
    new Counter("trackalert_acl_denied_total", "Requests of peers that the ACL does not admit."),
  );
  readonly ignoredFields = this.add(
    new Counter(
      "trackalert_fields_ignored_total",
      "Values in reports that were ignored because they do not have the type of their field.",
      "field",
      "type",
    ),
  );
  readonly backgroundRuns = this.add(
    new Counter("trackalert_background_runs_total", "Runs of background functions.", "name", "status"),
  );
  readonly luaErrors = this.add(
    new Counter(
      "trackalert_lua_errors_total",
      "Errors raised by policy functions: report, background:NAME, endpoint:NAME.",
      "function",
    ),
  );

  /** Shows a metric from now on: those who count something of their own bring it here. */
  add<M extends Metric>(metric: M): M {
    this.all.push(metric);
    return metric;
  }

  async format(): Promise<string> {
    return (await Promise.all(this.all.map((metric) => metric.format()))).join("");
  }
}
