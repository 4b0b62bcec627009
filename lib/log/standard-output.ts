/** Log lines to standard output, which may be a pipe that nobody reads. */
import type { Clock } from "../time/clock.ts";
import { FLUSH_BOUND, Level, type LogSink } from "./log.ts";

/** What stands before a line of a level. */
type LevelMark = (level: Level) => string;

/** `<6>`, which systemd's journal takes off (sd-daemon(3)). */
export const journalMark: LevelMark = (level) => `<${level}>`;

const RED = "\x1b[31m";
const YELLOW = "\x1b[33m";
const PLAIN = "\x1b[0m";
const NAMES = Object.keys(Level);

/** `warning: `, for people at a terminal. @param colours whether it takes them */
export const terminalMark =
  (colours: boolean): LevelMark =>
  (level) => {
    const name = NAMES[level]!;
    if (!colours || level > Level.warning) return `${name}: `;
    return `${level === Level.warning ? YELLOW : RED}${name}:${PLAIN} `;
  };

/** See https://no-color.org/. */
export const takesColours = ({ NO_COLOR, TERM }: Readonly<Record<string, string | undefined>>): boolean =>
  !NO_COLOR && TERM !== "dumb";

/** Characters that may wait for a slow reader of standard output. */
const MOST_BUFFERED = 4 * 1024 * 1024;

/**
 * A reader that has gone away or does not read ends the lines, not the daemon: what does not fit is dropped, and how much is
 * said when there is room again.
 */
export class StandardOutput {
  /** Characters and lines that have not been taken. */
  private waiting = 0;
  private lines = 0;
  private dropped = 0;
  private taken: (() => void) | undefined;

  /**
   * @param mark puts each line's level before it, as its reader wants it
   * @param stream only a spec needs another one
   */
  constructor(
    private readonly clock: Clock,
    private readonly mark: LevelMark = () => "",
    private readonly stream: NodeJS.WritableStream = process.stdout,
  ) {
    stream.on("error", () => {});
  }

  readonly write: LogSink = (line, level) => {
    if (this.waiting > MOST_BUFFERED) {
      this.dropped++;
      return;
    }
    if (this.dropped > 0)
      this.send(`${this.dropped} log lines were dropped: standard output was not read`, Level.warning);
    this.dropped = 0;
    this.send(line, level);
  };

  /**
   * Waits for a reader that is slow, but not long.
   * @returns how many lines are lost when the process ends now
   */
  async flush(): Promise<number> {
    if (this.lines > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.taken = resolve;
      const cancel = this.clock.after(FLUSH_BOUND, resolve);
      await promise;
      cancel();
    }
    return this.dropped + this.lines;
  }

  private send(text: string, level: Level): void {
    const line = this.mark(level) + text;
    this.waiting += line.length;
    this.lines++;
    this.stream.write(`${line}\n`, () => {
      this.waiting -= line.length;
      if (--this.lines === 0) this.taken?.();
    });
  }
}
