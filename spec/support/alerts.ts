/** Alerts with a clock that is told to move, and stores that can be cut off. */
import type { Draft } from "../../lib/alerts/alert.ts";
import { Alerts } from "../../lib/alerts/alerts.ts";
import type { AlertFilter, AlertRecord } from "../../lib/history/alert-record.ts";
import type { History } from "../../lib/history/history.ts";
import {
  type Question,
  type Reply,
  type Store,
  StoreError,
  type Tidied,
  type Turn,
  type TurnDone,
} from "../../lib/history/store.ts";
import { Log } from "../../lib/log/log.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import { bytes, openHistory, START } from "./history.ts";
import { JumpingClock } from "./jumping-clock.ts";

export const draft = (values: Partial<Draft> = {}): Draft => ({
  type: "spray",
  severity: "high",
  login: undefined,
  remote: bytes("192.0.2.1"),
  message: undefined,
  evidence: undefined,
  key: undefined,
  policy: undefined,
  t: START,
  cooldown: 3600,
  ...values,
});

/** A store between which and its daemon the line can be cut, or go silent; nothing of what is asked then arrives. */
export class CutStore implements Store {
  state: "well" | "away" | "silent" = "well";
  /** What arrived. */
  readonly turns: Turn[] = [];
  private waiting: (() => void)[] = [];

  constructor(private readonly store: Store) {}

  get name(): string {
    return this.store.name;
  }

  get isInline(): boolean {
    return this.store.isInline;
  }

  open = (): Promise<number> => this.pass(() => this.store.open());
  run = (turn: Turn): Promise<TurnDone> =>
    this.pass(() => {
      this.turns.push(turn);
      return this.store.run(turn);
    });
  ask = (question: Question): Promise<Reply> => this.pass(() => this.store.ask(question));
  tidy = (): Promise<Tidied> => Promise.resolve({ expired: 0, oversize: 0, more: false });
  backup = (file: string): Promise<void> => this.store.backup(file);
  moveAside = (): Promise<string> => this.store.moveAside();
  close = (): Promise<void> => this.store.close();

  /** What was asked while it was silent arrives now. */
  speak(): void {
    this.state = "well";
    for (const go of this.waiting.splice(0)) go();
  }

  private async pass<T>(action: () => Promise<T>): Promise<T> {
    if (this.state === "silent") await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.state === "away") throw new StoreError("away", "cut off");
    return action();
  }
}

export interface Rig extends AsyncDisposable {
  alerts: Alerts;
  history: History | undefined;
  clock: JumpingClock;
  told: AlertRecord[];
  finals: AlertRecord[];
  logs: string[];
  metrics: Metrics;
  /** Lets so many seconds pass. */
  pass(seconds: number): Promise<void>;
  /** What the history has, or memory. */
  list(filter?: AlertFilter): Promise<AlertRecord[]>;
}

/** A daemon's alerts. */
export async function startAlerts({
  store,
  clock = new JumpingClock(START * 1000),
  host = "mx1",
}: { store?: Store; clock?: JumpingClock; host?: string } = {}): Promise<Rig> {
  const opened = store && (await openHistory(store, { batch: 1 }, clock));
  const history = opened?.history;
  const logs: string[] = [];
  const [told, finals]: AlertRecord[][] = [[], []];
  const metrics = new Metrics();
  const alerts = new Alerts({
    clock,
    log: new Log({ sink: (line) => logs.push(line) }),
    metrics,
    host,
    history: () => history,
    sink: { raised: (alert) => told!.push(alert), ended: (alert) => finals!.push(alert), summarized: () => {} },
    keeps: () => true,
  });
  await alerts.open();
  return {
    alerts,
    history,
    clock,
    told: told!,
    finals: finals!,
    logs,
    metrics,
    pass: (seconds) => clock.advanceTo(clock.monotonic() + seconds * 1000),
    async list(filter = {}) {
      let found: AlertRecord[] | undefined;
      void alerts.list(filter, 1000, { beside: false }).then((result) => {
        if ("answer" in result) found = result.answer;
      });
      while (!found) {
        await clock.advanceTo(clock.monotonic());
        await Bun.sleep(0);
      }
      return found;
    },
    async [Symbol.asyncDispose]() {
      await opened?.history.cut();
    },
  };
}
