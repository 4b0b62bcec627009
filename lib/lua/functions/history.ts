/** The history for policies: taking rows over, and asking questions. */
import type { Alerts } from "../../alerts/alerts.ts";
import {
  type Filter,
  FilterError,
  type Given,
  readColumn,
  readFilter,
  readValue,
  shownValue,
} from "../../history/filter.ts";
import type { History, Result } from "../../history/history.ts";
import { type Column, COLUMN_NAMES, keptText, keptTime, MORE, type Row, type Value } from "../../history/row.ts";
import { type ByteString, toByteString, toText } from "../../text/byte-string.ts";
import type { Clock } from "../../time/clock.ts";
import { DURATION_EXAMPLES, parseDuration } from "../../time/duration.ts";
import type { Call, HostFunction, Returned } from "../call.ts";
import { jsonToTable, MOST_LEVELS, tableToJson } from "../json-table.ts";
import { LuaError, type LuaTable, type LuaValue, typeName } from "../state.ts";
import type { WaitingFunction } from "./wait.ts";

/** Rows, values or buckets of one answer. */
const MOST_ANSWERS = 10_000;
const MOST_LIMIT = 2 ** 52;
/** Bytes of JSON that `extra` may have beside the columns. */
const MOST_MORE = 16_384;

/** Removes what is about a login. @returns how much that was */
export type Forget = (login: ByteString) => number | Promise<number | Result<number>>;

/** Where the functions find the history, once the configuration has made it. */
export interface HistoryAccess {
  clock: Clock;
  /** @throws {LuaError} when there is none */
  history: () => History;
  /** Whatever has a history has them. */
  alerts: () => Alerts;
  /** A path as the configuration's folder sees it. */
  resolve: (path: string) => string;
  /** What else knows logins, by its name, and forgets one: answers how much of it went. */
  elsewhere: ReadonlyMap<string, Forget>;
  /** Whether what runs now may not hold up reports with its questions: a background function, or the console. */
  beside: () => boolean;
}

/** What the method `add` (history.lua) calls with the parts of a login tuple and of `extra`: see {@link readRow}. */
export const historyAdd = ({ clock, history }: HistoryAccess): HostFunction => ({
  name: "add",
  level: 2,
  body: (call) => history().add(readRow(call, clock.now() / 1000)),
});

/** The methods that wait, by name. Their arguments are counted without the history itself. */
export function historyQuestions(access: HistoryAccess): WaitingFunction[] {
  const { clock } = access;
  const now = (): number => clock.now() / 1000;
  const filterAt = (call: Call, position: number): Filter => readFilterAt(call, position, now());
  const limitAt = (call: Call, position: number): { limit?: number } =>
    call.has(position) ? { limit: call.integer(position, 1, MOST_LIMIT) } : {};
  const ask = async <A extends Asked>(
    question: Question<A>,
    show: (answer: Answer<A>) => LuaValue,
  ): Promise<Returned> => returned(await access.history().ask(question, { beside: access.beside() }), show);

  const oneRow = (name: string, oldestFirst: boolean): WaitingFunction => ({
    name,
    begin: (call) =>
      ask({ ask: "rows", filter: filterAt(call, 1), n: 1, oldestFirst }, ([row]) => (row ? rowTable(row) : undefined)),
  });

  return [
    {
      name: "count",
      begin: (call) => ask({ ask: "count", filter: filterAt(call, 1), ...limitAt(call, 2) }, (count) => count),
    },
    {
      name: "distinct",
      begin: (call) =>
        ask(
          { ask: "distinct", column: columnAt(call, 1), filter: filterAt(call, 2), ...limitAt(call, 3) },
          (count) => count,
        ),
    },
    {
      name: "top",
      begin(call) {
        const column = columnAt(call, 1);
        const question = {
          ask: "top",
          column,
          filter: filterAt(call, 2),
          n: call.integer(3, 1, MOST_ANSWERS),
        } as const;
        return ask(question, (top) =>
          list(top.map(([value, count]) => table({ value: shownValue(column, value) ?? undefined, count }))),
        );
      },
    },
    {
      name: "rows",
      begin(call) {
        const question = { ask: "rows", filter: filterAt(call, 1), n: call.integer(2, 1, MOST_ANSWERS) } as const;
        return ask(question, (rows) => list(rows.map(rowTable)));
      },
    },
    oneRow("first", true),
    oneRow("last", false),
    {
      name: "series",
      begin(call) {
        const bucket = durationAt(call, 1);
        const filter = filterAt(call, 2);
        const { begin, end } = bucketsOf(filter, bucket, now());
        if (begin !== undefined && (end - begin) / bucket > MOST_ANSWERS) {
          throw call.wrong(1, `so long that there are at most ${MOST_ANSWERS} buckets expected`);
        }
        return ask({ ask: "series", bucket, filter }, (found) => seriesTable(found, { bucket, begin, end }));
      },
    },
  ];
}

type HistoryQuestion = Parameters<History["ask"]>[0];
type Asked = HistoryQuestion["ask"];
type Question<A extends Asked> = Extract<HistoryQuestion, { ask: A }>;
type Answer<A extends Asked> = Extract<
  Awaited<ReturnType<typeof History.prototype.ask<A>>>,
  { answer: unknown }
>["answer"];

/** What a question returns: its answer, or nil and why there is none. */
export const returned = <A>(result: Result<A>, show: (answer: A) => LuaValue): Returned =>
  "answer" in result ? [show(result.answer)] : [undefined, toByteString(result.problem)];

export const table = (fields: Record<string, LuaValue>): LuaTable =>
  new Map(Object.entries(fields).filter(([, value]) => value !== undefined)) as LuaTable;

export const list = (items: LuaValue[]): LuaTable => new Map(items.map((item, i) => [i + 1, item]));

/** A row with the names of its columns; what else was in `extra` beside them. */
export function rowTable(row: Row): LuaTable {
  const more = row[MORE];
  const result: LuaTable = typeof more === "string" ? jsonToTable(more as ByteString) : new Map();
  for (const [i, column] of COLUMN_NAMES.entries()) {
    const value = shownValue(column, row[i]!);
    if (value !== null) result.set(column as string as ByteString, value);
  }
  return result;
}

interface Buckets {
  bucket: number;
  /** When the first begins; undefined for the first that has rows. */
  begin: number | undefined;
  /** When the last has ended. */
  end: number;
}

/** From the first bucket that the filter lets rows in to the last; now is the end unless it names one. */
function bucketsOf(filter: Filter, bucket: number, now: number): { begin: number | undefined; end: number } {
  const since = filter.flatMap((condition) => ("since" in condition ? [condition.since] : []));
  const before = filter.flatMap((condition) => ("before" in condition ? [condition.before] : [now]));
  return {
    begin: since.length === 0 ? undefined : Math.floor(Math.max(...since) / bucket) * bucket,
    end: Math.min(...before, now),
  };
}

function seriesTable(found: [t: number, count: number][], { bucket, begin, end }: Buckets): LuaTable {
  const counts = new Map(found);
  const last = Math.max(end, (found.at(-1)?.[0] ?? -Infinity) + 1);
  const items: LuaTable[] = [];
  const first = begin ?? found[0]?.[0] ?? Infinity;
  for (let t = Math.max(first, last - MOST_ANSWERS * bucket); t < last; t += bucket) {
    items.push(table({ t, count: counts.get(t) ?? 0 }));
  }
  return list(items);
}

/** Seconds: a number of them, or a duration. */
function durationAt(call: Call, position: number): number {
  const given = call.value(position);
  const seconds = typeof given === "string" ? parseDuration(toText(given as ByteString)) : given;
  if (typeof seconds === "number" && Number.isSafeInteger(seconds) && seconds > 0) return seconds;
  throw call.wrong(position, `${DURATION_EXAMPLES}, or whole seconds, expected, got ${describe(given)}`);
}

export function loginAt(call: Call): ByteString {
  const login = call.bytes(1);
  if (login === "") throw call.wrong(1, "login expected, got an empty string");
  return keptText(login);
}

function columnAt(call: Call, position: number): Column {
  try {
    return readColumn(call.text(position));
  } catch (error) {
    throw blame(call, position, error);
  }
}

function readFilterAt(call: Call, position: number, now: number): Filter {
  const given = [...call.table(position, 2)].map(([key, value]): [string, Given | Given[]] => {
    const name = typeof key === "string" ? toText(key) : String(key);
    return [name, value instanceof Map ? [...value.values()].map(plain) : plain(value)];
  });
  try {
    return readFilter(given, now);
  } catch (error) {
    throw blame(call, position, error);
  }
}

const blame = (call: Call, position: number, error: unknown): unknown =>
  error instanceof FilterError ? call.wrong(position, error.message) : error;

const plain = (value: LuaValue): Given =>
  typeof value === "object" || typeof value === "bigint" ? undefined : (value as Given);

const describe = (value: LuaValue): string =>
  typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : typeName(value);

/** Arguments: t, login, remote's bytes, three booleans, three texts, the columns of `extra`, and what else is in it. */
function readRow(call: Call, now: number): Row {
  const wrong = (name: string, expected: string, value: LuaValue): LuaError =>
    call.wrong(1, `${name}: ${expected} expected, got ${typeName(value)}`);
  const text = (name: string, position: number, missing?: ByteString): ByteString => {
    const value = call.value(position);
    if (typeof value === "string") return keptText(value as ByteString);
    if (value === undefined && missing !== undefined) return missing;
    throw wrong(name, "string", value);
  };
  const flag = (name: string, position: number): boolean => {
    const value = call.value(position) ?? false;
    if (typeof value === "boolean") return value;
    throw wrong(name, "boolean", value);
  };
  const extra = (column: Column, position: number): Value => {
    const value = call.value(position);
    if (value === undefined) return null;
    try {
      return readValue(column, plain(value));
    } catch (error) {
      throw blame(call, 2, error);
    }
  };
  const t = call.value(1) ?? now;
  if (typeof t !== "number") throw wrong("t", "number", t);
  return [
    keptTime(t, now),
    text("login", 2),
    text("remote", 3),
    flag("success", 4),
    flag("policy_reject", 5),
    flag("tls", 6),
    text("fail_type", 7, NOTHING),
    text("protocol", 8, NOTHING),
    text("device_id", 9, NOTHING),
    extra("country", 10),
    extra("asn", 11),
    extra("city", 12),
    extra("latitude", 13),
    extra("longitude", 14),
    call.has(15) ? readMore(call, 15) : null,
  ];
}

const NOTHING = "" as ByteString;

function readMore(call: Call, position: number): ByteString {
  try {
    const json = tableToJson(call.table(position, MOST_LEVELS));
    if (json.length <= MOST_MORE) return json;
    throw new LuaError(`${json.length} bytes of JSON, ${MOST_MORE} are kept`);
  } catch (error) {
    throw error instanceof LuaError ? call.wrong(2, error.message) : error;
  }
}
