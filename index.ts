#!/usr/bin/env bun
/** trackalert: reads the command line and runs what it asks for. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { ConfigError, loadConfig } from "./lib/configuration/load-config.ts";
import { ConsoleError } from "./lib/console/answer.ts";
import { runClient } from "./lib/console/client.ts";
import { type LocalConsole, openLocalConsole } from "./lib/console/local.ts";
import { ControlError } from "./lib/control/session.ts";
import { DeviceParser } from "./lib/device/device.ts";
import { readRegexesFile, RegexesFileError } from "./lib/device/regexes-file.ts";
import { escapeControls, Level, Log, type LogSink, tracebackLines } from "./lib/log/log.ts";
import { StandardOutput } from "./lib/log/standard-output.ts";
import { Syslog } from "./lib/log/syslog.ts";
import { isJournal, ServiceManager } from "./lib/log/systemd.ts";
import type { ParseDevice } from "./lib/login-tuple.ts";
import { formatCheck } from "./lib/program/check-text.ts";
import { checkConfig } from "./lib/program/check.ts";
import {
  type CheckOptions,
  type ClientOptions,
  readCommandLine,
  type ReplayCommand,
  type ServeOptions,
  UsageError,
} from "./lib/program/cli.ts";
import { Daemon } from "./lib/program/daemon.ts";
import { detach, DetachError, StartReport } from "./lib/program/detach.ts";
import { replay } from "./lib/replay/program.ts";
import { Recorder, RecordError } from "./lib/replay/recorder.ts";
import { systemClock } from "./lib/time/clock.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Errors that say all there is to say; what else is thrown is a bug, and shows where. */
const EXPECTED = [UsageError, ConfigError, RegexesFileError, ControlError, ConsoleError, DetachError, RecordError];

/** That of this file, or of the executable that `bun run compile` makes. */
const PROGRAM_FOLDER = Bun.isStandaloneExecutable ? dirname(process.execPath) : import.meta.dir;

const DEFAULT_CONFIGS = [
  "/etc/wforce/trackalert.conf",
  "/etc/trackalert.conf",
  join(PROGRAM_FOLDER, "conf", "trackalert.conf"),
];

/** In the process that `-d` starts: tells the one that started it. */
const report = StartReport.take();

try {
  const program = await readCommandLine(process.argv.slice(2));
  if (program.action === "print") console.log(process.stdout.isTTY ? program.text : Bun.stripANSI(program.text));
  else if (program.action === "client") process.exit(await runConsole(program.options));
  else if (program.action === "replay") process.exit(await runReplay(program.options));
  else if (program.action === "check") process.exit(await check(program.options));
  else if (program.options.way === "detached" && !report) process.exit(await runDetached());
  else await serve(program.options);
} catch (error) {
  if (!EXPECTED.some((kind) => error instanceof kind)) throw error;
  const lines = describe(error as Error);
  if (report) report.failed(lines.join("\n"));
  else for (const line of lines) console.error(line);
  process.exit(error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE);
}

/** An expected error as lines fit to be shown. */
function describe(error: Error): string[] {
  if (error instanceof UsageError) return [`trackalert: ${error.message}`];
  // It was described by the process that failed.
  if (error instanceof DetachError) return error.message.split("\n");
  return [escapeControls(error.message), ...(error instanceof ConfigError ? tracebackLines(error.traceback) : [])];
}

/**
 * The configuration as it was named, or the default one.
 * @throws {ConfigError} when there is none
 */
function configFile(config: string | undefined): string {
  const file = config ?? DEFAULT_CONFIGS.find((path) => existsSync(path));
  if (file === undefined) throw new ConfigError(`no configuration: -C names one, else ${DEFAULT_CONFIGS.join(", ")}`);
  return file;
}

/** @returns the exit code */
async function runConsole({ config, execute, level, verbose }: ClientOptions): Promise<number> {
  const log = new Log({ sink: (line) => console.error(line), level, verbose });
  return runClient(configFile(config), execute, { clock: systemClock, log });
}

/** @returns the exit code */
async function check({ config, regexes, json }: CheckOptions): Promise<number> {
  const outcome = await checkConfig(configFile(config), regexes, systemClock);
  console.log(json ? JSON.stringify(outcome, null, 2) : formatCheck(outcome).join("\n"));
  if (!json) for (const error of outcome.errors) console.error(escapeControls(error));
  return outcome.errors.length === 0 ? 0 : EXIT_FAILURE;
}

/** @returns the exit code */
async function runReplay({ files, regexes, ...options }: ReplayCommand): Promise<number> {
  const log = new Log({ sink: (line) => console.error(line) });
  let devices: DeviceParser;
  try {
    devices = await openDevices(regexes, log);
  } catch (error) {
    if (!(error instanceof RegexesFileError)) throw error;
    console.error(escapeControls(error.message));
    return EXIT_USAGE;
  }
  const isTerminal = process.stdout.isTTY && process.stderr.isTTY;
  return replay(files, {
    ...options,
    parseDevice: (protocol, id) => devices.parse(protocol, id),
    print: (line) => console.log(line),
    // On a terminal Bun paints red what console.error writes.
    printAside: (line) => (isTerminal ? void process.stderr.write(`${line}\n`) : console.error(line)),
    draw: isTerminal ? (text) => void process.stderr.write(text) : undefined,
  });
}

/** @returns the exit code */
async function runDetached(): Promise<number> {
  console.log(`trackalert serves as process ${await detach()}`);
  return 0;
}

/** Runs the daemon until a signal ends it. */
async function serve({ config, way, regexes, stamp, facility, level, verbose, record }: ServeOptions): Promise<void> {
  const file = configFile(config);
  const clock = systemClock;
  const journal = isJournal(process.env);
  const output = new StandardOutput(clock, journal);
  let local: LocalConsole | undefined;
  const sink: LogSink = (line, level) =>
    local ? local.above(() => output.write(line, level)) : output.write(line, level);
  // The journal would have each line twice.
  const syslog = journal ? undefined : new Syslog(facility, clock);
  const log = new Log({ sink, level, verbose, stamp: stamp ? clock : undefined, syslog });
  const manager = new ServiceManager(way === "detached" ? {} : process.env, { clock, log });
  const die = (error: unknown): never => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    for (const line of tracebackLines(`internal error: ${text}`)) log.write(Level.crit, line);
    process.exit(EXIT_FAILURE);
  };
  process.on("uncaughtException", die).on("unhandledRejection", die);
  // Before the configuration is loaded, which may take long: a SIGHUP that nobody handles ends the process. One that comes
  // while the program itself is loaded, in its first tenth of a second, still does.
  let reload = (): void => {};
  process.on("SIGHUP", () => reload());
  const devices = await openDevices(regexes, log);
  const loaded = await loadConfig(file, { clock, log });
  // Nothing that the state holds can be trusted: better a supervisor's restart than wrong verdicts.
  loaded.engine.tasks.onBroken = die;
  const recorder =
    record && (await Recorder.open(record.file, { ...{ clock, log, metrics: loaded.metrics }, ...record }));
  process.chdir(dirname(resolve(file)));
  // Before anyone hears that the daemon serves: from then on it ends in good order.
  let stopping = false;
  const signal = nextSignal(log, () => stopping);
  const parseDevice: ParseDevice = (protocol, id) => devices.parse(protocol, id);
  const daemon = await Daemon.start(loaded, { clock, log, parseDevice, recorder });
  if (syslog?.open() === false) log.debug("nothing goes to syslog: no socket takes datagrams at /dev/log");
  manager.ready();
  report?.serves();
  reload = () => {
    manager.reloading();
    daemon.reload();
    manager.ready();
  };
  const reasons = [signal, loaded.shutdown.then(() => "shutdown()")];
  if (way === "console") reasons.push((local = openLocalConsole((chunk) => daemon.execute(chunk), log)).left);
  const reason = await Promise.race(reasons);
  local?.close();
  reload = () => {};
  stopping = true;
  manager.stopping();
  log.notice(`${reason} received, stopping`);
  await daemon.stop();
  log.notice("stopped");
  const lost = await output.flush();
  if (lost > 0) log.warn(`${lost} log lines are lost: standard output was not read`);
  await log.flush();
  process.exit(0);
}

/** The parser of device ids, by the rules of `-R` if it was given. */
async function openDevices(regexes: string | undefined, log: Log): Promise<DeviceParser> {
  if (regexes === undefined) return new DeviceParser();
  const { rules, problems } = await readRegexesFile(regexes);
  for (const problem of problems) log.warn(problem);
  return new DeviceParser(rules);
}

/** Resolves with the first SIGTERM or SIGINT. One of them while the daemon stops, for whatever reason, ends it at once. */
function nextSignal(log: Log, stopping: () => boolean): Promise<NodeJS.Signals> {
  return new Promise((received) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (!stopping()) return received(signal);
        log.warn(`${signal} received while stopping, ending at once`);
        process.exit(EXIT_FAILURE);
      });
    }
  });
}
