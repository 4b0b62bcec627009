/** The daemon: serves a loaded configuration until it is stopped. */
import type { Clock } from "./clock.ts";
import { formatListener, type Listener } from "./config.ts";
import { HttpServer } from "./http/server.ts";
import { ConfigError, type Loaded } from "./load-config.ts";
import type { Log } from "./log.ts";
import type { ParseDevice } from "./login-tuple.ts";
import { Metrics } from "./metrics.ts";

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
  private ready = false;

  private constructor(
    private readonly loaded: Loaded,
    { clock, log, parseDevice }: Ports,
  ) {
    this.log = log;
    const ready = (): boolean => this.ready;
    this.http = new HttpServer({ ...loaded, clock, log, parseDevice, metrics: new Metrics(), ready });
  }

  /**
   * Opens the listeners.
   * @throws {ConfigError} when one cannot be bound; those already open are closed again
   */
  static async start(loaded: Loaded, ports: Ports): Promise<Daemon> {
    const daemon = new Daemon(loaded, ports);
    const { log } = ports;
    const { config } = loaded;
    try {
      for (const listener of config.listeners) daemon.http.listen(listener);
    } catch (error) {
      await daemon.http.stop(0);
      throw new ConfigError((error as Error).message);
    }
    if (!config.webserverPassword) log.warn("no password: requests that need one are refused (setWebserverPassword)");
    for (const address of daemon.addresses) log.notice(`listening on ${formatListener(address)}`);
    if (config.listeners.length === 0) log.warn("no listener: nothing is served (addListener)");
    daemon.ready = true;
    return daemon;
  }

  /** Where the daemon listens, with the real port where 0 was asked for. */
  get addresses(): Listener[] {
    return this.http.addresses;
  }

  /** Stops accepting, lets requests in flight end within a bound, and frees the Lua state. */
  async stop(): Promise<void> {
    this.ready = false;
    const { inFlight } = this.http;
    if (inFlight > 0) this.log.notice(`stopping; waiting for ${inFlight} requests in flight`);
    await this.http.stop(STOP_BOUND);
    this.loaded.engine.close();
  }
}
