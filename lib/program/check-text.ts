/** What `--check-config` prints: a line for each kind of thing, then notes and warnings, then `OK` if it is. */
import { escapeControls, formatTime } from "../log/log.ts";
import type { Check, Inventory } from "./check.ts";

/** @returns lines fit to be shown; errors are not among them */
export function formatCheck({ config, inventory, notes, warnings }: Check, failed: boolean): string[] {
  const kinds = inventory ? describe(inventory) : {};
  const rows = Object.entries({ configuration: [config], ...kinds });
  const width = Math.max(...rows.map(([kind]) => kind.length)) + 2;
  const lines = rows.map(([kind, found]) => `${kind.padEnd(width)}${found.length === 0 ? "none" : found.join(", ")}`);
  lines.push(...notes.map((note) => `note: ${note}`));
  lines.push(...warnings.map((warning) => `warning: ${warning}`));
  if (!failed) lines.push("OK");
  return lines.map(escapeControls);
}

function describe(inventory: Inventory): Record<string, readonly string[]> {
  const {
    listeners,
    controlSocket,
    acl,
    reportFunction,
    webhooks,
    alertChannels,
    endpoints,
    schedules,
    geoip,
    customStats,
    counters,
    proxies,
    history,
  } = inventory;
  return {
    listeners: listeners.map(describeListener),
    "control socket": controlSocket === null ? [] : [controlSocket],
    ACL: acl,
    "report function": reportFunction ? ["set"] : [],
    webhooks: webhooks.map(({ name, receiver, signed, kafka }) => {
      const notes = `${signed ? ", signed" : ""}${kafka ? ", Kafka" : ""}`;
      return `${name} (${receiver}${notes})`;
    }),
    "alert channels": alertChannels.map(({ name, kind, receiver, minSeverity, types, redacted, summary }) => {
      const notes = `${types ? `, ${types.join(" ")}` : ""}${redacted ? ", redacted" : ""}${summary ? ", summary" : ""}`;
      return `${name} (${kind}, ${receiver}, from ${minSeverity}${notes})`;
    }),
    endpoints,
    "scheduled functions": schedules.map(({ name, timing, next }) => {
      const when = timing.kind === "cron" ? timing.expression : `every ${timing.seconds} s`;
      return `${name} (${when}; next ${next ? formatTime(next.getTime()) : "never"})`;
    }),
    "GeoIP databases": geoip.map(({ name, type, built }) =>
      built ? `${name} (${type}, built ${formatTime(built.getTime())})` : `${name} (not open)`,
    ),
    "custom stats": customStats,
    counters: counters.map(
      ({ name, seconds, windows, fields }) => `${name} (${windows} windows of ${seconds} s: ${fields.join(", ")})`,
    ),
    history: history ? [`${history.place} (rows for ${Number(history.retentionDays.toFixed(2))} days)`] : [],
    proxy: describeProxies(proxies),
  };
}

function describeListener({ address, tls }: Inventory["listeners"][number]): string {
  if (!tls) return address;
  const until = tls.validUntil ? ` until ${formatTime(tls.validUntil.getTime())}` : "";
  return `${address} (TLS, ${tls.certificate}${until})`;
}

function describeProxies({ http, https, exceptions }: Inventory["proxies"]): string[] {
  const lines = http === https && http ? [http] : [];
  if (lines.length === 0) {
    if (http) lines.push(`for http ${http}`);
    if (https) lines.push(`for https ${https}`);
  }
  if (lines.length > 0 && exceptions.length > 0) lines.push(`not for ${exceptions.join(" ")} (NO_PROXY)`);
  return lines;
}
