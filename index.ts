#!/usr/bin/env bun
/** trackalert: reads the command line and runs what it asks for. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { type Options, readCommandLine, UsageError } from "./lib/cli.ts";
import { systemClock } from "./lib/clock.ts";
import { Daemon } from "./lib/daemon.ts";
import { DeviceParser } from "./lib/device/device.ts";
import { readRegexesFile, RegexesFileError } from "./lib/device/regexes-file.ts";
import { ConfigError, loadConfig } from "./lib/load-config.ts";
import { escapeControls, Log, standardOutput, tracebackLines } from "./lib/log.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

const DEFAULT_CONFIGS = [
  "/etc/wforce/trackalert.conf",
  "/etc/trackalert.conf",
  join(import.meta.dir, "conf", "trackalert.conf"),
];

try {
  const invocation = await readCommandLine(process.argv.slice(2));
  if (invocation.action === "print")
    console.log(process.stdout.isTTY ? invocation.text : Bun.stripANSI(invocation.text));
  else await serve(invocation.options);
} catch (error) {
  if (!(error instanceof UsageError || error instanceof ConfigError || error instanceof RegexesFileError)) throw error;
  console.error(error instanceof UsageError ? `trackalert: ${error.message}` : escapeControls(error.message));
  if (error instanceof ConfigError) for (const line of tracebackLines(error.traceback)) console.error(line);
  process.exit(error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE);
}

/** Runs the daemon until a signal ends it. */
async function serve({ config, regexes, stamp, level, verbose }: Options): Promise<void> {
  const file = config ?? DEFAULT_CONFIGS.find((path) => existsSync(path)) ?? DEFAULT_CONFIGS[0]!;
  const clock = systemClock;
  const log = new Log({ sink: standardOutput(), level, verbose, stamp: stamp ? clock : undefined });
  const devices = await openDevices(regexes, log);
  const loaded = await loadConfig(file, { clock, log });
  loaded.engine.tasks.onBroken = ({ message }) => {
    // Nothing that the state holds can be trusted: better a supervisor's restart than wrong verdicts.
    console.error(message);
    process.exit(EXIT_FAILURE);
  };
  process.chdir(dirname(resolve(file)));
  const daemon = await Daemon.start(loaded, { clock, log, parseDevice: (protocol, id) => devices.parse(protocol, id) });
  const reason = await Promise.race([nextSignal(), loaded.shutdown.then(() => "shutdown()")]);
  log.notice(`${reason} received, stopping`);
  await daemon.stop();
  log.notice("stopped");
  process.exit(0);
}

/** The parser of device ids, by the rules of `-R` if it was given. */
async function openDevices(regexes: string | undefined, log: Log): Promise<DeviceParser> {
  if (regexes === undefined) return new DeviceParser();
  const { rules, problems } = await readRegexesFile(regexes);
  for (const problem of problems) log.warn(problem);
  return new DeviceParser(rules);
}

/** Resolves with the first SIGTERM or SIGINT. A second one, of either kind, ends the process at once. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((received) => {
    let signals = 0;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => (signals++ === 0 ? received(signal) : process.exit(EXIT_FAILURE)));
    }
  });
}
