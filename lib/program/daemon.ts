/** The daemon: serves a loaded configuration until it is stopped. */
import { ConfigError, type Loaded, missingKey } from "../configuration/load-config.ts";
import { ControlServer } from "../control/server.ts";
import { SnapshotFile } from "../counters/snapshot-file.ts";
import { storeOf } from "../history/place.ts";
import { HttpServer } from "../http/server.ts";
import { LogFlood } from "../log/log-flood.ts";
import type { Log } from "../log/log.ts";
import type { ParseDevice } from "../login-tuple.ts";
import { addEngineMetrics } from "../lua/metrics.ts";
import { backgroundLabel, endpointLabel, policyFailed } from "../lua/policy-failure.ts";
import { DescriptorWatch } from "../net/descriptors.ts";
import { apart, formatListener, type HttpListener, type Listener } from "../net/listener.ts";
import type { Recorder } from "../replay/recorder.ts";
import { InUseError, StateLock } from "../sqlite/lock.ts";
import { logStats } from "../stats/log.ts";
import { addProcessMetrics, fewFiles, mostFiles } from "../stats/process.ts";
import { formatAmounts } from "../text/amounts.ts";
import type { ByteString } from "../text/byte-string.ts";
import { Background } from "../time/background.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import { Ongoing } from "../time/ongoing.ts";
import type { Schedule } from "../time/schedule.ts";

/** Milliseconds that what runs gets to end when the daemon stops; together less than TimeoutStopSec in conf/. */
const STOP_BOUND = 10_000;
/** Milliseconds after that, for peers to take their answers. */
const PEERS_BOUND = 1000;
/** Milliseconds after that, for alerts of which the history is still asked. */
const ALERTS_BOUND = 3000;
/** Milliseconds after that, for webhooks. */
const WEBHOOKS_BOUND = 5000;
/** Milliseconds after that, for the history to write what waits. */
const HISTORY_BOUND = 5000;

/** Milliseconds, beside those for webhooks, for the snapshot of counters. */
const SNAPSHOT_BOUND = 5000;

/** What the daemon is given besides its configuration. */
interface Ports {
  clock: Clock;
  log: Log;
  parseDevice: ParseDevice;
  /** Records the reports. The daemon closes it. */
  recorder?: Recorder | undefined;
}

/** A folder that cannot be used is told by those who need it. @throws {InUseError} */
function takeLock(folder: string | undefined): StateLock | undefined {
  try {
    return folder === undefined ? undefined : StateLock.take(folder);
  } catch (error) {
    if (error instanceof InUseError) throw error;
    return undefined;
  }
}

export class Daemon {
  private readonly log: Log;
  private readonly http: HttpServer;
  private readonly background: Background;
  private readonly control: ControlServer;
  private readonly chunks = new Ongoing();
  private readonly flood: LogFlood;
  private snapshot: SnapshotFile | undefined;
  private readonly endStatsLog: CancelTimer;
  private descriptors: DescriptorWatch | undefined;
  private stateLock: StateLock | undefined;
  private ready = false;
  private stopping: Promise<void> | undefined;

  private constructor(
    private readonly loaded: Loaded,
    private readonly ports: Ports,
  ) {
    const { clock, log, parseDevice, recorder } = ports;
    this.log = log;
    const ready = (): boolean => this.ready;
    const record = recorder && recorder.record.bind(recorder);
    const flood = new LogFlood(ports);
    this.flood = flood;
    this.http = new HttpServer({ ...loaded, clock, log, flood, parseDevice, record, ready });
    this.control = new ControlServer({
      clock,
      log,
      flood,
      key: () => loaded.config.key!,
      run: (chunk) => this.execute(chunk),
    });
    const most = (): number => loaded.config.backgroundTasks;
    this.background = new Background({ clock, warn: log.warn, most, run: (name) => this.runBackground(name) });
    const { background, endpoints } = loaded.policy;
    const { luaErrors } = loaded.metrics;
    luaErrors.declare("report");
    for (const name of background.keys()) luaErrors.declare(backgroundLabel(name));
    for (const name of endpoints.keys()) luaErrors.declare(endpointLabel(name));
    addProcessMetrics(loaded.metrics, clock);
    addEngineMetrics(loaded.metrics, loaded.engine);
    this.endStatsLog = logStats(loaded.stats, { clock, log });
  }

  /**
   * Opens the listeners and the control socket, and begins to deliver webhooks.
   * @throws {ConfigError} when one cannot be bound, the control socket has no key, the certificates for other servers cannot be
   * used, or another process uses the state directory; those already open are closed again
   */
  static async start(loaded: Loaded, ports: Ports): Promise<Daemon> {
    const { config } = loaded;
    const noKey = missingKey(config);
    if (noKey) throw new ConfigError(noKey);
    const daemon = new Daemon(loaded, ports);
    const { log } = ports;
    try {
      loaded.outgoing.load();
      await daemon.openHistory();
      const { controlSocket, listeners } = config;
      const all = [...listeners, ...(controlSocket ? [controlSocket] : [])];
      for (const listener of listeners) daemon.http.listeners.listen(apart(listener, all));
      if (controlSocket) daemon.control.listen(apart(controlSocket, all));
      daemon.stateLock = takeLock(config.stateDir);
    } catch (error) {
      daemon.endStatsLog();
      daemon.flood.close();
      await daemon.http.listeners.cut();
      daemon.control.cut();
      await ports.recorder?.close();
      await loaded.engine.history?.close();
      throw new ConfigError((error as Error).message);
    }
    if (config.stateDir !== undefined) daemon.snapshot = SnapshotFile.open(config.stateDir, loaded.counters, ports);
    loaded.webhooks.open(config.stateDir);
    void loaded.alerts.open();
    if (!config.webserverPassword) log.warn("no password: requests that need one are refused (setWebserverPassword)");
    const files = fewFiles(config.maxWebserverConns);
    if (files) log.warn(files);
    for (const address of daemon.addresses) {
      log.notice(`listening on ${formatListener(address)}${address.tls ? " with TLS" : ""}`);
    }
    if (daemon.controlAddress) log.notice(`control socket on ${formatListener(daemon.controlAddress)}`);
    if (config.listeners.length === 0) log.warn("no listener: nothing is served (addListener)");
    config.schedules.start((schedule) => daemon.schedule(schedule));
    const most = mostFiles;
    daemon.descriptors = new DescriptorWatch([daemon.http.listeners, daemon.control], {
      ...ports,
      flood: daemon.flood,
      most,
    });
    daemon.ready = true;
    return daemon;
  }

  /** Where the daemon listens, with the real port where 0 was asked for. */
  get addresses(): HttpListener[] {
    return this.http.listeners.addresses;
  }

  /** Where the control socket is, if there is one, with the real port. */
  get controlAddress(): Listener | undefined {
    return this.control.address;
  }

  /** Runs a chunk of the console and gives its answer, whichever way it came. */
  async execute(chunk: ByteString): Promise<ByteString> {
    this.chunks.begin();
    try {
      return await this.loaded.engine.runConsole(chunk);
    } finally {
      this.chunks.end();
    }
  }

  /** Opens GeoIP databases, certificates and the log anew. What cannot be opened stays as it was, which is logged. */
  reload(): void {
    const { geoip } = this.loaded.engine;
    this.log.reopen();
    this.ports.recorder?.reopen();
    const [all, failures] = [geoip.all.size, geoip.reload().length];
    const certificates = this.http.listeners.reloadCertificates();
    try {
      this.loaded.outgoing.load();
    } catch (error) {
      this.log.error(`certificates for other servers not replaced: ${(error as Error).message}`);
    }
    const databases = `${all - failures} of ${all} GeoIP databases`;
    const recording = this.ports.recorder ? " the recording," : "";
    this.log.notice(
      `reloaded: the log,${recording} ${databases}, ${certificates.current} of ${certificates.all} certificates`,
    );
  }

  /** Stops accepting, lets what runs and then webhooks end within bounds, says what did not, and frees the Lua state. */
  stop(): Promise<void> {
    return (this.stopping ??= this.end());
  }

  private async end(): Promise<void> {
    const { engine, webhooks } = this.loaded;
    const { listeners } = this.http;
    this.ready = false;
    this.endStatsLog();
    this.descriptors?.stop();
    let connected = true;
    const peers = Promise.all([listeners.stop(), this.control.stop()]).then(() => void (connected = false));
    const awaited = formatAmounts({ ...this.running, webhook: webhooks.events.queue.size });
    if (awaited) this.log.notice(`waiting for ${awaited}`);
    await this.isOver(this.endTasks(peers), STOP_BOUND);
    const running = formatAmounts(this.running);
    if (running) this.log.warn(`cut off after ${STOP_BOUND / 1000} s: ${running}`);
    else if (connected) {
      this.log.warn("connections were cut: their peers did not finish a request or take an answer");
    }
    await listeners.cut();
    this.control.cut();
    this.flood.close();
    engine.tasks.close();
    // What they still tell is sent, too.
    if (!(await this.isOver(this.loaded.alerts.close(), ALERTS_BOUND))) {
      this.log.warn(`alerts not settled within ${ALERTS_BOUND / 1000} s: the history does not answer`);
    }
    this.loaded.channels.close();
    const saved = this.isOver(this.snapshot?.close() ?? Promise.resolve(), SNAPSHOT_BOUND);
    if (!(await this.isOver(webhooks.drain(), WEBHOOKS_BOUND))) {
      const left = formatAmounts({ webhook: webhooks.events.queue.size });
      this.log.warn(`not delivered within ${WEBHOOKS_BOUND / 1000} s: ${left}`);
    }
    webhooks.close();
    if (!(await saved)) this.log.warn(`counters not saved within ${SNAPSHOT_BOUND / 1000} s`);
    await this.ports.recorder?.close();
    await this.closeHistory();
    engine.close();
    this.stateLock?.[Symbol.dispose]();
  }

  /** @throws when it cannot be used before somebody mends it */
  private async openHistory(): Promise<void> {
    const { engine, config } = this.loaded;
    const { history } = engine;
    if (!history) return;
    try {
      await history.open(storeOf(history.settings, { ...this.ports, stateDir: config.stateDir }));
    } catch (error) {
      throw new Error(`${history.settings.where}${(error as Error).message}`);
    }
  }

  private async closeHistory(): Promise<void> {
    const { history } = this.loaded.engine;
    if (!history) return;
    if (!(await this.isOver(history.close(), HISTORY_BOUND))) void history.cut();
    const left = formatAmounts({ row: history.waitingRows });
    if (left) this.log.error(`history: ${left} could not be written and are lost`);
  }

  /** Lets all that runs end, and peers take their answers. */
  private async endTasks(peers: Promise<unknown>): Promise<void> {
    const tasks = (): Promise<unknown> =>
      Promise.all([this.background.stop(), this.http.inFlight.ended(), this.chunks.ended()]);
    do {
      await tasks();
      await this.isOver(peers, PEERS_BOUND);
      // A peer may have sent the rest of its request in the meantime.
    } while (formatAmounts(this.running) !== "");
  }

  /** What a stop waits for, webhooks left out. */
  private get running(): Record<string, number> {
    const [requests, chunks] = [this.http.inFlight.count, this.chunks.count];
    return { request: requests, "background function": this.background.active, "console chunk": chunks };
  }

  /** @returns whether it is over within so many milliseconds */
  private async isOver(work: Promise<unknown>, bound: number): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const cancel = this.ports.clock.after(bound, () => resolve(false));
    const over = await Promise.race([work.then(() => true), late]);
    cancel();
    return over;
  }

  private schedule(schedule: Schedule): void {
    for (const status of ["ok", "error"]) this.loaded.metrics.backgroundRuns.declare(schedule.name, status);
    this.background.add(schedule);
  }

  private async runBackground(name: string): Promise<void> {
    const { engine, metrics, policy } = this.loaded;
    const background = policy.background.get(name);
    if (background === undefined) return;
    try {
      await engine.runBackground(background);
      metrics.backgroundRuns.increment(name, "ok");
    } catch (error) {
      metrics.backgroundRuns.increment(name, "error");
      policyFailed({ ...this.loaded, log: this.log }, backgroundLabel(name), `background function ${name}`, error);
    }
  }
}
