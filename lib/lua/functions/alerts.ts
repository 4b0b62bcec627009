/** Raising alerts, and looking at them. */
import type { Draft } from "../../alerts/alert.ts";
import type { Alerts } from "../../alerts/alerts.ts";
import type { AlertChannels } from "../../alerts/channels.ts";
import { formatAlerts } from "../../alerts/console.ts";
import { ALERT_TYPE, type AlertFilter, type AlertRecord, isSeverity, SEVERITIES } from "../../history/alert-record.ts";
import { keptText, keptTime } from "../../history/row.ts";
import { type ByteString, toByteString, toText } from "../../text/byte-string.ts";
import type { Clock } from "../../time/clock.ts";
import { DURATION_EXAMPLES, parseDuration } from "../../time/duration.ts";
import type { Call, HostFunction } from "../call.ts";
import { jsonToTable, MOST_LEVELS, tableToJson } from "../json-table.ts";
import { LuaError, type LuaTable, type LuaValue, typeName } from "../state.ts";
import { checkMayWait } from "../waits.ts";
import { list, returned, table } from "./history.ts";
import type { WaitingFunction } from "./wait.ts";

/** Seconds. */
const DEFAULT_COOLDOWN = 3600;
const LONGEST_COOLDOWN = 366 * 86_400;
/** Bytes of JSON. */
const MOST_EVIDENCE = 16_384;
const COOLING = [undefined, "cooling down" as ByteString];
/** Alerts of one answer. */
const MOST_LISTED = 1000;
const LISTED = 20;

const FIELDS = [
  "type",
  "severity",
  "login",
  "remote",
  "message",
  "evidence",
  "key",
  "cooldown",
  "policy",
  "t",
] as const;
const FILTERS = ["type", "login", "remote", "severity", "since", "before"] as const;

/** Where the functions find alerts, once the configuration is being loaded. */
export interface AlertAccess {
  clock: Clock;
  /** @throws {LuaError} where none can be raised */
  alerts: () => Alerts;
  /** Undefined where nothing may leave. */
  channels: () => AlertChannels | undefined;
  /** Seconds since 1970 of the report being handled, if one is. */
  reportTime: () => number | undefined;
  /** See {@link HistoryAccess}. */
  beside: () => boolean;
}

/** What prelude/alerts.lua wraps: functions that wait, and `raise`, which need not, as memory knows most answers. */
export function alertFunctions(access: AlertAccess): {
  raise: HostFunction;
  summarize: HostFunction;
  waiting: WaitingFunction[];
} {
  const { clock, alerts, reportTime } = access;
  let deciding: Promise<string | undefined> | undefined;
  /** What `alert` returns. */
  const shown = (id: string | undefined): LuaValue[] => (id === undefined ? COOLING : [id as ByteString]);
  return {
    raise: {
      name: "alert",
      level: 2,
      body(call) {
        const now = clock.now() / 1000;
        const draft = new Fields(call, FIELDS).draft(now, reportTime() ?? now);
        const all = alerts();
        // Before anything is raised of which the policy would not learn.
        if (all.mayWait) checkMayWait(call, "alert");
        const raised = all.raise(draft);
        if (!(raised instanceof Promise)) return [true, ...shown(raised)];
        deciding = raised;
        return false;
      },
    },
    summarize: {
      name: "sendSummary",
      level: 2,
      body(call) {
        alerts().summarize(new Fields(call, ["type", "message", "evidence"]).summary(clock.now() / 1000));
      },
    },
    waiting: [{ name: "decided", begin: async () => shown(await deciding!) }, ...questions(access)],
  };
}

function questions({ clock, alerts, channels, beside }: AlertAccess): WaitingFunction[] {
  return [
    {
      name: "getAlerts",
      async begin(call) {
        const filter = new Fields(call, FILTERS).filter(clock.now() / 1000);
        const n = call.has(2) ? call.integer(2, 1, MOST_LISTED) : LISTED;
        return returned(await alerts().list(filter, n, { beside: beside() }), (found) => list(found.map(alertTable)));
      },
    },
    {
      name: "testAlertChannel",
      async begin(call) {
        const name = call.text(1);
        const result = await channels()?.test(name);
        return toByteString(`${result ?? `no alert channel is named ${JSON.stringify(name)} (addAlertChannel)`}\n`);
      },
    },
    {
      name: "showAlerts",
      async begin(call) {
        const filter = new Fields(call, FILTERS).filter(clock.now() / 1000);
        const n = call.has(2) ? call.integer(2, 1, MOST_LISTED) : LISTED;
        const result = await alerts().list(filter, n, { beside: true });
        return toByteString("problem" in result ? `${result.problem}\n` : formatAlerts(result.answer));
      },
    },
  ];
}

/** An alert with the names of its JSON; times are seconds since 1970. */
export function alertTable(alert: AlertRecord): LuaTable {
  const { login, remote, evidence, policy } = alert;
  return table({
    id: alert.id as ByteString,
    type: alert.type as ByteString,
    severity: alert.severity as string as ByteString,
    login: login ?? undefined,
    remote: remote ?? undefined,
    message: alert.message,
    evidence: evidence === null ? undefined : jsonToTable(evidence),
    count: alert.count,
    first: alert.first,
    last: alert.last,
    host: toByteString(alert.host),
    policy: policy ?? undefined,
  });
}

/** The table of a call, whose fields are named where they are wrong. */
class Fields {
  private readonly given: LuaTable;

  constructor(
    private readonly call: Call,
    known: readonly string[],
  ) {
    this.given = call.table(1, MOST_LEVELS + 1);
    for (const key of this.given.keys()) {
      const name = typeof key === "string" ? toText(key) : String(key);
      if (!known.includes(name))
        throw this.wrong(`unknown field ${JSON.stringify(name.slice(0, 64))}: there are ${known.join(", ")}`);
    }
  }

  draft(now: number, t: number): Draft {
    const type = this.text("type");
    if (type === undefined) throw this.wrong("type is missing");
    if (!ALERT_TYPE.test(type)) throw this.wrong("type: letters, digits and _ expected, 64 at most");
    const time = this.number("t");
    return {
      type,
      severity: this.severity() ?? "medium",
      login: this.kept("login"),
      remote: this.kept("remote"),
      message: this.text("message"),
      evidence: this.evidence(),
      key: this.kept("key"),
      policy: this.kept("policy"),
      t: keptTime(time ?? t, now),
      cooldown: this.cooldown(),
    };
  }

  summary(now: number): Draft {
    const message = this.text("message");
    if (!message) throw this.wrong("message is missing");
    if (message.length > MOST_EVIDENCE) throw this.wrong(`message: ${message.length} bytes, ${MOST_EVIDENCE} are sent`);
    return { ...this.draft(now, now), severity: "low", message };
  }

  filter(now: number): AlertFilter {
    const filter: AlertFilter = {};
    const [type, severity, login, remote] = [
      this.text("type"),
      this.severity(),
      this.kept("login"),
      this.kept("remote"),
    ];
    const [since, before] = [this.time("since", now), this.time("before", now)];
    if (type !== undefined) filter.type = type;
    if (severity !== undefined) filter.severity = severity;
    if (login !== undefined) filter.login = login;
    if (remote !== undefined) filter.remote = remote;
    if (since !== undefined) filter.since = since;
    if (before !== undefined) filter.before = before;
    return filter;
  }

  private value(name: string): LuaValue {
    return this.given.get(name as ByteString);
  }

  private text(name: string): ByteString | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === "string") return value;
    if (typeof value === "number") return toByteString(String(value));
    throw this.wrong(`${name}: string expected, got ${typeName(value)}`);
  }

  /** A text as the history keeps it; an empty one is none. */
  private kept(name: string): ByteString | undefined {
    const text = this.text(name);
    return text ? keptText(text) : undefined;
  }

  private number(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
    throw this.wrong(`${name}: seconds since 1970 expected, got ${typeName(value)}`);
  }

  private severity(): AlertRecord["severity"] | undefined {
    const text = this.text("severity");
    if (text === undefined || isSeverity(text)) return text;
    throw this.wrong(`severity: one of ${SEVERITIES.join(", ")} expected`);
  }

  private cooldown(): number {
    const value = this.value("cooldown");
    if (value === undefined) return DEFAULT_COOLDOWN;
    const seconds = typeof value === "string" ? parseDuration(value) : value;
    if (typeof seconds === "number" && seconds >= 1 && seconds <= LONGEST_COOLDOWN) return seconds;
    throw this.wrong(`cooldown: ${DURATION_EXAMPLES}, of 1s to 366d, expected`);
  }

  private time(name: string, now: number): number | undefined {
    const value = this.value(name);
    if (typeof value !== "string") return this.number(name);
    const back = parseDuration(value);
    if (back !== undefined) return now - back;
    throw this.wrong(`${name}: ${DURATION_EXAMPLES}, or seconds since 1970, expected`);
  }

  private evidence(): ByteString | undefined {
    const value = this.value("evidence");
    if (value === undefined) return undefined;
    if (!(value instanceof Map)) throw this.wrong(`evidence: table expected, got ${typeName(value)}`);
    let json: ByteString;
    try {
      json = tableToJson(value);
    } catch (error) {
      throw error instanceof LuaError ? this.wrong(`evidence: ${error.message}`) : error;
    }
    if (json.length > MOST_EVIDENCE)
      throw this.wrong(`evidence: ${json.length} bytes of JSON, ${MOST_EVIDENCE} are kept`);
    // An empty table is no list.
    return json === "[]" ? ("{}" as ByteString) : json;
  }

  private wrong(problem: string): LuaError {
    return this.call.wrong(1, problem);
  }
}
