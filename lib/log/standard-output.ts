/** Log lines to standard output, which may be a pipe that nobody reads. */
import type { Clock } from "../time/clock.ts";
import { FLUSH_BOUND, Level, type LogSink } from "./log.ts";

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
   * @param journal puts each line's level before it as `<6>`, which systemd's journal takes off (sd-daemon(3))
   * @param stream only a spec needs another one
   */
  constructor(
    private readonly clock: Clock,
    private readonly journal = false,
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
    const line = this.journal ? `<${level}>${text}` : text;
    this.waiting += line.length;
    this.lines++;
    this.stream.write(`${line}\n`, () => {
      this.waiting -= line.length;
      if (--this.lines === 0) this.taken?.();
    });
  }
}
