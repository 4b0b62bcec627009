/** Serves: from a configuration to a daemon that is told how it was started, what ends it, and where its lines go. */
import { dirname, resolve } from "node:path";

import { loadConfig } from "../configuration/load-config.ts";
import { type LocalConsole, openLocalConsole } from "../console/local.ts";
import { Level, Log, type LogSink, tracebackLines } from "../log/log.ts";
import { journalMark, StandardOutput, takesColours, terminalMark } from "../log/standard-output.ts";
import { Facility, Syslog } from "../log/syslog.ts";
import { isJournal, ServiceManager } from "../log/systemd.ts";
import type { ParseDevice } from "../login-tuple.ts";
import { Recorder } from "../replay/recorder.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import type { ServeOptions } from "./cli.ts";
import { Daemon } from "./daemon.ts";
import type { StartReport } from "./detach.ts";
import { openDevices } from "./devices.ts";
import { stopSignals } from "./stop-signals.ts";

const EXIT_FAILURE = 1;

/**
 * Runs the daemon until a signal, `shutdown()` or its own console ends it, and the process with it.
 * @param report is told when the daemon serves
 * @throws {ConfigError}, {RegexesFileError}, {RecordError} when it cannot start
 */
export async function serve(file: string, options: Omit<ServeOptions, "config">, report?: StartReport): Promise<void> {
  const { way, regexes, stamp, facility, level, verbose, record } = options;
  const clock = systemClock;
  const journal = isJournal(process.env);
  const mark = journal ? journalMark : process.stdout.isTTY ? terminalMark(takesColours(process.env)) : undefined;
  const output = new StandardOutput(clock, mark);
  let local: LocalConsole | undefined;
  const sink: LogSink = (line, level) =>
    local ? local.above(() => output.write(line, level)) : output.write(line, level);
  // The journal would have each line twice.
  const syslog = journal ? undefined : new Syslog(facility ?? Facility.daemon, clock);
  const log = new Log({ sink, level, verbose, stamp: stamp ? clock : undefined, syslog });
  if (journal && facility !== undefined)
    log.warn("-f has no effect under the journal: set SyslogFacility= in the unit");
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
  const { metrics } = loaded;
  const recorder = record && (await Recorder.open(record.file, { clock, log, metrics, redact: record.redact }));
  process.chdir(dirname(resolve(file)));
  // Before anyone hears that the daemon serves: from then on it ends in good order.
  let stopping = false;
  const signal = nextSignal(clock, log, () => stopping);
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

/** Resolves with the first SIGTERM or SIGINT. One of them while the daemon stops, for whatever reason, ends it at once. */
function nextSignal(clock: Clock, log: Log, stopping: () => boolean): Promise<NodeJS.Signals> {
  return new Promise((onStop) => {
    const onEnd = (signal: NodeJS.Signals): never => {
      log.warn(`${signal} received while stopping, ending at once`);
      process.exit(EXIT_FAILURE);
    };
    const onSignal = stopSignals({ clock, stopping, onStop, onEnd });
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => onSignal(signal));
  });
}
