/**
 * The configuration as a value: what running the configuration script has collected (configuration/load-config.ts).
 * The daemon serves it; other programs print or drive it.
 */
import type { AlertChannel } from "./alerts/channel.ts";
import type { HttpListener, Listener } from "./net/listener.ts";
import { defaultOutgoingSettings, type OutgoingSettings } from "./net/outgoing.ts";
import type { ByteString } from "./text/byte-string.ts";
import { Schedules } from "./time/schedule.ts";
import { defaultWebHookSettings, type WebHookSettings } from "./webhooks/settings.ts";

/** The commands of the reference; a custom endpoint may not take their names. */
export const RESERVED_COMMANDS = ["report", "stats", "readyz", "livez"] as const;
/**
 * The commands that the daemon answers itself. A configuration of the reference may have an endpoint `alerts`: that is called by
 * POST, and alerts are asked for by GET.
 */
export const BUILT_IN_COMMANDS = [...RESERVED_COMMANDS, "alerts"] as const;

export interface Config {
  listeners: HttpListener[];
  /** Netmasks whose peers may connect. Replaced, never changed in place, so that who compiled it can tell. */
  acl: readonly string[];
  /** Compared byte for byte. Undefined or empty: whatever needs a password is refused. */
  webserverPassword: ByteString | undefined;
  metricsNeedPassword: boolean;
  /** Requests in flight over it are answered 503; undefined unless set. */
  maxWebserverConns: number | undefined;
  /** Seconds of processor time after which a policy function is stopped. */
  reportTimeout: number;
  controlSocket: Listener | undefined;
  /** 32 bytes. */
  key: Uint8Array | undefined;
  /** `file:line: ` and why, when `setKey` refused one. */
  keyProblem: string | undefined;
  /** Where queues and history live, absolute. */
  stateDir: string | undefined;
  /** How many tasks may run, waiting included, at the same time. */
  reportTasks: number;
  backgroundTasks: number;
  schedules: Schedules;
  /** Names of custom stats. */
  customStats: Set<string>;
  webhooks: WebHookSettings;
  /** Each has its webhook among those. */
  channels: AlertChannel[];
  outgoing: OutgoingSettings;
}

/** Loopback and private networks, as the reference allows by default. */
const DEFAULT_ACL = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "192.168.0.0/16",
  "172.16.0.0/12",
  "::1/128",
  "fc00::/7",
  "fe80::/10",
];

export const defaultConfig = (): Config => ({
  listeners: [],
  acl: DEFAULT_ACL,
  webserverPassword: undefined,
  metricsNeedPassword: true,
  maxWebserverConns: undefined,
  reportTimeout: 10,
  controlSocket: undefined,
  key: undefined,
  keyProblem: undefined,
  // systemd's, with StateDirectory=; several are separated by colons.
  stateDir: process.env["STATE_DIRECTORY"]?.split(":")[0] || undefined,
  // The reference has a thread for each, so its numbers are small. Here a task that waits costs next to nothing.
  reportTasks: 10_000,
  backgroundTasks: 4,
  schedules: new Schedules(),
  customStats: new Set(),
  webhooks: defaultWebHookSettings(),
  channels: [],
  outgoing: defaultOutgoingSettings(process.env),
});
