/** Replay fixtures: the format of `*.replay.yaml`, read and checked. */
import { isUtf8 } from "node:buffer";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";

import type { Document } from "yaml";

import { BodyError, readLoginTuple } from "../login-tuple.ts";
import { type ByteString, toByteString } from "../text/byte-string.ts";
import { parseJson } from "../text/json.ts";
import { PosixZone } from "../time/posix-zone.ts";
import { EXPECT_KEYS, type Expectations, readExpectations } from "./expectations.ts";
import { LONGEST_REPLAY, parseDuration, parseInstant, parseTime, TIME_FORMS } from "./times.ts";
import { FixtureError, parseYaml, type YamlValue } from "./yaml-value.ts";

/** Reports of a JSONL file. */
export interface RecordedReports {
  file: string;
  /** Move the first report's `t` to the start. */
  toStart: boolean;
}

/** A report that the fixture holds itself. */
export interface InlineReport {
  /** Milliseconds since 1970 of the first. */
  at: number;
  /** How many, and how many milliseconds apart. */
  repeat: number;
  every: number;
  /** As wforce would post it. */
  body: ByteString;
  line: number;
}

/** An answer to requests of the policy. */
export interface HttpAnswer {
  /** `*` stands for anything. */
  url: string;
  /** Undefined: any. */
  method: string | undefined;
  status: number;
  headers: [name: string, value: string][];
  body: Uint8Array;
}

/** A call of a custom endpoint. */
export interface EndpointCall {
  at: number;
  name: string;
  /** As it would be posted. */
  body: ByteString;
  expect: { success: boolean | undefined; attributes: Map<string, string> } | undefined;
  line: number;
}

export interface Fixture {
  /** As it was named. */
  file: string;
  name: string;
  config: string;
  /** Milliseconds since 1970. */
  start: number;
  until: number | undefined;
  /** The time zone of cron and of Lua's `os.date`. */
  tz: string;
  /** JSONL files whose reports only teach before the start. */
  learn: string[];
  reports: (RecordedReports | InlineReport)[];
  http: HttpAnswer[];
  endpoints: EndpointCall[];
  expect: Expectations;
  /** The file itself, for `--update`. */
  text: string;
  document: Document;
}

const KEYS = ["name", "config", "start", "until", "tz", "learn", "reports", "http", "endpoints", "expect"] as const;
const TEXT_FIELDS = ["login", "pwhash", "protocol", "device_id", "fail_type", "session_id", "remote", "type"] as const;
const BOOLEAN_FIELDS = ["success", "policy_reject", "tls"] as const;
const TIMING_KEYS = ["at", "repeat", "every"] as const;
const REPORT_KEYS = [...TIMING_KEYS, ...TEXT_FIELDS, ...BOOLEAN_FIELDS, "t", "attrs", "device_attrs"] as const;
const MOST_REPEATS = 100_000_000;

/**
 * @param file as the user named it, for messages
 * @throws {FixtureError}
 */
export const readFixture = (file: string): Fixture => parseFixture(file, readText(file));

/** @throws {FixtureError} when it cannot be read, or is no UTF-8 */
export function readText(file: string): string {
  let bytes;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new FixtureError(file, 1, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (isUtf8(bytes)) return bytes.toString();
  const lines = bytes.toString("latin1").split("\n");
  throw new FixtureError(file, lines.findIndex((line) => !isUtf8(Buffer.from(line, "latin1"))) + 1, "is not UTF-8");
}

/** @throws {FixtureError} */
export function parseFixture(file: string, text: string): Fixture {
  const { document, root } = parseYaml(file, text);
  const { name, config, start: startValue, until, tz, ...parts } = root.mapping(KEYS);
  if (!name || !config || !startValue) {
    const missing = [!name && "name", !config && "config", !startValue && "start"].filter(Boolean);
    throw root.wrong(`missing: ${missing.join(", ")}`);
  }
  const start = parseInstant(startValue.text());
  if (start === undefined) throw startValue.wrong("an instant with its zone expected, such as 2026-03-01T00:00:00Z");
  const reader = new Reader(file, start, until && readTime(until, start));
  return {
    file,
    start,
    text,
    document,
    name: name.text(),
    config: reader.existing(config),
    until: until && reader.time(until),
    tz: tz ? readZone(tz) : "UTC",
    learn: parts.learn ? listOf(parts.learn).map((value) => reader.existing(value)) : [],
    reports: parts.reports ? listOf(parts.reports).map((value) => reader.report(value)) : [],
    http: parts.http ? parts.http.list().map(readAnswer) : [],
    endpoints: parts.endpoints ? parts.endpoints.list().map((value) => reader.endpoint(value)) : [],
    expect: readExpectations(parts.expect?.mapping(EXPECT_KEYS), start),
  };
}

/** Reads what depends on the file's place and the replay's time. */
class Reader {
  constructor(
    private readonly file: string,
    private readonly start: number,
    private readonly until: number | undefined,
  ) {}

  /** The path of a file that must be there, relative to the working directory where that is shorter. */
  existing(value: YamlValue): string {
    const path = resolve(dirname(this.file), value.text());
    const shown = JSON.stringify(value.text());
    let isFile;
    try {
      isFile = statSync(path).isFile();
    } catch (error) {
      throw value.wrong(`${shown} cannot be read: ${(error as NodeJS.ErrnoException).code} (looked for at ${path})`);
    }
    if (!isFile) throw value.wrong(`${shown} is no file`);
    if (realpathSync(path) === realpathSync(this.file)) throw value.wrong(`${shown} is this fixture itself`);
    const short = relative(process.cwd(), path);
    return short.startsWith("..") ? path : short;
  }

  /** A time between start and end. */
  time(value: YamlValue): number {
    const time = readTime(value, this.start);
    if (time < this.start) throw value.wrong("is before `start`");
    this.notAfterEnd(value, time, "is");
    return time;
  }

  private notAfterEnd(value: YamlValue, time: number, what: string): void {
    if (this.until !== undefined && time > this.until) throw value.wrong(`${what} after \`until\``);
    if (time > this.start + LONGEST_REPLAY) throw value.wrong(`${what} more than ten years after \`start\``);
  }

  report(value: YamlValue): RecordedReports | InlineReport {
    if (!value.isMapping) return { file: this.existing(value), toStart: false };
    if (value.entries().some(([key]) => key === "file")) return this.reportFile(value);
    const { at, repeat, every, ...fields } = value.mapping(REPORT_KEYS);
    if (!at) throw value.wrong(`'at' is missing: ${TIME_FORMS}`);
    const inline = {
      at: this.time(at),
      repeat: repeat?.integer(1, MOST_REPEATS) ?? 1,
      every: every ? readDuration(every) : 0,
      body: readBody(fields),
      line: value.line,
    };
    this.notAfterEnd(value, inline.at + (inline.repeat - 1) * inline.every, "the last repetition is");
    try {
      readLoginTuple(parseJson(inline.body), 0, () => []);
    } catch (error) {
      if (error instanceof BodyError) throw value.wrong(error.message);
      throw error;
    }
    return inline;
  }

  private reportFile(value: YamlValue): RecordedReports {
    const { file, shift } = value.mapping(["file", "shift"]);
    if (shift && shift.text() !== "to-start") throw shift.wrong(`'to-start' expected, got '${shift.text()}'`);
    return { file: this.existing(file!), toStart: shift !== undefined };
  }

  endpoint(value: YamlValue): EndpointCall {
    const { at, name, attrs, expect } = value.mapping(["at", "name", "attrs", "expect"]);
    if (!at || !name) throw value.wrong("'at' and 'name' are needed");
    const { success, r_attrs } = expect?.mapping(["success", "r_attrs"]) ?? {};
    const attributes = r_attrs?.entries().map(([key, item]) => [key, item.scalarText()] as const) ?? [];
    return {
      at: this.time(at),
      name: name.text(),
      body: toByteString(JSON.stringify({ attrs: attrs ? readAttributes(attrs) : {} })),
      expect: expect && { success: success?.boolean(), attributes: new Map(attributes) },
      line: value.line,
    };
  }
}

const listOf = (value: YamlValue): YamlValue[] => (value.isList ? value.list() : [value]);

function readTime(value: YamlValue, start: number): number {
  const time = parseTime(value.scalarText(), start);
  if (time === undefined) throw value.wrong(`${TIME_FORMS} expected, got '${value.scalarText()}'`);
  return time;
}

function readDuration(value: YamlValue): number {
  const duration = parseDuration(value.scalarText());
  if (duration === undefined) throw value.wrong(`a duration such as 2s or 1h30m expected, got '${value.scalarText()}'`);
  if (duration > LONGEST_REPLAY) throw value.wrong("is more than ten years");
  return duration;
}

/** A zone's own spelling, which the process needs: it takes what it does not know for UTC, and says nothing. */
function readZone(value: YamlValue): string {
  const zone = value.text();
  try {
    // Intl knows offsets as zones, the process does not.
    if (!/^[+-]/.test(zone)) return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  if (PosixZone.parse(zone)) return zone;
  throw value.wrong(`a time zone such as Europe/Berlin expected, got '${zone}'`);
}

type ReportFields = Partial<Record<Exclude<(typeof REPORT_KEYS)[number], (typeof TIMING_KEYS)[number]>, YamlValue>>;

/** The fields of a login tuple as the JSON that wforce would post. */
function readBody(fields: ReportFields): ByteString {
  const body: Record<string, unknown> = {};
  for (const name of TEXT_FIELDS) if (fields[name]) body[name] = fields[name].text();
  for (const name of BOOLEAN_FIELDS) if (fields[name]) body[name] = fields[name].boolean();
  for (const name of ["attrs", "device_attrs"] as const) if (fields[name]) body[name] = readAttributes(fields[name]);
  if (fields.t) body["t"] = fields.t.number();
  return toByteString(JSON.stringify(body));
}

const readAttributes = (value: YamlValue): Record<string, string | string[]> =>
  Object.fromEntries(
    value.entries().map(([name, item]) => [name, item.isList ? item.list().map((one) => one.text()) : item.text()]),
  );

function readAnswer(value: YamlValue): HttpAnswer {
  const { url, method, status, headers, body } = value.mapping(["url", "method", "status", "headers", "body"]);
  if (!url) throw value.wrong("'url' is missing");
  const structured = body !== undefined && (body.isMapping || body.isList);
  const text = body === undefined ? "" : structured ? JSON.stringify(body.json()) : body.text();
  const given = headers?.entries().map(([name, item]): [string, string] => [name.toLowerCase(), item.scalarText()]);
  const typed = structured && !given?.some(([name]) => name === "content-type");
  return {
    url: url.text(),
    method: method?.text().toUpperCase(),
    status: status?.integer(100, 599) ?? 200,
    headers: [...(typed ? [["content-type", "application/json"] as [string, string]] : []), ...(given ?? [])],
    body: Buffer.from(text, "utf8"),
  };
}
