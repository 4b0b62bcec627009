/**
 * The configuration as a value: what running the configuration script has collected (configuration/load-config.ts).
 * The daemon serves it; other programs print or drive it.
 */
import type { Reference } from "./lua/state.ts";
import type { Tls, TlsFiles } from "./net/tls.ts";
import { Schedules } from "./time/schedule.ts";
import type { WebHook } from "./webhooks/hook.ts";

/** The commands that the daemon answers itself; a custom endpoint may not take their names. */
export const BUILT_IN_COMMANDS = ["report", "stats", "readyz", "livez"] as const;

/** An address and port to listen on. */
export interface Listener {
  hostname: string;
  port: number;
}

/** Where HTTP is served. */
export interface HttpListener extends Listener {
  tls?: Tls;
}

/** `127.0.0.1:8084`, `[::1]:8084`. */
export const formatListener = ({ hostname, port }: Listener): string =>
  hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;

/** Custom webhooks and how they are sent. */
export interface WebHookSettings {
  hooks: WebHook[];
  /** Their product bounds the requests in flight. */
  threads: number;
  connsPerThread: number;
  /** Events that may wait or be in flight. */
  queueSize: number;
  /** Seconds for one attempt. */
  timeout: number;
  tls: {
    verifyPeer: boolean;
    verifyHost: boolean;
    /** A PEM file, absolute, and `file:line: ` of the call that named it, as below. */
    authorities: { file: string; where: string } | undefined;
    client: { files: TlsFiles; where: string } | undefined;
  };
  /** Bytes of the spool's file. */
  spoolBytes: number;
}

export interface Config {
  listeners: HttpListener[];
  /** Netmasks whose peers may connect. Replaced, never changed in place, so that who compiled it can tell. */
  acl: readonly string[];
  /** Undefined or empty: whatever needs a password is refused. */
  webserverPassword: string | undefined;
  metricsNeedPassword: boolean;
  /** Requests in flight over it are answered 503; undefined unless set. */
  maxWebserverConns: number | undefined;
  /** Seconds of processor time after which a policy function is stopped. */
  reportTimeout: number;
  controlSocket: Listener | undefined;
  /** 32 bytes. */
  key: Uint8Array | undefined;
  /** Where queues and history live, absolute. */
  stateDir: string | undefined;
  /** How many tasks may run, waiting included, at the same time. */
  reportTasks: number;
  backgroundTasks: number;
  schedules: Schedules;
  /** Names of custom stats. */
  customStats: Set<string>;
  webhooks: WebHookSettings;
}

/** The policy's functions, live in the Lua state. */
export interface Policy {
  report: Reference | undefined;
  background: Map<string, Reference>;
  endpoints: Map<string, Reference>;
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
  // systemd's, with StateDirectory=; several are separated by colons.
  stateDir: process.env["STATE_DIRECTORY"]?.split(":")[0] || undefined,
  // The reference has a thread for each, so its numbers are small. Here a task that waits costs next to nothing.
  reportTasks: 10_000,
  backgroundTasks: 4,
  schedules: new Schedules(),
  customStats: new Set(),
  webhooks: {
    hooks: [],
    threads: 5,
    connsPerThread: 10,
    queueSize: 50_000,
    timeout: 2,
    tls: { verifyPeer: true, verifyHost: true, authorities: undefined, client: undefined },
    spoolBytes: 4 * 1024 ** 3,
  },
});

export const emptyPolicy = (): Policy => ({
  report: undefined,
  background: new Map(),
  endpoints: new Map(),
});
