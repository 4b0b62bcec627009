/** Runs a configuration script: from a file to a {@link Config} and a live {@link Policy}. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { BUILT_IN_COMMANDS, type Config, defaultConfig } from "../config.ts";
import { Counters } from "../counters/counters.ts";
import { HASH_KEY_BYTES } from "../counters/keyed-hash.ts";
import type { Log } from "../log/log.ts";
import { Engine, shortChunkName } from "../lua/engine.ts";
import { consoleCommands } from "../lua/functions/console.ts";
import { counterConfiguration } from "../lua/functions/counters.ts";
import { daemonFunctions, startFunctions } from "../lua/functions/daemon.ts";
import { geoipConfiguration } from "../lua/functions/geoip.ts";
import { policyFunctions } from "../lua/functions/policy.ts";
import { durationToSeconds, scheduleFunctions, unknownFunction } from "../lua/functions/schedule.ts";
import { addCustomStat, incCustomStat } from "../lua/functions/stats.ts";
import { runCustomWebHook, webhookConfiguration, webhookConsole } from "../lua/functions/webhooks.ts";
import { emptyPolicy, type Policy } from "../lua/policy.ts";
import { type HttpClient, HttpFailure, networkClient } from "../net/http-client.ts";
import { Metrics } from "../stats/metrics.ts";
import { Stats } from "../stats/stats.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { settleZone } from "../time/local-zone.ts";
import { networkAttempt } from "../webhooks/attempt.ts";
import { WebHookDelivery, type WebHookSink } from "../webhooks/delivery.ts";
import { ReceiverTls } from "../webhooks/receiver-tls.ts";

export interface Loaded {
  config: Config;
  policy: Policy;
  engine: Engine;
  /** In memory; a SnapshotFile saves them. */
  counters: Counters;
  metrics: Metrics;
  stats: Stats;
  /** Nothing is sent before it is opened. */
  webhooks: WebHookDelivery;
  /** To be loaded before them. */
  receiverTls: ReceiverTls;
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

interface LoadOptions {
  clock: Clock;
  log: Log;
  /** Only reads what is configured: what the script prints, asks of other servers and sends goes nowhere. */
  inert?: boolean;
  /** For a replay: stands in for everything outside. Nothing is sent, and no file is changed. */
  isolation?: { http: HttpClient; webhooks: WebHookSink };
  /** Takes what the script, and each file that it loads, compiles to. */
  onCompiled?: (chunk: ByteString) => void;
}

/** For a script that is only read. */
const SILENCE = `
  local nowhere = assert(io.open("/dev/null", "w"))
  io.stdout = nowhere
  io.output(nowhere)
  function print() end`;
const NO_SERVERS: HttpClient = { request: () => Promise.reject(new HttpFailure("the configuration is only read")) };

/**
 * @param file as the user named it, for messages
 * @throws {ConfigError}
 */
export async function loadConfig(file: string, options: LoadOptions): Promise<Loaded> {
  const { clock, log, inert = false, isolation, onCompiled } = options;
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
    commands: () => [...BUILT_IN_COMMANDS, ...policy.endpoints.keys()],
    custom: () => config.customStats,
  });
  const directory = dirname(path);
  const http = isolation?.http ?? (inert ? NO_SERVERS : networkClient(clock));
  const counters = new Counters(clock, isolation && new Uint8Array(HASH_KEY_BYTES));
  const isolated = isolation !== undefined;
  const engine = await Engine.create({ clock, log, directory, http, counters, isolated, onCompiled });
  engine.tasks.limit = () => config.reportTimeout;
  const { promise: shutdown, resolve: requestShutdown } = Promise.withResolvers<void>();
  const { complaints } = engine;
  for (const definition of startFunctions(config, { log, complaints, directory })) engine.defineForStart(definition);
  for (const definition of [
    ...daemonFunctions(config),
    ...geoipConfiguration(engine.geoip, { log, complaints, directory }),
    ...policyFunctions(policy, engine.state, BUILT_IN_COMMANDS),
    ...scheduleFunctions(config, policy, engine.state),
    ...webhookConfiguration(config.webhooks, log, directory),
    ...counterConfiguration(counters, engine.output),
    addCustomStat(config),
    ...consoleCommands({ config, policy, stats, output: engine.output, requestShutdown }),
  ]) {
    engine.defineForConfiguration(definition);
  }
  engine.define(incCustomStat(config, stats, clock, complaints));
  engine.define(durationToSeconds(complaints));
  const receiverTls = new ReceiverTls(config.webhooks.tls);
  const attempt = networkAttempt(config.webhooks, receiverTls, clock);
  const webhooks = new WebHookDelivery(config.webhooks, { clock, log, metrics, attempt, random: Math.random });
  engine.define(runCustomWebHook(config.webhooks, isolation?.webhooks ?? webhooks, complaints));
  for (const definition of webhookConsole(webhooks, engine.output)) engine.defineForConfiguration(definition);
  try {
    if (inert) await engine.runFile(Buffer.from(SILENCE), "silence");
    await engine.runFile(source, file);
    checkSchedules(config, policy);
  } catch (error) {
    engine.close();
    const { message, traceback } = error as { message: string; traceback?: string };
    const name = shortChunkName(file);
    const located = message.startsWith(`${name}:`) ? file + message.slice(name.length) : `${file}: ${message}`;
    throw new ConfigError(located, traceback);
  }
  return { config, policy, engine, counters, metrics, stats, webhooks, receiverTls, shutdown };
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
