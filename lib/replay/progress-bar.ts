/** A line on the terminal that says how far a long replay is. */
import { stopwatch } from "../time/clock.ts";
import type { Progress } from "./run.ts";
import { formatOffset } from "./times.ts";

const WIDTH = 24;
/** Milliseconds of real time: replays that are done sooner show nothing, and the line changes no more often. */
const FIRST = 500;
const EVERY = 100;
/** Carriage return, and erase to the end of the line. */
const CLEAR = "\r\x1b[K";

export class ProgressBar {
  private readonly started = stopwatch();
  private last = this.started + FIRST - EVERY;
  private shown = false;

  /** @param start of the replay, in milliseconds since 1970 */
  constructor(
    private readonly write: (text: string) => void,
    private readonly start: number,
  ) {}

  update(progress: Progress): void {
    const now = stopwatch();
    if (now < this.last + EVERY) return;
    this.last = now;
    this.shown = true;
    this.write(CLEAR + formatProgress(progress, this.start, (now - this.started) / 1000));
  }

  /** Takes the line away. */
  clear(): void {
    if (this.shown) this.write(CLEAR);
    this.shown = false;
  }
}

/** @param seconds of real time so far */
export function formatProgress({ share, reports, time }: Progress, start: number, seconds: number): string {
  const filled = Math.round(share * WIDTH);
  const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
  const rate = Math.round(reports / seconds).toLocaleString("en");
  const left = share > 0 ? `${Math.ceil((seconds / share) * (1 - share))} s left` : "";
  const virtual = formatOffset(Math.floor((time - start) / 60_000) * 60_000);
  return `${bar} ${Math.floor(share * 100)} %  ${reports.toLocaleString("en")} reports  ${virtual}  ${rate}/s  ${left}`;
}
