/** The daemon: serves a loaded configuration until it is stopped. */
import { Background } from "./background.ts";
import type { ByteString } from "./byte-string.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { formatListener, type HttpListener, type Listener } from "./config.ts";
import { ControlServer } from "./control/server.ts";
import type { Listeners } from "./http/listeners.ts";
import { HttpServer } from "./http/server.ts";
import { ConfigError, type Loaded, missingKey } from "./load-config.ts";
import type { Log } from "./log.ts";
import type { ParseDevice } from "./login-tuple.ts";
import { policyFailed } from "./policy-failure.ts";
import type { Schedule } from "./schedule.ts";
import { logStats } from "./stats/log.ts";
import { addEngineMetrics, addProcessMetrics } from "./stats/process.ts";

/** Milliseconds that requests in flight get to end when the daemon stops. */
const STOP_BOUND = 10_000;

/** What the daemon is given besides its configuration. */
interface Ports {
  clock: Clock;
  log: Log;
  parseDevice: ParseDevice;
}

export class Daemon {
  private readonly log: Log;
  private readonly http: Listeners;
  private readonly background: Background;
  private readonly control: ControlServer;
  private readonly endStatsLog: CancelTimer;
  private ready = false;
  private stopping: Promise<void> | undefined;

  private constructor(
    private readonly loaded: Loaded,
    private readonly ports: Ports,
  ) {
    const { clock, log, parseDevice } = ports;
    this.log = log;
    const ready = (): boolean => this.ready;
    this.http = new HttpServer({ ...loaded, clock, log, parseDevice, ready }).listeners;
    this.control = new ControlServer({
      clock,
      log,
      key: () => loaded.config.key!,
      run: (chunk) => this.execute(chunk),
    });
    const most = (): number => loaded.config.backgroundTasks;
    this.background = new Background({ clock, log, most, run: (name) => this.runBackground(name) });
    const { background, endpoints } = loaded.policy;
    for (const name of ["report", ...background.keys(), ...endpoints.keys()]) loaded.metrics.luaErrors.declare(name);
    addProcessMetrics(loaded.metrics, clock);
    addEngineMetrics(loaded.metrics, loaded.engine);
    this.endStatsLog = logStats(loaded.stats, { clock, log });
  }

  /**
   * Opens the listeners and the control socket, and begins to deliver webhooks.
   * @throws {ConfigError} when one cannot be bound, the control socket has no key, or the certificates for webhooks cannot be
   * used; those already open are closed again
   */
  static async start(loaded: Loaded, ports: Ports): Promise<Daemon> {
    const { config } = loaded;
    const noKey = missingKey(config);
    if (noKey) throw new ConfigError(noKey);
    const daemon = new Daemon(loaded, ports);
    const { log } = ports;
    try {
      loaded.receiverTls.load();
      for (const listener of config.listeners) daemon.http.listen(listener);
      if (config.controlSocket) daemon.control.listen(config.controlSocket);
    } catch (error) {
      daemon.endStatsLog();
      await daemon.http.cut();
      daemon.control.cut();
      throw new ConfigError((error as Error).message);
    }
    loaded.webhooks.open(config.stateDir);
    if (!config.webserverPassword) log.warn("no password: requests that need one are refused (setWebserverPassword)");
    for (const address of daemon.addresses) {
      log.notice(`listening on ${formatListener(address)}${address.tls ? " with TLS" : ""}`);
    }
    if (daemon.controlAddress) log.notice(`control socket on ${formatListener(daemon.controlAddress)}`);
    if (config.listeners.length === 0) log.warn("no listener: nothing is served (addListener)");
    config.schedules.start((schedule) => daemon.schedule(schedule));
    daemon.ready = true;
    return daemon;
  }

  /** Where the daemon listens, with the real port where 0 was asked for. */
  get addresses(): HttpListener[] {
    return this.http.addresses;
  }

  /** Where the control socket is, if there is one, with the real port. */
  get controlAddress(): Listener | undefined {
    return this.control.address;
  }

  /** Runs a chunk of the console and gives its answer, whichever way it came. */
  execute(chunk: ByteString): Promise<ByteString> {
    return this.loaded.engine.runConsole(chunk);
  }

  /** Opens GeoIP databases, certificates and the log anew. What cannot be opened stays as it was, which is logged. */
  reload(): void {
    const { geoip } = this.loaded.engine;
    this.log.reopen();
    const [all, failures] = [geoip.all.size, geoip.reload().length];
    this.http.reloadCertificates();
    try {
      this.loaded.receiverTls.load();
    } catch (error) {
      this.log.error(`certificates for webhooks not replaced: ${(error as Error).message}`);
    }
    this.log.notice(`reloaded: the log, and ${all - failures} of ${all} GeoIP databases`);
  }

  /** Stops accepting, lets requests, background functions and webhooks end within a bound, and frees the Lua state. */
  stop(): Promise<void> {
    return (this.stopping ??= this.end());
  }

  private async end(): Promise<void> {
    this.ready = false;
    this.endStatsLog();
    const { inFlight } = this.http;
    if (inFlight > 0) this.log.notice(`stopping; waiting for ${inFlight} requests in flight`);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.ports.clock.after(STOP_BOUND, resolve);
    const tasks = Promise.all([this.http.stop(), this.background.stop(), this.control.stop()]);
    await Promise.race([tasks.then(() => this.loaded.webhooks.drain()), late]);
    cancel();
    await this.http.cut();
    this.control.cut();
    this.loaded.engine.close();
    this.loaded.webhooks.close();
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
      policyFailed({ ...this.loaded, log: this.log }, name, `background function ${name}`, error);
    }
  }
}
