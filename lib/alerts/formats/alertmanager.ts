/** Alerts for Prometheus Alertmanager: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
import type { AlertJson } from "../alert.ts";

/** An alert that knows when its cool-down ends, ISO 8601. */
type LastingAlert = AlertJson & { until: string };

/** Milliseconds by which the end of an alert that comes late lies ahead: Alertmanager notifies of nothing that has ended. */
const LATE_AHEAD = 5 * 60_000;
/** Milliseconds behind its end from which one is late. */
const LATE = 60_000;

/** The body of a request. @param now milliseconds since 1970, of this attempt */
export function alertmanagerBody(event: Buffer, now: number): Buffer {
  const alert = JSON.parse(event.toString()) as LastingAlert;
  const { type, severity, login, remote, message, evidence, count, first } = alert;
  const labels = { alertname: type, severity, ...(login && { login }), ...(remote && { remote }) };
  const annotations = {
    summary: message,
    ...(evidence !== undefined && { description: JSON.stringify(evidence) }),
    count: String(count),
  };
  const endsAt = new Date(Math.max(endOf(alert, now), Date.parse(first))).toISOString();
  return Buffer.from(JSON.stringify([{ labels, annotations, startsAt: first, endsAt }]));
}

function endOf({ until, final }: LastingAlert, now: number): number {
  const end = Date.parse(until);
  if (final && now - end < LATE) return now;
  return end > now ? end : now + LATE_AHEAD;
}
