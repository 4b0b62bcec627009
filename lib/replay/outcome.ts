/** What happened in a replay: all that a fixture can expect, and bounded in size however long it was. */
import { formatAddress } from "../address/address.ts";
import { Level } from "../log/log.ts";
import { type ByteString, toText } from "../text/byte-string.ts";
import type { ReportEvent } from "../traffic/report-file.ts";
import type { EndpointCall, Fixture } from "./fixture.ts";

/** On whose behalf the policy ran. */
export type Cause = ReportEvent | EndpointCall | { background: string } | "configuration";

/** Something that happened: when, and why. */
interface Happening {
  /** Milliseconds since 1970. */
  time: number;
  cause: Cause;
}

/** A webhook that was sent, or an alert that was raised: its name, or its type. */
export interface SentEvent extends Happening {
  name: string;
  body: string;
}

interface Failure extends Happening {
  message: string;
}

/** What an endpoint answered, or why it did not. */
type EndpointAnswer = { success: boolean; attributes: Map<string, string> } | { failed: string };

/** Names of the configuration's functions and hooks, or of those that were used. */
export interface Inventory {
  endpoints: Set<string>;
  background: Set<string>;
  webhooks: Set<string>;
}

export const emptyInventory = (): Inventory => ({ endpoints: new Set(), background: new Set(), webhooks: new Set() });

/** Events of one kind that are kept whole; the others are only counted. */
const MOST_KEPT = 10_000;
/** Bytes of their bodies. */
const MOST_KEPT_BYTES = 64 * 1024 * 1024;
/** Failures that are kept: they are shown, and nobody reads more. */
const MOST_FAILURES = 10;
/** Log lines of each level that are kept to be shown beside those that did not come. */
const MOST_LINES = 5;

const LEVEL_NAMES = Object.fromEntries(Object.entries(Level).map(([name, level]) => [level, name]));

/** A log line as fixtures have it. */
export const formatLogLine = (line: string, level: Level): string => `${LEVEL_NAMES[level]}: ${line}`;

/** Events of one kind, in their order. */
export class Events {
  /** The first of them; {@link counts} has all. */
  readonly list: SentEvent[] = [];
  /** By name. */
  readonly counts = new Map<string, number>();
  private bytes = 0;

  get count(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** @returns what is kept of it, if it is */
  add(name: string, body: string, happening: Happening): SentEvent | undefined {
    addOne(this.counts, name);
    this.bytes += body.length;
    if (this.list.length >= MOST_KEPT || this.bytes > MOST_KEPT_BYTES) return undefined;
    const event = { ...happening, name, body };
    this.list.push(event);
    return event;
  }
}

export class Outcome {
  reports = 0;
  /** Virtual milliseconds since 1970 when the last thing was done. */
  end: number;
  readonly webhooks = new Events();
  readonly alerts = new Events();
  readonly backgroundRuns = new Map<string, number>();
  readonly customStats = new Map<string, number>();
  readonly endpoints = new Map<EndpointCall, EndpointAnswer>();
  /** Lua errors: the first of them, and how many. */
  readonly errors: Failure[] = [];
  errorCount = 0;
  /** Requests that no entry of the fixture answered. */
  readonly unanswered: Failure[] = [];
  unansweredCount = 0;
  /** What ended the replay before its time. */
  failure: string | undefined;
  /** Which of the expected log lines came. */
  readonly logged: boolean[];
  /** The first log lines of each level. */
  readonly lines = new Map<Level, string[]>();
  readonly configured = emptyInventory();
  readonly used = emptyInventory();

  constructor(readonly fixture: Fixture) {
    this.end = fixture.start;
    this.logged = fixture.expect.logs.map(() => false);
  }

  get backgroundCount(): number {
    return [...this.backgroundRuns.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What happened, to be held against other expectations of the same replay; log lines are known by their patterns. */
  under(fixture: Fixture): Outcome {
    const came = this.fixture.expect.logs.filter((_, i) => this.logged[i]).map(({ pattern }) => String(pattern));
    const endpoints = this.fixture.endpoints.flatMap((call, i) => {
      const [answer, other] = [this.endpoints.get(call), fixture.endpoints[i]];
      return answer && other ? [[other, answer] as const] : [];
    });
    return Object.assign(new Outcome(fixture), this, {
      fixture,
      logged: fixture.expect.logs.map(({ pattern }) => came.includes(String(pattern))),
      endpoints: new Map(endpoints),
    });
  }

  addWebHook(name: string, data: ByteString, happening: Happening): void {
    this.used.webhooks.add(name);
    this.webhooks.add(name, toText(data), happening);
  }

  addBackgroundRun(name: string): void {
    this.used.background.add(name);
    addOne(this.backgroundRuns, name);
  }

  addError(message: string, happening: Happening): void {
    this.errorCount++;
    if (this.errors.length < MOST_FAILURES) this.errors.push({ ...happening, message });
  }

  addUnanswered(message: string, happening: Happening): void {
    this.unansweredCount++;
    if (this.unanswered.length < MOST_FAILURES) this.unanswered.push({ ...happening, message });
  }

  addLogLine(line: string, level: Level): void {
    const { logs } = this.fixture.expect;
    if (logs.length === 0) return;
    const text = formatLogLine(line, level);
    logs.forEach(({ pattern }, i) => {
      if (!this.logged[i]) this.logged[i] = pattern.test(text);
    });
    const lines = this.lines.getOrInsertComputed(level, () => []);
    if (lines.length < MOST_LINES) lines.push(text);
  }
}

const addOne = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);

/** `report traffic.jsonl:17 (login=joe remote=192.0.2.1)` */
export function describeCause(cause: Cause): string {
  if (cause === "configuration") return "the configuration";
  if ("background" in cause) return `background function ${cause.background}`;
  if ("tuple" in cause) return `report ${cause.file}:${cause.line} (${describeReport(cause)})`;
  return `endpoint ${cause.name}`;
}

/** `login=joe remote=192.0.2.1 failed` */
export function describeReport({ tuple }: ReportEvent): string {
  const result = tuple.success ? "success" : tuple.policyReject ? "rejected" : "failure";
  return `login=${toText(tuple.login)} remote=${formatAddress(tuple.remote.bytes)} ${result}`;
}
