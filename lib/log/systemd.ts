/** What systemd and the daemon tell each other: sd_notify(3), sd_watchdog_enabled(3), and whose standard output it is. */
import { fstatSync } from "node:fs";

import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Log } from "./log.ts";
import { UnixDatagrams } from "./unix-datagrams.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Standard output, or the file given, is a stream of the journal's: JOURNAL_STREAM names it as `device:inode`. */
export function isJournal({ JOURNAL_STREAM }: Environment, descriptor = 1): boolean {
  if (JOURNAL_STREAM === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    // Standard output is closed.
    return false;
  }
}

/** Tells the service manager that started the daemon, if there is one, how far it is. */
export class ServiceManager {
  private readonly datagrams: UnixDatagrams | undefined;
  private cancelWatchdog: CancelTimer | undefined;

  constructor(
    private readonly environment: Environment,
    private readonly ports: { clock: Clock; log: Log },
  ) {
    const { NOTIFY_SOCKET } = environment;
    if (!NOTIFY_SOCKET) return;
    const datagrams = new UnixDatagrams(NOTIFY_SOCKET, ports.clock);
    if (datagrams.open()) this.datagrams = datagrams;
    else ports.log.warn(`the service manager cannot be told when the daemon serves: no socket at ${NOTIFY_SOCKET}`);
  }

  /** The daemon serves. From now on the watchdog is told, as often as systemd asks for, that it is alive. */
  ready(): void {
    this.tell("READY=1");
    if (this.cancelWatchdog) return;
    const { WATCHDOG_USEC, WATCHDOG_PID = String(process.pid) } = this.environment;
    const interval = Number(WATCHDOG_USEC) / 1000;
    // Half of the interval, as sd_watchdog_enabled(3) recommends.
    if (interval > 0 && WATCHDOG_PID === String(process.pid)) this.watch(interval / 2);
  }

  /** The daemon reads anew what can be read anew; {@link ready} ends that. */
  reloading(): void {
    this.tell("RELOADING=1");
  }

  /** The daemon is about to end. */
  stopping(): void {
    this.cancelWatchdog?.();
    this.tell("STOPPING=1");
  }

  /** @param pause milliseconds */
  private watch(pause: number): void {
    this.tell("WATCHDOG=1");
    this.cancelWatchdog = this.ports.clock.after(pause, () => this.watch(pause));
  }

  private tell(state: string): void {
    this.datagrams?.send(state);
  }
}
