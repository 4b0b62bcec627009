/** Keeps the history small: deletes what is too old, a piece at a time, and counts the hours that are over. */
import type { Log } from "../log/log.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Sender } from "./sender.ts";
import type { HistorySettings } from "./settings.ts";
import { HOUR } from "./sql.ts";

/** Milliseconds from one round to the next, and between the pieces of one. */
const ROUND = 600_000;
const PAUSE = 10;
/** Rows of a piece: few milliseconds. */
const PIECE = 200;
/** Hours that are counted in one round. */
const HOURS = 24;
/** Seconds after which the text of a login that never succeeded is replaced. */
const LONGEST_PASSWORD = 7 * 86_400;

export class Housekeeping {
  private cancel: CancelTimer | undefined;
  private stopped = false;
  private saidFull = false;

  constructor(
    private readonly sender: Sender,
    private readonly settings: HistorySettings,
    private readonly options: { clock: Clock; log: Log },
  ) {}

  start(): void {
    this.next(ROUND);
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  private next(delay: number): void {
    if (!this.stopped) this.cancel = this.options.clock.after(delay, () => void this.run());
  }

  private async run(): Promise<void> {
    const { clock, log } = this.options;
    try {
      const more = await this.tidy(clock.now() / 1000);
      if (!more) await this.countHours(clock.now() / 1000);
      this.next(more ? PAUSE : ROUND);
    } catch (error) {
      log.error(`history: it cannot be tidied: ${(error as Error).message}`);
      this.next(ROUND);
    }
  }

  /** @returns whether there is more to do */
  private async tidy(now: number): Promise<boolean> {
    const { retention, unused, maxSize } = this.settings;
    const tidying = {
      now,
      rowsBefore: now - retention,
      unusedBefore: now - unused,
      // Addresses are personal data: no longer than rows.
      addressesBefore: now - Math.min(unused, retention),
      hashBefore: now - LONGEST_PASSWORD,
      maxSize,
      limit: PIECE,
    };
    const tidied = await this.sender.use((store) => store.tidy(tidying));
    if (!tidied) return false;
    if (tidied.oversize > 0 && !this.saidFull) {
      this.options.log.warn("history: it is larger than max_size (newHistory): its oldest rows go");
    }
    if (tidied.oversize > 0) this.saidFull = true;
    else if (!tidied.more) this.saidFull = false;
    return tidied.more;
  }

  private async countHours(now: number): Promise<void> {
    const { sender } = this;
    const since = now - this.settings.retention;
    const before = Math.floor(now / HOUR) * HOUR;
    const stale = await sender.use((store) => store.ask({ ask: "staleHours", since, before, n: HOURS }));
    if (!stale || !("answer" in stale)) return;
    for (const hour of stale.answer as number[]) {
      const reply = await sender.use((store) => store.ask({ ask: "hour", hour }));
      if (!reply || !("answer" in reply)) return;
      sender.addWrite({ write: "hour", hour, counted: reply.answer as never });
    }
  }
}
