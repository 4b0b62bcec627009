/** Questions that have no answer yet: those that wait for their turn, and all that are given up when they are overdue. */
import type { CancelTimer, Clock } from "../time/clock.ts";
import type { Question, Reply } from "./store.ts";

/** Milliseconds that an answer may be late, over the time that the store itself takes care of; and between two looks. */
const GRACE = 1000;

/** What became of a question. */
export type Outcome = Reply | { away: true };

export interface Asked {
  question: Question;
  /** How many entries were added before it: it goes with the last of them, or later. */
  after: number;
  /** Milliseconds of the monotonic clock when it is given up. */
  deadline: number;
  resolve: (outcome: Outcome) => void;
}

export class Questions {
  private readonly waiting: Asked[] = [];
  /** In the order in which they will be given up. */
  private readonly unanswered = new Set<Asked>();
  private cancelSweep: CancelTimer | undefined;

  /** @param timeout milliseconds for a question */
  constructor(
    private readonly clock: Clock,
    private readonly timeout: number,
  ) {}

  /** Whether some wait for their turn. */
  get areWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** One that is asked at once. */
  begin(question: Question, after: number): { asked: Asked; outcome: Promise<Outcome> } {
    const { promise: outcome, resolve } = Promise.withResolvers<Outcome>();
    const asked = { question, after, resolve, deadline: this.clock.monotonic() + this.timeout + GRACE };
    this.unanswered.add(asked);
    this.cancelSweep ??= this.clock.after(GRACE, this.sweep);
    return { asked, outcome };
  }

  /** One that waits for its turn. */
  wait(question: Question, after: number): Promise<Outcome> {
    const { asked, outcome } = this.begin(question, after);
    this.waiting.push(asked);
    return outcome;
  }

  /** Those whose turn it is when so many entries have been sent; without those that were given up. */
  take(sent: number): Asked[] {
    const first = this.waiting.findIndex(({ after }) => after > sent);
    const ready = this.waiting.splice(0, first < 0 ? this.waiting.length : first);
    return ready.filter((asked) => this.unanswered.has(asked));
  }

  answer(asked: Asked, outcome: Outcome): void {
    if (this.unanswered.delete(asked)) asked.resolve(outcome);
  }

  /** The store is away. */
  giveUpAll(): void {
    this.waiting.length = 0;
    for (const asked of this.unanswered) this.answer(asked, { away: true });
  }

  stop(): void {
    this.giveUpAll();
    this.cancelSweep?.();
  }

  /** Gives up those that are overdue: the store may not answer at all. */
  private readonly sweep = (): void => {
    this.cancelSweep = undefined;
    for (const asked of this.unanswered) {
      if (asked.deadline > this.clock.monotonic()) break;
      this.answer(asked, { timeout: true });
    }
    if (this.unanswered.size > 0) this.cancelSweep = this.clock.after(GRACE, this.sweep);
  };
}
