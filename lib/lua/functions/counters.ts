/** Counters, for the configuration: dbs, and how exact they are. */
import { LARGEST_BLOCK } from "../../counters/blocks.ts";
import { formatDbs } from "../../counters/console.ts";
import { countMinShape } from "../../counters/count-min.ts";
import type { Counters } from "../../counters/counters.ts";
import type { FieldShape } from "../../counters/field.ts";
import { toByteString, toText } from "../../text/byte-string.ts";
import type { Call, HostFunction } from "../call.ts";
import type { ConsoleOutput } from "../console-output.ts";

/** Bounds that keep a record within reason. */
const MOST_WINDOWS = 1000;
const MOST_FIELDS = 64;
const LONGEST_WINDOW = 366 * 86_400;
/** Bytes of the name of a db or field. */
const LONGEST_NAME = 200;

export function counterConfiguration(counters: Counters, output: ConsoleOutput): HostFunction[] {
  let bits = 6;
  let countMin = countMinShape(0.05, 0.2);
  const made = new Set<string>();
  const shapeOf = (kind: string): FieldShape | undefined => {
    if (kind === "int") return { kind };
    if (kind === "hll") return { kind, bits };
    return kind === "countmin" ? { kind, ...countMin } : undefined;
  };
  const create = (call: Call): void => {
    const name = readName(call, 1);
    const window = call.integer(2, 1, LONGEST_WINDOW);
    const windows = call.integer(3, 1, MOST_WINDOWS);
    const fields = readFields(call, shapeOf);
    if (made.has(name)) throw call.wrong(1, `a db is named ${JSON.stringify(name)} already`);
    made.add(name);
    counters.create({ name, window, windows, fields });
  };
  return [
    { name: "newStringStatsDB", body: create },
    {
      name: "newShardedStringStatsDB",
      body(call) {
        if (call.has(5)) call.integer(5, 1, 1e9);
        create(call);
      },
    },
    { name: "setHLLBits", body: (call) => void (bits = call.integer(1, 4, 16)) },
    {
      name: "setCountMinBits",
      body(call) {
        const [eps, gamma] = [readShare(call, 1), readShare(call, 2)];
        const shape = countMinShape(eps, gamma);
        const size = shape.width * shape.depth;
        if (size > LARGEST_BLOCK) throw call.wrong(1, `that takes ${size} counters a window, ${LARGEST_BLOCK} at most`);
        countMin = shape;
      },
    },
    { name: "showStringStatsDBs", body: () => output.print(toByteString(formatDbs(counters))) },
  ];
}

function readName(call: Call, position: number): string {
  const bytes = call.bytes(position);
  const name = toText(bytes);
  if (bytes === "" || bytes.length > LONGEST_NAME || toByteString(name) !== bytes) {
    throw call.wrong(position, `name of 1 to ${LONGEST_NAME} bytes of UTF-8 expected`);
  }
  return name;
}

/** In the order of their names: that of a Lua table differs from run to run. */
function readFields(call: Call, shapeOf: (kind: string) => FieldShape | undefined): Map<string, FieldShape> {
  const table = call.table(4);
  if (table.size === 0 || table.size > MOST_FIELDS) throw call.wrong(4, `1 to ${MOST_FIELDS} fields expected`);
  const fields = [...table].map(([key, kind]): [string, FieldShape] => {
    const name = typeof key === "string" ? toText(key) : String(key);
    const field = JSON.stringify(name);
    const shape = typeof kind === "string" ? shapeOf(kind) : undefined;
    if (typeof key !== "string" || key.length > LONGEST_NAME || toByteString(name) !== key) {
      throw call.wrong(4, `the name of field ${field} is no text of at most ${LONGEST_NAME} bytes`);
    }
    if (!shape) throw call.wrong(4, `field ${field} must be "int", "hll" or "countmin"`);
    return [name, shape];
  });
  return new Map(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function readShare(call: Call, position: number): number {
  const share = call.number(position);
  if (!(share > 0 && share <= 1)) throw call.wrong(position, `number over 0, at most 1 expected, got ${share}`);
  return share;
}
