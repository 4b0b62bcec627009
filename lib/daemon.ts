/** The daemon: serves a loaded configuration until it is stopped. */
import { Background } from "./background.ts";
import type { Clock } from "./clock.ts";
import { formatListener, type Listener } from "./config.ts";
import { HttpServer } from "./http/server.ts";
import { ConfigError, type Loaded } from "./load-config.ts";
import type { Log } from "./log.ts";
import type { ParseDevice } from "./login-tuple.ts";
import { policyFailed } from "./policy-failure.ts";

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
  private readonly http: HttpServer;
  private readonly background: Background;
  private ready = false;

  private constructor(
    private readonly loaded: Loaded,
    private readonly ports: Ports,
  ) {
    const { clock, log, parseDevice } = ports;
    this.log = log;
    const ready = (): boolean => this.ready;
    this.http = new HttpServer({ ...loaded, clock, log, parseDevice, ready });
    const most = (): number => loaded.config.backgroundTasks;
    this.background = new Background({ clock, log, most, run: (name) => this.runBackground(name) });
  }

  /**
   * Opens the listeners, and begins to deliver webhooks.
   * @throws {ConfigError} when one cannot be bound; those already open are closed again
   */
  static async start(loaded: Loaded, ports: Ports): Promise<Daemon> {
    const daemon = new Daemon(loaded, ports);
    const { log } = ports;
    const { config } = loaded;
    try {
      for (const listener of config.listeners) daemon.http.listen(listener);
    } catch (error) {
      await daemon.http.cut();
      throw new ConfigError((error as Error).message);
    }
    loaded.webhooks.open(config.stateDir);
    if (!config.webserverPassword) log.warn("no password: requests that need one are refused (setWebserverPassword)");
    if (config.controlSocket) log.warn("the control socket is not served by this version yet (controlSocket)");
    for (const address of daemon.addresses) log.notice(`listening on ${formatListener(address)}`);
    if (config.listeners.length === 0) log.warn("no listener: nothing is served (addListener)");
    for (const schedule of config.schedules) daemon.background.add(schedule);
    daemon.ready = true;
    return daemon;
  }

  /** Where the daemon listens, with the real port where 0 was asked for. */
  get addresses(): Listener[] {
    return this.http.addresses;
  }

  /** Stops accepting, lets requests, background functions and webhooks end within a bound, and frees the Lua state. */
  async stop(): Promise<void> {
    this.ready = false;
    const { inFlight } = this.http;
    if (inFlight > 0) this.log.notice(`stopping; waiting for ${inFlight} requests in flight`);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.ports.clock.after(STOP_BOUND, resolve);
    const tasks = Promise.all([this.http.stop(), this.background.stop()]);
    await Promise.race([tasks.then(() => this.loaded.webhooks.drain()), late]);
    cancel();
    await this.http.cut();
    this.loaded.engine.close();
    this.loaded.webhooks.close();
  }

  private async runBackground(name: string): Promise<void> {
    const { engine, policy } = this.loaded;
    const background = policy.background.get(name);
    if (background === undefined) return;
    try {
      await engine.runBackground(background);
    } catch (error) {
      policyFailed({ ...this.loaded, log: this.log }, name, `background function ${name}`, error);
    }
  }
}
