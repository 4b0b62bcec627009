/** `--check-config`: loads all that a start would load, opens nothing, and tells what there is and what looks wrong. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";

import type { Config } from "../config.ts";
import { ConfigError, loadConfig, type Loaded, missingKey } from "../configuration/load-config.ts";
import { readRegexesFile, RegexesFileError } from "../device/regexes-file.ts";
import { describePlace, placeProblem } from "../history/place.ts";
import { Level, Log } from "../log/log.ts";
import { shortChunkName } from "../lua/engine.ts";
import { findUnknownNames } from "../lua/unknown-names.ts";
import { collide, formatListener, type HttpListener, type Listener } from "../net/listener.ts";
import { type Proxies, type Proxy, publicProxyUrl } from "../net/proxy.ts";
import { dateProblem, readCredentials } from "../net/tls.ts";
import { fewFiles } from "../stats/process.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { nextCronTime } from "../time/cron.ts";
import type { Timing } from "../time/schedule.ts";
import { datedUrl, receiverOf } from "../webhooks/hook.ts";

/** What a configuration sets up. Nothing in it is secret. */
export interface Inventory {
  listeners: { address: string; tls: { certificate: string; validUntil: Date | null } | null }[];
  controlSocket: string | null;
  acl: readonly string[];
  reportFunction: boolean;
  /** `receiver` is the url without what may be secret in it: user, path and query. */
  webhooks: { name: string; receiver: string; signed: boolean; kafka: boolean }[];
  /** `types` is null for all. */
  alertChannels: {
    name: string;
    kind: string;
    receiver: string;
    minSeverity: string;
    types: string[] | null;
    redacted: boolean;
    summary: boolean;
  }[];
  endpoints: string[];
  schedules: { name: string; timing: Timing; next: Date | null }[];
  /** `built` is null for a database that cannot be opened. */
  geoip: { name: string; file: string | null; type: string | null; built: Date | null }[];
  customStats: string[];
  counters: { name: string; seconds: number; windows: number; fields: string[] }[];
  /** What requests for other servers go through, by the scheme of their urls; without user and password. */
  proxies: { http: string | null; https: string | null; exceptions: readonly string[] };
  /** `place` is shown without a password. */
  history: { place: string; retentionDays: number } | null;
}

export interface Check {
  config: string;
  /** Null when the configuration cannot be loaded. */
  inventory: Inventory | null;
  warnings: string[];
  /** What the configuration says of itself: its lines of level info. */
  notes: string[];
  /** Why a daemon would not start; none when it would, as far as can be told without opening a port. */
  errors: string[];
}

const DAY = 86_400_000;
/** Milliseconds. MaxMind's license wants a database replaced within 30 days of its successor's release. */
const OLD_DATABASE = 30 * DAY;
/** Characters of a password. */
const SHORT_PASSWORD = 12;
/** Of the reference's own configurations and manual. */
const KNOWN_PASSWORDS = ["super", "--WEBPWD", "secret", "password", "wforce", "trackalert"];
const LOOPBACK = /^(?:localhost|127\.[\d.]+|\[::1\])$/;

/**
 * @param file the configuration, as the user named it
 * @param regexes the file of `-R`
 */
export async function checkConfig(file: string, regexes: string | undefined, clock: Clock): Promise<Check> {
  const check: Check = { config: file, inventory: null, warnings: [], notes: [], errors: [] };
  const log = new Log({
    sink: (line, level) => void (level <= Level.warning ? check.warnings : check.notes).push(line),
    level: Level.info,
  });
  try {
    if (regexes !== undefined) check.warnings.push(...(await readRegexesFile(regexes)).problems);
  } catch (error) {
    if (!(error instanceof RegexesFileError)) throw error;
    check.errors.push(error.message);
  }
  try {
    const chunks: ByteString[] = [];
    const loaded = await loadConfig(file, { clock, log, only: "read", onCompiled: (chunk) => void chunks.push(chunk) });
    check.warnings.push(...(await unknownNames(loaded, chunks, file)));
    check.inventory = takeInventory(loaded, clock.now(), check);
    check.warnings.push(...doubts(loaded, check.inventory, clock.now()));
    loaded.engine.close();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    check.errors.push(error.message);
  }
  return check;
}

/** The configuration is called as the user named it, as in its errors. */
async function unknownNames({ engine }: Loaded, chunks: readonly ByteString[], file: string): Promise<string[]> {
  const main = shortChunkName(file);
  const problems = await findUnknownNames(engine, chunks, main);
  return problems.map((problem) => (problem.startsWith(`${main}:`) ? file + problem.slice(main.length) : problem));
}

function takeInventory(loaded: Loaded, now: number, check: Check): Inventory {
  const { config, policy, engine, counters, outgoing } = loaded;
  const key = missingKey(config);
  if (key) check.errors.push(key);
  check.errors.push(...doubleAddresses(config));
  try {
    outgoing.load();
  } catch (error) {
    check.errors.push((error as Error).message);
  }
  const { history } = engine;
  const problem = history && placeProblem(history.settings, config.stateDir);
  if (problem) check.errors.push(history.settings.where + problem);
  return {
    listeners: config.listeners.map((listener) => describeListener(listener, now, check)),
    controlSocket: config.controlSocket ? formatListener(config.controlSocket) : null,
    acl: config.acl,
    reportFunction: policy.report !== undefined,
    webhooks: config.webhooks.hooks
      .filter(({ channel }) => channel === undefined)
      .map((hook) => ({
        name: hook.name,
        receiver: receiverOf(hook),
        signed: hook.secret !== undefined,
        kafka: hook.kafka,
      })),
    alertChannels: config.channels.map(({ hook, kind, minSeverity, types, redact, summary }) => ({
      name: hook.name,
      kind,
      receiver: receiverOf(hook),
      minSeverity,
      types: types ? [...types] : null,
      redacted: redact,
      summary,
    })),
    endpoints: [...policy.endpoints.keys()],
    schedules: Array.from(config.schedules, ({ name, timing }) => ({ name, timing, next: nextTime(timing, now) })),
    geoip: Array.from(engine.geoip.all, ([name, { database }]) => ({
      name,
      file: database?.file ?? null,
      type: database?.type ?? null,
      built: database?.built ?? null,
    })),
    customStats: [...config.customStats],
    counters: Array.from(counters.dbs.values(), ({ shape: { name, window, windows, fields } }) => ({
      name,
      seconds: window,
      windows,
      fields: Array.from(fields, ([field, { kind }]) => `${field} (${kind})`),
    })),
    proxies: describeProxies(config.outgoing.proxies),
    history: history
      ? { place: describePlace(history.settings), retentionDays: history.settings.retention / (DAY / 1000) }
      : null,
  };
}

function doubleAddresses({ listeners, controlSocket }: Config): Iterable<string> {
  const all: Listener[] = [...listeners, ...(controlSocket ? [controlSocket] : [])];
  const problems = all.flatMap((listener, i) => {
    const former = all.slice(0, i).find((other) => collide(listener, other));
    if (!former) return [];
    const [address, taken] = [formatListener(listener), formatListener(former)];
    const problem = address === taken ? `${address} twice` : `${address} beside ${taken}: one is in the other`;
    return [`cannot listen on ${problem} (addListener, controlSocket)`];
  });
  return new Set(problems);
}

/** Reads its certificate as a start does. */
function describeListener(listener: HttpListener, now: number, check: Check): Inventory["listeners"][number] {
  const address = formatListener(listener);
  if (!listener.tls) return { address, tls: null };
  const { files, where } = listener.tls;
  try {
    const credentials = readCredentials(files);
    const problem = dateProblem(credentials, now);
    if (problem) check.warnings.push(problem);
    return { address, tls: { certificate: files.certificate, validUntil: credentials.validUntil } };
  } catch (error) {
    check.errors.push(`${where}${(error as Error).message}`);
    return { address, tls: { certificate: files.certificate, validUntil: null } };
  }
}

function describeProxies({ http, https, exceptions }: Proxies): Inventory["proxies"] {
  const describe = (proxy: Proxy | undefined): string | null =>
    proxy ? `${publicProxyUrl(proxy)} (${proxy.from})` : null;
  return { http: describe(http), https: describe(https), exceptions };
}

function nextTime(timing: Timing, now: number): Date | null {
  const next = timing.kind === "interval" ? now + timing.seconds * 1000 : nextCronTime(timing.expression, now);
  return next === undefined ? null : new Date(next);
}

/** What is allowed, and likely a mistake. */
function* doubts({ config }: Loaded, inventory: Inventory, now: number): Iterable<string> {
  const { webhooks, outgoing } = config;
  if (config.listeners.length === 0) yield "no listener: nothing is served (addListener)";
  yield* passwordDoubts(config.webserverPassword);
  if (!config.key && !config.controlSocket) yield "no key and no control socket: no console (setKey, controlSocket)";
  if (!inventory.reportFunction) yield "no report function: reports are counted, nothing else (setReport)";
  if (!outgoing.verify) yield "other servers may have any certificate (disableCurlPeerVerification)";
  else if (!outgoing.verifyHost) {
    yield "other servers may have the certificate of any host (disableCurlHostVerification)";
  }
  for (const hook of webhooks.hooks) {
    const { protocol, hostname } = new URL(datedUrl(hook.url, 0));
    const shown = `${hook.channel === undefined ? "webhook" : "alert channel"} ${quote(hook.name)}`;
    if (hook.tls.verify === false) yield `${shown} goes to a receiver with any certificate (verify)`;
    if (protocol === "http:" && !LOOPBACK.test(hostname)) yield `${shown} is sent without TLS`;
  }
  for (const { name, built } of inventory.geoip) {
    const days = built ? Math.floor((now - built.getTime()) / DAY) : 0;
    if (days * DAY > OLD_DATABASE) yield `GeoIP database ${quote(name)} is ${days} days old`;
  }
  for (const { name, next } of inventory.schedules) {
    if (!next) yield `background function ${quote(name)} never runs: its time never comes`;
  }
  const files = fewFiles(config.maxWebserverConns);
  if (files) yield files;
  if (inventory.counters.length > 0 && config.stateDir === undefined) {
    yield "no state directory: counters end with the daemon (setStateDir)";
  }
  if (config.stateDir !== undefined) yield* stateDirDoubts(config.stateDir);
}

function* passwordDoubts(password: Config["webserverPassword"]): Iterable<string> {
  if (!password) yield "no password: requests that need one are refused (setWebserverPassword)";
  else if (KNOWN_PASSWORDS.includes(password)) yield "the password is one that everybody knows (setWebserverPassword)";
  else if (password.length < SHORT_PASSWORD) {
    yield `the password has less than ${SHORT_PASSWORD} characters (setWebserverPassword)`;
  }
}

/** The daemon makes the folder if need be. */
function* stateDirDoubts(stateDir: string): Iterable<string> {
  let folder = stateDir;
  while (!existsSync(folder)) folder = dirname(folder);
  try {
    if (!statSync(folder).isDirectory()) yield `state directory ${quote(stateDir)}: ${quote(folder)} is no directory`;
    else accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const problem = (error as NodeJS.ErrnoException).code;
    yield `state directory ${quote(stateDir)}: nothing can be written into ${quote(folder)}: ${problem}`;
  }
}

const quote = (name: string): string => JSON.stringify(name);
