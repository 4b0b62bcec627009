/** Log lines to the system's log, in the format of libc's syslog(3): `<30>Nov 22 06:23:58 trackalert[123]: line`. */
import { MONTHS } from "../text/months.ts";
import type { Clock } from "../time/clock.ts";
import { shownTime } from "../time/local-zone.ts";
import { FLUSH_BOUND, Level } from "./log.ts";
import { UnixDatagrams } from "./unix-datagrams.ts";

/** Numbers from syslog.h. */
export const Facility = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;
export type Facility = (typeof Facility)[keyof typeof Facility];

/** Where the system's log listens. */
const DEV_LOG = "/dev/log";

/**
 * A connection to the system's log. It is not libc's syslog(3) that sends: that one waits for as long as the receiver does
 * not read, and the daemon with it.
 */
export class Syslog {
  private readonly datagrams: UnixDatagrams;
  private dropped = 0;

  /** @param path of the socket; only a spec needs another one */
  constructor(
    private readonly facility: Facility,
    private readonly clock: Clock,
    path = DEV_LOG,
  ) {
    this.datagrams = new UnixDatagrams(path, clock);
  }

  /** Connects. False when nobody listens; lines reach whoever does so later. */
  open(): boolean {
    return this.datagrams.open();
  }

  /** What cannot be sent is dropped, and how much is said once all is sent again. */
  write(line: string, level: Level): void {
    if (this.dropped > 0 && this.datagrams.idle) {
      const notice = `${this.dropped} log lines were dropped: syslog did not take them`;
      if (this.datagrams.send(this.format(notice, Level.warning))) this.dropped = 0;
    }
    if (!this.datagrams.send(this.format(line, level))) this.dropped++;
  }

  /** For a receiver that has been replaced. */
  reopen(): void {
    this.datagrams.reopen();
  }

  /** Waits for a receiver that is slow, but not long. */
  flush(): Promise<void> {
    return this.datagrams.drain(FLUSH_BOUND);
  }

  private format(line: string, level: Level): string {
    const shown = shownTime(this.clock.now());
    const day = String(shown.getUTCDate()).padStart(2);
    const time = shown.toISOString().slice(11, 19);
    const priority = this.facility * 8 + level;
    return `<${priority}>${MONTHS[shown.getUTCMonth()]} ${day} ${time} trackalert[${process.pid}]: ${line}`;
  }
}
