/**
 * The command line: options as getopt takes them, help, and mistakes.
 *
 * citty knows the options and writes the help; getopt.ts brings them into the form that it understands, and a clear "no" to
 * options that exclude each other is said here.
 */
import { type ArgsDef, type CommandDef, parseArgs, renderUsage } from "citty";

import { version } from "../../package.json";
import { keyLine } from "../control/key.ts";
import { Level } from "../log/log.ts";
import { Facility } from "../log/syslog.ts";
import { LOG_FORMATS, type LogFormat } from "../traffic/format.ts";
import { expandOptions, type OptionSyntax, UsageError } from "./getopt.ts";

const ARGS = {
  client: {
    type: "string",
    alias: "c",
    valueHint: "FILE",
    description: "Console of the daemon that the configuration names; FILE may be left out",
  },
  execute: {
    type: "string",
    alias: "e",
    valueHint: "CMD",
    description: "Run CMD on the daemon and print the answer; - reads it from standard input",
  },
  config: {
    type: "string",
    alias: "C",
    valueHint: "FILE",
    description: "The configuration; its folder becomes the working directory",
  },
  regexes: {
    type: "string",
    alias: "R",
    valueHint: "FILE",
    description: "User-agent regexes, in the format of uap-core's regexes.yaml",
  },
  systemd: { type: "boolean", alias: "s", description: "Foreground, no console, for a supervisor" },
  docker: { type: "boolean", alias: "D", description: "Foreground, no console, each log line stamped with the time" },
  daemon: { type: "boolean", alias: "d", description: "Detach from the terminal; returns when the daemon serves" },
  facility: {
    type: "string",
    alias: "f",
    valueHint: "NAME",
    description: "Syslog facility: kern, user, mail, local0 and the like; daemon unless given",
  },
  loglevel: {
    type: "string",
    alias: "l",
    valueHint: "N",
    description: "0 (emerg) to 7 (debug): what reaches standard output; 6 unless given",
  },
  verbose: { type: "boolean", alias: "v", description: "Debug level, and the verbose Lua log functions speak" },
  "check-config": { type: "boolean", description: "Load everything, open nothing, print what there is; exit 0 or 1" },
  strict: { type: "boolean", description: "With --check-config: exit 1 when there are warnings, too" },
  replay: {
    type: "string",
    valueHint: "FILE…",
    description: "Run fixtures, or all below a folder: recorded traffic through a configuration, with nothing sent",
  },
  run: { type: "string", valueHint: "REGEX", description: "With --replay: only fixtures whose name matches" },
  junit: { type: "string", valueHint: "FILE", description: "With --replay: results as JUnit's XML, too" },
  update: {
    type: "string",
    valueHint: "all",
    description: "With --replay: write what happened into fixtures that fail; =all also removes expectations",
  },
  import: {
    type: "string",
    valueHint: "FILE…",
    description: "Teach the memory from recorded traffic or log files, each once however often it is named",
  },
  format: {
    type: "string",
    valueHint: "NAME",
    description: "With --import: dovecot or sshd, for log files; JSON lines unless given",
  },
  year: {
    type: "string",
    valueHint: "N",
    description: "With --import: of a log's first line; unless given the newest that is not in the future",
  },
  json: { type: "boolean", description: "Print the outcome of --check-config or --replay as JSON" },
  record: {
    type: "string",
    valueHint: "FILE",
    description: "Append each accepted report to FILE, one JSON object a line, ready to replay",
  },
  "record-redact": {
    type: "boolean",
    description: "With --record: no password hashes, keyed hashes instead of logins and addresses",
  },
  init: {
    type: "string",
    valueHint: "DIR",
    description: "Write a configuration, its secrets and the reference into DIR, once: what is there stays as it is",
  },
  "make-key": { type: "boolean", description: "Print a setKey() line with a new key and exit" },
  help: { type: "boolean", alias: "h", description: "Print this and exit" },
  version: { type: "boolean", description: "Print the version and exit" },
} satisfies ArgsDef;

const COMMAND: CommandDef<typeof ARGS> = {
  meta: {
    name: "trackalert",
    version,
    description: "Receives wforce login reports, runs a Lua policy on each, and alerts on long-term abuse",
  },
  args: ARGS,
};

const SYNTAX: OptionSyntax = {
  options: ARGS,
  optional: new Set(["client"]),
  joined: new Set(["update"]),
  files: new Set(["replay", "import"]),
};

/** Ways to run; an option of one way excludes those of the others. */
const WAYS = [
  ["client", "execute"],
  ["check-config"],
  ["replay"],
  ["import"],
  ["init"],
  ["daemon"],
  ["systemd", "docker"],
] as const;
const SERVING: ReadonlySet<string> = new Set(["daemon", "systemd", "docker"]);

/** Options that need one of others. */
const COMPANIONS = [
  ["json", ["check-config", "replay"]],
  ["strict", ["check-config"]],
  ["run", ["replay"]],
  ["junit", ["replay"]],
  ["update", ["replay"]],
  ["format", ["import"]],
  ["year", ["import"]],
  ["record-redact", ["record"]],
] as const;

interface CommonOptions {
  /** Undefined: the first default that exists. */
  config: string | undefined;
  level: Level;
  verbose: boolean;
}

export interface ServeOptions extends CommonOptions {
  /** With a console on the terminal, without one for a supervisor, or as a process of its own. */
  way: "console" | "supervised" | "detached";
  /** A regexes.yaml for user agents. */
  regexes: string | undefined;
  stamp: boolean;
  /** What syslog files the lines under; undefined unless given. */
  facility: Facility | undefined;
  /** Where reports are recorded. */
  record: { file: string; redact: boolean } | undefined;
}

export interface ClientOptions extends CommonOptions {
  /** What to run, `-` for standard input; undefined for a console. */
  execute: string | undefined;
}

export interface CheckOptions extends Pick<ServeOptions, "config" | "regexes"> {
  json: boolean;
  /** Warnings are a failure. */
  strict: boolean;
}

export interface ReplayCommand {
  /** At least one. */
  files: string[];
  run: RegExp | undefined;
  json: boolean;
  junit: string | undefined;
  /** What may become of fixtures that fail; undefined: they stay as they are. */
  update: "mend" | "all" | undefined;
  verbose: boolean;
  regexes: string | undefined;
}

export interface ImportCommand extends Pick<CommonOptions, "config" | "verbose"> {
  /** At least one. */
  files: string[];
  /** Undefined: JSON lines. */
  format: LogFormat | undefined;
  year: number | undefined;
  regexes: string | undefined;
}

type Program =
  | { action: "print"; text: string }
  | { action: "replay"; options: ReplayCommand }
  | { action: "import"; options: ImportCommand }
  | { action: "serve"; options: ServeOptions }
  | { action: "client"; options: ClientOptions }
  | { action: "check"; options: CheckOptions }
  | { action: "init"; folder: string };

/** @throws {UsageError} */
export async function readCommandLine(args: readonly string[]): Promise<Program> {
  const { words, files } = expandOptions(args, SYNTAX);
  const parsed = parseArgs<typeof ARGS>(words, ARGS);
  if (parsed.help) return { action: "print", text: await renderUsage(COMMAND) };
  if (parsed.version) return { action: "print", text: `trackalert ${version}` };
  if (parsed["make-key"]) return { action: "print", text: keyLine() };
  const [way, other] = WAYS.map((names) => names.find((name) => parsed[name] !== undefined)).filter(Boolean);
  if (other) throw new UsageError(`options --${way} and --${other} exclude each other`);
  for (const [name, companions] of COMPANIONS) {
    if (parsed[name] === undefined || companions.some((companion) => parsed[companion] !== undefined)) continue;
    throw new UsageError(`option --${name} needs ${companions.map((companion) => `--${companion}`).join(" or ")}`);
  }
  const { client, execute, config, regexes, record, json = false, strict = false, verbose = false } = parsed;
  if (record !== undefined && way !== undefined && !SERVING.has(way)) {
    throw new UsageError(`options --record and --${way} exclude each other`);
  }
  if (way === "replay") {
    if (config) throw new UsageError("option --replay takes no --config: the fixture names its configuration");
    const run = parsed.run === undefined ? undefined : readRegExp(parsed.run);
    const { junit } = parsed;
    const update = readUpdate(parsed.update);
    return { action: "replay", options: { files, run, json, junit, update, verbose, regexes } };
  }
  if (way === "import") {
    const format = readFormat(parsed.format);
    const year = readYear(parsed.year, format);
    return { action: "import", options: { files, config, format, year, verbose, regexes } };
  }
  if (files.length > 0) throw new UsageError(`unexpected argument '${files[0]}'`);
  if (way === "init") {
    if (config) throw new UsageError("option --init takes no --config: it writes one");
    if (parsed.init === "") throw new UsageError("option --init needs a folder");
    return { action: "init", folder: parsed.init! };
  }
  if (way === "check-config") return { action: "check", options: { config, regexes, json, strict } };
  if (way === "client" || way === "execute") {
    // To run one of two commands would look as if both had run.
    if (words.filter((word) => word.startsWith("--execute=")).length > 1) {
      throw new UsageError("option --execute is given twice: put both commands into one");
    }
    if (client && config) throw new UsageError("options --client and --config name a configuration each: give one");
    // Two settings of the configuration are needed: its faults are the daemon's to tell, unless they are asked for.
    const level = readLevel(parsed.loglevel, Level.emerg);
    return { action: "client", options: { config: client || config, execute, level, verbose } };
  }
  return {
    action: "serve",
    options: {
      config,
      way: way === undefined ? "console" : way === "daemon" ? "detached" : "supervised",
      regexes,
      stamp: parsed.docker ?? false,
      facility: readFacility(parsed.facility),
      level: readLevel(parsed.loglevel, Level.info),
      verbose,
      record: record === undefined ? undefined : { file: record, redact: parsed["record-redact"] ?? false },
    },
  };
}

function readLevel(text: string | undefined, standard: Level): Level {
  if (text === undefined) return standard;
  if (!/^[0-7]$/.test(text)) throw new UsageError(`option -l: level from 0 to 7 expected, got '${text}'`);
  return Number(text) as Level;
}

function readRegExp(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`option --run: ${(error as Error).message}`);
  }
}

function readUpdate(text: string | undefined): ReplayCommand["update"] {
  if (text === undefined) return undefined;
  if (text === "") return "mend";
  if (text === "all") return "all";
  throw new UsageError(`option --update: nothing or =all expected, got '${text}'`);
}

function readFormat(text: string | undefined): LogFormat | undefined {
  const format = LOG_FORMATS.find((name) => name === text);
  if (text === undefined || format) return format;
  throw new UsageError(`option --format: ${LOG_FORMATS.join(" or ")} expected, got '${text}'`);
}

function readYear(text: string | undefined, format: LogFormat | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^20\d\d$/.test(text)) throw new UsageError(`option --year: a year such as 2026 expected, got '${text}'`);
  if (format === undefined) throw new UsageError("option --year needs --format: other lines have their years");
  return Number(text);
}

function readFacility(name: string | undefined): Facility | undefined {
  if (name === undefined) return undefined;
  if (Object.hasOwn(Facility, name)) return Facility[name as keyof typeof Facility];
  throw new UsageError(`option -f: one of ${Object.keys(Facility).join(" ")} expected, got '${name}'`);
}
