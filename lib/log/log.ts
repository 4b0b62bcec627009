/**
 * Log lines. Each has a syslog level; what is within the chosen level reaches the sink, one line at a time, and everything
 * reaches the system's log.
 * Nothing that a client or a policy says can forge a line: control characters are escaped.
 */
import type { Clock } from "../time/clock.ts";
import { shownTime } from "../time/local-zone.ts";

/** Syslog's levels; a lower number is more urgent. */
export const Level = { emerg: 0, alert: 1, crit: 2, error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;
export type Level = (typeof Level)[keyof typeof Level];

/** Where lines go. It must not throw, and takes the line without its end. */
export type LogSink = (line: string, level: Level) => void;

/** The system's log. It gets lines of every level, without a stamp: it has one of its own. */
interface SystemLog {
  write: LogSink;
  /** Connects anew. */
  reopen(): void;
  /** Resolves when no line waits any more, or soon. */
  flush(): Promise<void>;
}

export interface LogOptions {
  sink: LogSink;
  /** The least urgent level that the sink gets; {@link Level.info} unless given. */
  level?: Level | undefined;
  /** The verbose Lua log functions speak, and debug lines are written. */
  verbose?: boolean | undefined;
  /** Puts `[2026-11-22 06:23:58,958] ` (local time) before each line of the sink. */
  stamp?: Clock | undefined;
  syslog?: SystemLog | undefined;
}

/** Milliseconds that a slow reader of a log gets before the daemon ends. */
export const FLUSH_BOUND = 1000;

/** Characters of a message; a policy may log what a client sent. */
const LONGEST_LINE = 8192;

export class Log {
  readonly verbose: boolean;
  private readonly most: Level;

  constructor(private readonly options: LogOptions) {
    this.verbose = options.verbose ?? false;
    this.most = this.verbose ? Level.debug : (options.level ?? Level.info);
  }

  write(level: Level, message: string): void {
    const { sink, stamp, syslog } = this.options;
    const shown = level <= this.most;
    const recorded = syslog && (level < Level.debug || this.verbose);
    if (!shown && !recorded) return;
    const text = message.length > LONGEST_LINE ? `${message.slice(0, LONGEST_LINE)}… (cut)` : message;
    const line = escapeControls(text);
    if (shown) sink(stamp ? timestamp(stamp.now()) + line : line, level);
    if (recorded) syslog.write(line, level);
  }

  /** Connects to the system's log anew. */
  reopen(): void {
    this.options.syslog?.reopen();
  }

  /** Lets lines out that a slow reader of the system's log has not taken. Resolves soon in any case. */
  async flush(): Promise<void> {
    await this.options.syslog?.flush();
  }

  error = (message: string): void => this.write(Level.error, message);
  warn = (message: string): void => this.write(Level.warning, message);
  notice = (message: string): void => this.write(Level.notice, message);
  info = (message: string): void => this.write(Level.info, message);
  debug = (message: string): void => this.write(Level.debug, message);

  /** An error of a policy: the message, and a line of its own for each line of the traceback. */
  failure(what: string, error: { message: string; traceback?: string }): void {
    for (const line of messageLines(`${what}: ${error.message}`)) this.error(line);
    for (const line of tracebackLines(error.traceback)) this.error(`  ${line}`);
  }
}

/**
 * A message of Lua's as lines fit to be shown: one, and a second where it goes on as Lua's own do, on a new line behind a
 * tab. There is no third, whatever a peer has got into the message.
 */
export function messageLines(message: string): string[] {
  const [first, ...more] = message.split("\n\t");
  return [first!, ...(more.length > 0 ? [`  ${more.join("\n\t")}`] : [])].map(escapeControls);
}

/** A traceback of Lua's as lines fit to be shown; none for an empty one. */
export const tracebackLines = (traceback = ""): string[] =>
  traceback === "" ? [] : traceback.split("\n").map((line) => escapeControls(line.replaceAll("\t", "  ")));

/** A message and its key-values as one line: `Received report: login="joe" n="1"`. Keys are sorted. */
export function formatFields(message: string, fields: Iterable<[key: string, value: string]>): string {
  const sorted = [...fields].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const texts = sorted.map(([key, value]) => `${escapeKey(key)}="${escapeControls(value.replace(/["\\]/g, "\\$&"))}"`);
  return texts.length === 0 ? message : `${message}: ${texts.join(" ")}`;
}

/** A key stands without quotes, so what would end it becomes an underscore. */
const escapeKey = (key: string): string => escapeControls(key.replace(/[\s"=\\]/g, "_"));

/** C0 and C1 controls, DEL, and the two separators that some readers take for line ends. */
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/g;
const SHORT_ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return SHORT_ESCAPES[character] ?? (code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`);
  });
}

/** `[2026-11-22 06:23:58,958] ` in local time. */
const timestamp = (milliseconds: number): string =>
  `[${formatTime(milliseconds)},${String(new Date(milliseconds).getMilliseconds()).padStart(3, "0")}] `;

/** `2026-11-22 06:23:58` in local time. @param milliseconds since 1970 */
export const formatTime = (milliseconds: number): string =>
  shownTime(milliseconds).toISOString().slice(0, 19).replace("T", " ");
