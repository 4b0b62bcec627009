/** Runs a configuration script: from a file to a {@link Config} and a live {@link Policy}. */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";

import { Alerts, type AlertSink } from "../alerts/alerts.ts";
import { AlertChannels } from "../alerts/channels.ts";
import { BUILT_IN_COMMANDS, type Config, defaultConfig, RESERVED_COMMANDS } from "../config.ts";
import { Counters } from "../counters/counters.ts";
import { HASH_KEY_BYTES } from "../counters/keyed-hash.ts";
import { addCounterMetrics } from "../counters/metrics.ts";
import { History } from "../history/history.ts";
import { keptText } from "../history/row.ts";
import type { Log } from "../log/log.ts";
import { disk } from "../lua/disk.ts";
import { Engine, shortChunkName } from "../lua/engine.ts";
import { FileLayer } from "../lua/file-layer.ts";
import { alertChannelConfiguration } from "../lua/functions/alert-channels.ts";
import { consoleCommands } from "../lua/functions/console.ts";
import { counterConfiguration } from "../lua/functions/counters.ts";
import { daemonFunctions, startFunctions } from "../lua/functions/daemon.ts";
import { geoipConfiguration } from "../lua/functions/geoip.ts";
import { getHistory, newHistory } from "../lua/functions/history-config.ts";
import { outgoingConfiguration } from "../lua/functions/outgoing.ts";
import { policyFunctions } from "../lua/functions/policy.ts";
import { durationToSeconds, scheduleFunctions, unknownFunction } from "../lua/functions/schedule.ts";
import { addCustomStat, incCustomStat } from "../lua/functions/stats.ts";
import { runCustomWebHook, webhookConfiguration, webhookConsole } from "../lua/functions/webhooks.ts";
import { emptyPolicy, type Policy } from "../lua/policy.ts";
import { type HttpClient, HttpFailure, networkClient } from "../net/http-client.ts";
import { Outgoing } from "../net/outgoing.ts";
import { networkTcp, type TcpNetwork, unreachableTcp } from "../net/tcp.ts";
import { Metrics } from "../stats/metrics.ts";
import { Stats } from "../stats/stats.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { settleZone } from "../time/local-zone.ts";
import { networkAttempt } from "../webhooks/attempt.ts";
import { WebHookDelivery, type WebHookSink } from "../webhooks/delivery.ts";

export interface Loaded {
  config: Config;
  policy: Policy;
  engine: Engine;
  metrics: Metrics;
  stats: Stats;
  alerts: Alerts;
  channels: AlertChannels;
  /** In memory; a SnapshotFile saves them. */
  counters: Counters;
  /** Nothing is sent before it is opened. */
  webhooks: WebHookDelivery;
  /** To be loaded before them. */
  outgoing: Outgoing;
  /** Resolved when shutdown() has been called. */
  shutdown: Promise<void>;
}

/** The configuration cannot be used. The message begins with the file and, where there is one, the line. */
export class ConfigError extends Error {
  override name = "ConfigError";
  constructor(
    message: string,
    readonly traceback = "",
  ) {
    super(message);
  }
}

/** What stands in for everything outside. */
export interface Isolation {
  http: HttpClient;
  tcp: TcpNetwork;
  webhooks: WebHookSink;
  alerts: AlertSink;
  /** Whether alerts are kept and cooled; if not, they are counted alone. Asked each time. */
  keepsAlerts: () => boolean;
  /** What the policy remembers outlives it: for an import. */
  lasting?: boolean;
}

interface LoadOptions {
  clock: Clock;
  log: Log;
  /**
   * The configuration is only read: what the script prints, asks of other servers and sends goes nowhere, and files are
   * changed in memory. For the settings alone no GeoIP database is opened, and schedules may be wrong.
   */
  only?: "read" | "settings";
  /** For a replay: stands in for everything outside. Nothing is sent, and files are changed in memory. */
  isolation?: Isolation;
  /** See {@link Engine.create}. */
  luaMemory?: number | undefined;
  /** Takes what the script, and each file that it loads, compiles to. */
  onCompiled?: (chunk: ByteString) => void;
}

/** Two runs of a replay must be alike, wherever. */
const ISOLATED_HOST = "replay";
/** Seconds. */
const REPLAYED_BATCH = 3600;
const REPLAYED_ROUND = 86_400;
const READ_ONLY = "the configuration is only read";
const NO_SERVERS: HttpClient = { request: () => Promise.reject(new HttpFailure(READ_ONLY)) };

/**
 * @param file as the user named it, for messages
 * @throws {ConfigError}
 */
export async function loadConfig(file: string, options: LoadOptions): Promise<Loaded> {
  const { clock, log, only, isolation, luaMemory, onCompiled } = options;
  const path = resolve(file);
  const source = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`${file}: cannot be read: ${error.code ?? error.message}`);
  });
  const zoneProblem = settleZone();
  if (zoneProblem) log.warn(zoneProblem);
  const config = defaultConfig();
  const policy = emptyPolicy();
  const metrics = new Metrics();
  const stats = new Stats(clock, metrics, {
    commands: () => [...new Set([...BUILT_IN_COMMANDS, ...policy.endpoints.keys()])],
    custom: () => config.customStats,
  });
  const directory = dirname(path);
  const outgoing = new Outgoing(config.outgoing, () => config.webhooks.hooks.map(({ tls }) => tls));
  for (const problem of config.outgoing.proxies.problems) log.warn(problem);
  // In a replay two runs must be alike.
  const hashKey = isolation && !isolation.lasting ? new Uint8Array(HASH_KEY_BYTES) : undefined;
  const counters = new Counters(clock, hashKey);
  addCounterMetrics(metrics, counters);
  const engine = await Engine.create({
    clock,
    log,
    counters,
    directory,
    http: isolation?.http ?? (only ? NO_SERVERS : networkClient(clock, outgoing)),
    tcp: isolation?.tcp ?? (only ? unreachableTcp(READ_ONLY) : networkTcp(clock)),
    files: only || isolation ? new FileLayer(() => log.debug("files are changed in memory alone")) : disk,
    prints: isolation ? "to the log" : only && "nothing",
    sliced: !isolation,
    memory: luaMemory,
    onCompiled,
  });
  engine.tasks.limit = () => config.reportTimeout;
  const { promise: shutdown, resolve: requestShutdown } = Promise.withResolvers<void>();
  const { complaints } = engine;
  for (const definition of startFunctions(config, { log, complaints, directory })) engine.defineForStart(definition);
  // What a replay remembers nobody else reads, so nothing has to be written before it is asked for, or deleted in time; nor
  // does anybody while an import runs, over months of virtual time, but what it has read is to be written.
  const replayed = {
    ...(isolation && { round: REPLAYED_ROUND }),
    ...(isolation && !isolation.lasting && { batch: REPLAYED_BATCH }),
  };
  const hasHistory = (): boolean => engine.history !== undefined;
  engine.defineForStart(
    newHistory(
      (settings) => void (engine.history = new History({ ...settings, ...replayed }, { clock, log, metrics })),
      engine.historyObject,
      hasHistory,
    ),
  );
  engine.define(getHistory(engine.historyObject, hasHistory));
  for (const definition of [
    ...daemonFunctions(config),
    ...geoipConfiguration(engine.geoip, { log, complaints, directory, opens: only !== "settings" }),
    ...policyFunctions(policy, engine.state, RESERVED_COMMANDS),
    ...scheduleFunctions(config, policy, engine.state),
    ...webhookConfiguration(config.webhooks, log, directory),
    ...outgoingConfiguration(config.outgoing, directory),
    addCustomStat(config),
    ...counterConfiguration(counters, engine.output),
    ...consoleCommands({ config, policy, stats, output: engine.output, requestShutdown }),
  ]) {
    engine.defineForConfiguration(definition);
  }
  engine.define(incCustomStat(config, stats, clock, complaints));
  engine.define(durationToSeconds(complaints));
  const attempt = networkAttempt(config.webhooks, outgoing, clock);
  const webhooks = new WebHookDelivery(config.webhooks, { clock, log, metrics, attempt, random: Math.random });
  const channels = new AlertChannels({ clock, delivery: webhooks, channels: config.channels, key: () => config.key });
  const alerts = new Alerts({
    clock,
    log,
    metrics,
    host: isolation ? ISOLATED_HOST : hostname(),
    history: () => engine.history,
    sink: isolation?.alerts ?? channels,
    keeps: isolation?.keepsAlerts ?? (() => true),
  });
  engine.alerts = alerts;
  engine.channels = isolation ? undefined : channels;
  engine.defineForStart(alertChannelConfiguration(config, { outgoing, clock, log, directory }));
  engine.elsewhere.set("counters", (login) => counters.forget(login));
  engine.elsewhere.set("alerts", (login) => alerts.forget(keptText(login)));
  // After the alerts, of which some may be on their way there.
  engine.elsewhere.set("webhooks", (login) => webhooks.events.forget(login, ...channels.forget(login)));
  engine.define(runCustomWebHook(config.webhooks, isolation?.webhooks ?? webhooks, complaints));
  for (const definition of webhookConsole(webhooks, engine.output)) engine.defineForConfiguration(definition);
  try {
    await engine.runFile(source, file);
    if (only !== "settings") checkSchedules(config, policy);
  } catch (error) {
    engine.close();
    const { message, traceback } = error as { message: string; traceback?: string };
    const name = shortChunkName(file);
    const located = message.startsWith(`${name}:`) ? file + message.slice(name.length) : `${file}: ${message}`;
    throw new ConfigError(located, traceback);
  }
  return { config, policy, engine, metrics, stats, alerts, channels, counters, webhooks, outgoing, shutdown };
}

/** Why the control socket cannot be opened, if so. */
export const missingKey = ({ controlSocket, key, keyProblem }: Config): string | undefined =>
  controlSocket && !key
    ? `controlSocket: there is no key: ${keyProblem ?? "setKey() sets one, --make-key prints one"}`
    : undefined;

/** @throws {ConfigError} for a schedule whose function does not exist */
function checkSchedules({ schedules }: Config, policy: Policy): void {
  for (const schedule of schedules) {
    const problem = unknownFunction(schedule, policy);
    if (problem) throw new ConfigError(schedule.where + problem);
  }
}
