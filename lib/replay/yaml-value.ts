/** A YAML file as values that know where they stand, so that each error names its line and key. */
import { type Document, isAlias, isCollection, isMap, isScalar, isSeq, type LineCounter, type Node } from "yaml";

import { escapeControls } from "../log/log.ts";
import { readYaml, type YamlDocument } from "../text/yaml.ts";

/** A JSON value as JavaScript has it. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** A fixture cannot be used: `file:line: what is wrong`, without a line for a folder of them. */
export class FixtureError extends Error {
  override name = "FixtureError";
  constructor(file: string, line: number | undefined, problem: string) {
    super(escapeControls(`${file}${line === undefined ? "" : `:${line}`}: ${problem}`));
  }
}

/** Values that the bodies of one file may have: aliases of aliases make billions of a few lines. */
const MOST_VALUES = 1_000_000;

/** A parsed file, for values to find their lines in. */
interface Source {
  file: string;
  lines: LineCounter;
  targets: YamlDocument["targets"];
  /** How many have become JSON. */
  values: number;
}

/** @throws {FixtureError} */
export function parseYaml(file: string, text: string): { document: Document; root: YamlValue } {
  const { document, lines, targets, fault } = readYaml(text);
  if (fault) throw new FixtureError(file, fault.line, fault.message);
  const source: Source = { file, lines, targets, values: 0 };
  return { document, root: new YamlValue(source, document.contents, "", 1) };
}

export class YamlValue {
  /** @param key where it stands, such as `expect.webhooks[0].at` */
  constructor(
    private readonly source: Source,
    private readonly node: Node | null | undefined,
    private readonly key: string,
    private readonly parentLine: number,
  ) {}

  get line(): number {
    const { node, source } = this;
    return node?.range ? source.lines.linePos(node.range[0]).line : this.parentLine;
  }

  /** The error that is thrown for this value. */
  wrong(problem: string): FixtureError {
    return new FixtureError(this.source.file, this.line, this.key === "" ? problem : `${this.key}: ${problem}`);
  }

  /** A mapping that has no other keys than these. */
  mapping<K extends string>(known: readonly K[]): Partial<Record<K, YamlValue>> {
    const entries = this.entries();
    for (const [key, value] of entries) {
      if ((known as readonly string[]).includes(key)) continue;
      const meant = closest(key, known);
      const hint = meant === undefined ? `known are ${known.join(", ")}` : `was ${meant} meant?`;
      throw new FixtureError(this.source.file, value.line, `${value.key}: unknown key: ${hint}`);
    }
    return Object.fromEntries(entries) as Partial<Record<K, YamlValue>>;
  }

  /** A mapping from any names. */
  entries(): [key: string, value: YamlValue][] {
    const node = this.resolved();
    if (!isMap(node)) throw this.wrongType("a mapping");
    return node.items.map(({ key, value }) => {
      const place = new YamlValue(this.source, key as Node, this.key, this.line);
      if (!isScalar(key)) throw place.wrong("keys must be plain texts");
      const name = String(key.value);
      const { line } = place;
      return [name, new YamlValue(this.source, value as Node | null, this.key ? `${this.key}.${name}` : name, line)];
    });
  }

  list(): YamlValue[] {
    const node = this.resolved();
    if (!isSeq(node)) throw this.wrongType("a list");
    return node.items.map((item, i) => new YamlValue(this.source, item as Node, `${this.key}[${i}]`, this.line));
  }

  text(): string {
    const value = this.scalar();
    if (typeof value === "string") return value;
    throw this.wrongType("a text", typeof value === "number" || typeof value === "boolean" ? ": put it in quotes" : "");
  }

  boolean(): boolean {
    const value = this.scalar();
    if (typeof value !== "boolean") throw this.wrongType("true or false");
    return value;
  }

  number(): number {
    const value = this.scalar();
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.wrongType("a number");
    return value;
  }

  integer(least: number, most: number): number {
    const value = this.number();
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw this.wrong(`whole number from ${least} to ${most} expected, got ${value}`);
  }

  /** Text as it is; numbers and booleans as text. */
  scalarText(): string {
    const value = this.scalar();
    if (value === null || typeof value === "object" || value === undefined) throw this.wrongType("a text");
    return String(value);
  }

  get isMapping(): boolean {
    return isMap(this.resolved());
  }

  get isList(): boolean {
    return isSeq(this.resolved());
  }

  /** The value as JSON has it. */
  json(): Plain {
    return this.plain([]);
  }

  /** @param within what this is a part of: an alias may stand for that */
  private plain(within: Node[]): Plain {
    const node = this.resolved();
    if (isMap(node) || isSeq(node)) {
      if (within.includes(node)) throw this.wrong("an alias of what it is a part of");
      const around = [...within, node];
      if (isSeq(node)) return this.list().map((value) => value.plain(around));
      return Object.fromEntries(this.entries().map(([name, value]) => [name, value.plain(around)]));
    }
    if (++this.source.values > MOST_VALUES) throw this.wrong(`the file has more than ${MOST_VALUES} values`);
    const value = this.scalar() ?? null;
    if (typeof value === "object" ? value === null : typeof value !== "number" || Number.isFinite(value)) {
      return value as Plain;
    }
    throw this.wrong("a value that JSON has, too, expected");
  }

  private resolved(): Node | null | undefined {
    const { node, source } = this;
    if (!isAlias(node)) return node;
    const target = source.targets.get(node);
    if (!target) throw this.wrong(`the alias *${node.source} stands for nothing: no anchor &${node.source} before it`);
    return target;
  }

  private scalar(): unknown {
    const node = this.resolved();
    return isScalar(node) ? node.value : undefined;
  }

  private wrongType(expected: string, hint = ""): FixtureError {
    const node = this.resolved();
    const got = isMap(node) ? "a mapping" : isCollection(node) ? "a list" : JSON.stringify(this.scalar() ?? null);
    return this.wrong(`${expected} expected, got ${got === "null" ? "nothing" : got}${hint}`);
  }
}

/** Letters that may be wrong in a key that was meant to be another. */
const MOST_TYPOS = 2;

function closest<K extends string>(key: string, known: readonly K[]): K | undefined {
  const distances = known.map((name) => [name, distance(key.toLowerCase(), name)] as const);
  const [name, typos] = distances.reduce((best, next) => (next[1] < best[1] ? next : best));
  return typos <= Math.min(MOST_TYPOS, name.length - 1) ? name : undefined;
}

/** Levenshtein's: letters to insert, leave out or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
