/** Reads the command line and runs what it asks for. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import { ConfigError } from "../configuration/load-config.ts";
import { ConsoleError } from "../console/answer.ts";
import { runClient } from "../console/client.ts";
import { ControlError } from "../control/session.ts";
import type { DeviceParser } from "../device/device.ts";
import { RegexesFileError } from "../device/regexes-file.ts";
import { importFiles } from "../import/program.ts";
import { escapeControls, Log, messageLines, tracebackLines } from "../log/log.ts";
import { takesColours } from "../log/standard-output.ts";
import { replay } from "../replay/program.ts";
import { RecordError } from "../replay/recorder.ts";
import { systemClock } from "../time/clock.ts";
import { formatCheck } from "./check-text.ts";
import { checkConfig } from "./check.ts";
import {
  type CheckOptions,
  type ClientOptions,
  type ImportCommand,
  readCommandLine,
  type ReplayCommand,
} from "./cli.ts";
import { detach, DetachError, StartReport } from "./detach.ts";
import { openDevices } from "./devices.ts";
import { UsageError } from "./getopt.ts";
import { formatInit, InitError, initialise } from "./init.ts";
import { serve } from "./serve.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Errors that say all there is to say; what else is thrown is a bug, and shows where. */
const EXPECTED = [
  UsageError,
  ConfigError,
  RegexesFileError,
  ControlError,
  ConsoleError,
  DetachError,
  RecordError,
  InitError,
];

/** That of index.ts, or of the executable that `bun run compile` makes. */
const PROGRAM_FOLDER = Bun.isStandaloneExecutable ? dirname(process.execPath) : join(import.meta.dir, "..", "..");

const DEFAULT_CONFIGS = [
  "/etc/wforce/trackalert.conf",
  "/etc/trackalert.conf",
  join(PROGRAM_FOLDER, "conf", "trackalert.conf"),
];

/**
 * Does what a command line asks for. The process ends with its exit code, unless there is nothing but a text to print.
 * @param args the words after the program's name
 */
export async function main(args: readonly string[]): Promise<void> {
  /** In the process that `-d` starts: tells the one that started it. */
  const report = StartReport.take();
  try {
    const program = await readCommandLine(args);
    if (program.action === "print") print(program.text);
    else if (program.action === "client") process.exit(await runConsole(program.options));
    else if (program.action === "replay") process.exit(await runReplay(program.options));
    else if (program.action === "import") process.exit(await runImport(program.options));
    else if (program.action === "init") console.log(formatInit(await initialise(program.folder)));
    else if (program.action === "check") process.exit(await check(program.options));
    else if (program.options.way === "detached" && !report) process.exit(await runDetached());
    else await serve(configFile(program.options.config), program.options, report);
  } catch (error) {
    if (!EXPECTED.some((kind) => error instanceof kind)) throw error;
    const lines = describe(error as Error);
    if (report) report.failed(lines.join("\n"));
    else for (const line of lines) console.error(line);
    process.exit(error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE);
  }
}

function print(text: string): void {
  console.log(process.stdout.isTTY && takesColours(process.env) ? text : Bun.stripANSI(text));
}

/** An expected error as lines fit to be shown. */
function describe(error: Error): string[] {
  if (error instanceof UsageError) return [`trackalert: ${error.message}`];
  // It was described by the process that failed.
  if (error instanceof DetachError) return error.message.split("\n");
  if (error instanceof ConfigError) return [...messageLines(error.message), ...tracebackLines(error.traceback)];
  return [escapeControls(error.message)];
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
async function check({ config, regexes, json, strict }: CheckOptions): Promise<number> {
  const outcome = await checkConfig(configFile(config), regexes, systemClock);
  const failed = outcome.errors.length > 0 || (strict && outcome.warnings.length > 0);
  console.log(json ? JSON.stringify(outcome, null, 2) : formatCheck(outcome, failed).join("\n"));
  if (!json) for (const line of outcome.errors.flatMap(messageLines)) console.error(line);
  return failed ? EXIT_FAILURE : 0;
}

/** @returns the exit code */
async function runImport({ files, config, regexes, ...options }: ImportCommand): Promise<number> {
  const devices = await openDevices(regexes, new Log({ sink: (line) => console.error(line) }));
  const isTerminal = process.stdout.isTTY && process.stderr.isTTY;
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  return importFiles(files, {
    ...options,
    config: configFile(config),
    clock: systemClock,
    signal: stop.signal,
    parseDevice: (protocol, id) => devices.parse(protocol, id),
    print: (line) => console.log(line),
    printAside: (line) => void process.stderr.write(`${line}\n`),
    draw: isTerminal ? (text) => void process.stderr.write(text) : undefined,
  });
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
    colours: isTerminal && takesColours(process.env),
    draw: isTerminal ? (text) => void process.stderr.write(text) : undefined,
  });
}

/** @returns the exit code */
async function runDetached(): Promise<number> {
  console.log(`trackalert serves as process ${await detach()}`);
  return 0;
}
