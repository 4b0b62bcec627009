/** Runs a configuration script: from a file to a {@link Config} and a live {@link Policy}. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import type { Clock } from "./clock.ts";
import { BUILT_IN_COMMANDS, type Config, defaultConfig, emptyPolicy, type Policy } from "./config.ts";
import type { Log } from "./log.ts";
import { Engine, shortChunkName } from "./lua/engine.ts";
import { daemonFunctions } from "./lua/functions/daemon.ts";
import { geoipConfiguration } from "./lua/functions/geoip.ts";
import { policyFunctions } from "./lua/functions/policy.ts";
import { durationToSeconds, scheduleFunctions } from "./lua/functions/schedule.ts";
import { addCustomStat, incCustomStat } from "./lua/functions/stats.ts";
import { runCustomWebHook, webhookConfiguration, webhookConsole } from "./lua/functions/webhooks.ts";
import { Metrics } from "./metrics.ts";
import { networkAttempt } from "./webhooks/attempt.ts";
import { WebHookDelivery } from "./webhooks/delivery.ts";

export interface Loaded {
  config: Config;
  policy: Policy;
  engine: Engine;
  metrics: Metrics;
  webhooks: WebHookDelivery;
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

/**
 * @param file as the user named it, for messages
 * @throws {ConfigError}
 */
export async function loadConfig(file: string, { clock, log }: { clock: Clock; log: Log }): Promise<Loaded> {
  const path = resolve(file);
  const source = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`${file}: cannot be read: ${error.code ?? error.message}`);
  });
  const config = defaultConfig();
  const policy = emptyPolicy();
  const metrics = new Metrics();
  const directory = dirname(path);
  const engine = await Engine.create({ clock, log, directory });
  engine.tasks.limit = () => config.reportTimeout;
  const { promise: shutdown, resolve: requestShutdown } = Promise.withResolvers<void>();
  for (const definition of [
    ...daemonFunctions(config, log, directory),
    ...geoipConfiguration(engine.geoip, { log, directory }),
    ...policyFunctions(policy, engine.state, BUILT_IN_COMMANDS),
    ...scheduleFunctions(config, policy, engine.state),
    ...webhookConfiguration(config.webhooks, log, directory),
    addCustomStat(config, metrics),
    { name: "shutdown", body: () => requestShutdown() },
  ]) {
    engine.defineForConfiguration(definition);
  }
  engine.define(incCustomStat(config, metrics, log));
  engine.define(durationToSeconds(log));
  const attempt = networkAttempt(config.webhooks, clock);
  const webhooks = new WebHookDelivery(config.webhooks, { clock, log, metrics, attempt, random: Math.random });
  engine.define(runCustomWebHook(config.webhooks, webhooks, log));
  for (const definition of webhookConsole(webhooks)) engine.define(definition);
  try {
    await engine.runFile(source, file);
    checkSchedules(config, policy);
  } catch (error) {
    engine.close();
    const { message, traceback } = error as { message: string; traceback?: string };
    const name = shortChunkName(file);
    const located = message.startsWith(`${name}:`) ? file + message.slice(name.length) : `${file}: ${message}`;
    throw new ConfigError(located, traceback);
  }
  return { config, policy, engine, metrics, webhooks, shutdown };
}

/** @throws {ConfigError} for a schedule whose function does not exist */
function checkSchedules({ schedules }: Config, { background }: Policy): void {
  for (const { name, where } of schedules) {
    if (background.has(name)) continue;
    throw new ConfigError(`${where}no background function is named ${JSON.stringify(name)}: setBackground() makes one`);
  }
}
