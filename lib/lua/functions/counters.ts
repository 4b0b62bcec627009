/** Counters for policies: wforce's StringStatsDB (counters.lua), and the settings that make them. */
import type { Counters } from "../../counters/counters.ts";
import type { FieldKind, StringStatsDB } from "../../counters/string-stats-db.ts";
import { type ByteString, toByteString } from "../../text/byte-string.ts";
import type { Call, HostFunction } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import type { ConsoleOutput } from "../console-output.ts";
import { LuaError } from "../state.ts";
import type { Tasks } from "../tasks.ts";
import { Type } from "../wasm.ts";

type Field = StringStatsDB["fields"][number];

const KINDS: readonly string[] = ["int", "hll", "countmin"] satisfies FieldKind[];
/** Seconds of a window, a year; windows, fields and keys of a db: bounds on what a slip of the pen can ask for. */
const LONGEST_WINDOW = 366 * 86_400;
const MOST_WINDOWS = 1000;
const MOST_FIELDS = 100;
const MOST_KEYS = 100_000_000;
/** Of a name; counters that are a sketch's. */
const LONGEST_NAME = 256;
const MOST_COUNTERS = 1_000_000;

/** Functions of the configuration that make dbs. */
export function countersConfiguration(counters: Counters): HostFunction[] {
  const create = (name: string): HostFunction => ({ name, body: (call) => createDB(counters, call) });
  return [
    create("newStringStatsDB"),
    create("newShardedStringStatsDB"),
    {
      name: "setHLLBits",
      body: (call) => void (counters.hllBits = call.integer(1, 4, 16)),
    },
    {
      name: "setCountMinBits",
      body(call) {
        const [eps, gamma] = [share(call, 1), share(call, 2)];
        if ((Math.E / eps) * Math.log(1 / gamma) > MOST_COUNTERS) {
          throw call.wrong(1, `eps and gamma that need at most ${MOST_COUNTERS} counters expected`);
        }
        counters.countMin = { eps, gamma };
      },
    },
  ];
}

function share(call: Call, position: number): number {
  const value = call.number(position);
  if (!(value > 0 && value < 1)) throw call.wrong(position, `number between 0 and 1 expected, got ${value}`);
  return value;
}

function createDB(counters: Counters, call: Call): void {
  const name = call.text(1);
  if (name === "" || name.length > LONGEST_NAME)
    throw call.wrong(1, `name of 1 to ${LONGEST_NAME} characters expected`);
  const window = call.integer(2, 1, LONGEST_WINDOW);
  const windows = call.integer(3, 1, MOST_WINDOWS);
  const fields = new Map<string, FieldKind>();
  for (const [field, kind] of call.table(4)) {
    if (typeof field !== "string" || !KINDS.includes(String(kind))) {
      throw call.wrong(
        4,
        `names with one of ${KINDS.map((each) => `"${each}"`).join(", ")} expected, at ${String(field)}`,
      );
    }
    fields.set(field, kind as FieldKind);
  }
  if (fields.size === 0 || fields.size > MOST_FIELDS) throw call.wrong(4, `1 to ${MOST_FIELDS} fields expected`);
  // The order of a Lua table is none.
  const sorted = new Map([...fields].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  if (!counters.create(name, window, windows, sorted)) {
    throw new LuaError(`newStringStatsDB: there is a db named '${name}' already`);
  }
}

/** What counters.lua asks of the host; dbs are numbered from 1. */
export function counterFunctions(
  counters: Counters,
  { tellOnce }: Complaints,
  tasks: Tasks,
): Record<string, HostFunction> {
  const dbOf = (call: Call): StringStatsDB => {
    const db = counters.all[call.number(1) - 1];
    if (!db) throw new LuaError("no such StringStatsDB");
    return db;
  };
  const fieldOf = (call: Call, db: StringStatsDB): Field => {
    const field = db.fields[call.number(3) - 1];
    if (!field) throw new LuaError(`StringStatsDB '${db.name}' has no such field`);
    return field;
  };
  const valueOf = (call: Call, db: StringStatsDB, field: Field): ByteString => {
    const type = call.state.api.lua_type(call.thread, 4);
    if (type === Type.string || type === Type.number) return call.bytes(4);
    throw wrongValue(call, db, field, "string, number or ComboAddress");
  };
  const method = (name: string, body: HostFunction["body"]): [string, HostFunction] => [
    name,
    { name, level: 2, self: 1, body },
  ];
  const counting = (name: string, sign: 1 | -1): [string, HostFunction] =>
    method(name, (call) => {
      const db = dbOf(call);
      const field = fieldOf(call, db);
      if (field.kind === "int") {
        const value = call.state.number(call.thread, 4);
        if (value === undefined || !Number.isFinite(value)) throw wrongValue(call, db, field, "number");
        return db.addNumber(call.bytes(2), field, sign * value);
      }
      if (sign < 0 && field.kind === "hll")
        throw new LuaError(`${describe(db, field)}: nothing can be taken away from an hll`);
      return db.addValue(call.bytes(2), field, valueOf(call, db, field), sign);
    });
  const asking = <T>(
    name: string,
    ask: (db: StringStatsDB) => (key: ByteString, field: Field, value?: ByteString) => T & (number | number[]),
  ): [string, HostFunction] =>
    method(name, (call) => {
      const db = dbOf(call);
      const field = fieldOf(call, db);
      const value = field.kind === "countmin" && call.has(4) ? valueOf(call, db, field) : undefined;
      return ask(db)(call.bytes(2), field, value);
    });
  const setting = (name: string, set: (db: StringStatsDB, call: Call) => void): [string, HostFunction] =>
    method(name, (call) => {
      const kind = tasks.current;
      if (kind === "configuration" || kind === "console") set(dbOf(call), call);
      else tellOnce(`${name}() has no effect in a ${kind} function: call it from the configuration or the console`);
    });

  return Object.fromEntries([
    [
      "get_db",
      {
        name: "getStringStatsDB",
        level: 2,
        body(call: Call) {
          const name = call.text(1);
          const number = counters.all.findIndex((db) => db.name === name) + 1;
          if (number === 0)
            tellOnce(`getStringStatsDB: no db is named ${JSON.stringify(name)}: newStringStatsDB() makes one`);
          const names = counters.all[number - 1]?.fields.map((field) => toByteString(field.name)) ?? [];
          return [number, toByteString(name), new Map(names.map((field, i) => [i + 1, field]))];
        },
      },
    ],
    method("address_key", (call) => dbOf(call).keyOf(call.bytes(2))),
    counting("twAdd", 1),
    counting("twSub", -1),
    asking("twGet", (db) => db.get.bind(db)),
    asking("twGetCurrent", (db) => db.getCurrent.bind(db)),
    asking("twGetWindows", (db) => db.getWindows.bind(db)),
    method("twReset", (call) => dbOf(call).reset(call.bytes(2))),
    method("twResetField", (call) => {
      const db = dbOf(call);
      db.resetField(call.bytes(2), fieldOf(call, db));
    }),
    method("twGetSize", (call) => dbOf(call).size),
    method("twGetv4Prefix", (call) => dbOf(call).v4Prefix),
    method("twGetv6Prefix", (call) => dbOf(call).v6Prefix),
    setting("twSetMaxSize", (db, call) => void (db.maxSize = call.integer(2, 1, MOST_KEYS))),
    setting("twSetv4Prefix", (db, call) => void (db.v4Prefix = call.integer(2, 0, 32))),
    setting("twSetv6Prefix", (db, call) => void (db.v6Prefix = call.integer(2, 0, 128))),
    // Keys are dropped as others come, and each daemon counts for itself.
    setting("twSetExpireSleep", (_, call) => void call.integer(2, 0, Number.MAX_SAFE_INTEGER)),
    setting("twEnableReplication", () => {}),
  ] as [string, HostFunction][]);
}

const describe = (db: StringStatsDB, field: Field): string =>
  `StringStatsDB '${db.name}', field '${field.name}' (${field.kind})`;

const wrongValue = (call: Call, db: StringStatsDB, field: Field, expected: string): LuaError =>
  new LuaError(`${describe(db, field)}: ${expected} expected, got ${call.state.typeName(call.thread, 4)}`);

/** `showStringStatsDBs()`: name, keys, bound and memory of each. */
export const countersConsole = (counters: Counters, output: ConsoleOutput): HostFunction => ({
  name: "showStringStatsDBs",
  body() {
    const row = (...cells: string[]): string =>
      `${cells[0]!.padEnd(30)}${cells
        .slice(1)
        .map((cell) => cell.padStart(14))
        .join("")}\n`;
    const lines = counters.all.map((db) =>
      row(db.name, String(db.size), String(db.maxSize), `${(db.memory / 1024 ** 2).toFixed(1)} MiB`),
    );
    output.print(toByteString(row("Name", "Keys", "Bound", "Memory") + lines.join("")));
  },
});
