/** `GET /?command=alerts`: alerts as JSON, newest first, a page at a time. */
import { toJson } from "../alerts/alert.ts";
import type { Alerts } from "../alerts/alerts.ts";
import {
  ALERT_TYPE,
  type AlertFilter,
  type AlertPlace,
  isSeverity,
  SEVERITIES,
  type Severity,
} from "../history/alert-record.ts";
import { keptText } from "../history/row.ts";
import { type ByteString, percentDecode, toByteString, toText } from "../text/byte-string.ts";
import { DURATION_EXAMPLES, parseDuration } from "../time/duration.ts";
import { parseIso } from "../time/iso.ts";
import * as answers from "./answers.ts";

/** Alerts of a page, unless asked otherwise, and at most. */
const PAGE = 100;
const LONGEST_PAGE = 1000;
/** Characters of what was sent that an error shows. */
const SHOWN = 64;

const NAMES = ["type", "login", "remote", "severity", "since", "before", "limit"] as const;
type Name = (typeof NAMES)[number];

const TIME = `${DURATION_EXAMPLES} back from now, seconds since 1970, or ISO 8601`;
/** Of each parameter, for who has sent something else. */
const EXPECTED: Record<Name, string> = {
  type: "letters, digits and _, 64 at most",
  login: "a login",
  remote: "an address, or what else the alert has there",
  severity: `one of ${SEVERITIES.join(", ")}`,
  since: TIME,
  before: `${TIME}, or "next" of another answer`,
  limit: `a whole number of 1 to ${LONGEST_PAGE}`,
};

/** What is asked is not understood: the message names the parameter and what is expected. */
class QueryError extends Error {
  override name = "QueryError";
}

/**
 * @param url of the request, as Bun gives it
 * @param now seconds since 1970
 */
export async function answerAlerts(url: string, alerts: Alerts, now: number): Promise<Response> {
  let query;
  try {
    query = readQuery(url, now);
  } catch (error) {
    if (error instanceof QueryError) return answers.failure(400, error.message);
    throw error;
  }
  const { filter, limit } = query;
  // One more tells whether there are more.
  const result = await alerts.list(filter, limit + 1, { beside: true });
  if ("problem" in result) return answers.failure(503, result.problem, { "retry-after": "1" });
  const page = result.answer.slice(0, limit);
  const next = result.answer.length > limit ? formatPlace(page.at(-1)!) : null;
  return answers.json(JSON.stringify({ alerts: page.map((alert) => toJson(alert)), next }));
}

/** @throws {QueryError} */
function readQuery(url: string, now: number): { filter: AlertFilter; limit: number } {
  const given = readParameters(url);
  const read = <T>(name: Name, parse: (value: ByteString) => T | undefined): T | undefined => {
    const value = given.get(name);
    if (value === undefined) return undefined;
    const found = parse(value);
    if (found !== undefined) return found;
    throw new QueryError(`${name}: ${EXPECTED[name]} expected, got ${shown(value)}`);
  };
  const text = (value: ByteString): ByteString | undefined => (value === "" ? undefined : keptText(value));
  const before = read("before", (value) => readPlace(value) ?? readTime(value, now));
  const filter: { [K in keyof AlertFilter]: AlertFilter[K] | undefined } = {
    type: read("type", (value) => (ALERT_TYPE.test(value) ? value : undefined)),
    login: read("login", text),
    remote: read("remote", text),
    severity: read<Severity>("severity", (value) => (isSeverity(value) ? value : undefined)),
    since: read("since", (value) => readTime(value, now)),
    ...(typeof before === "object" ? { after: before } : { before }),
  };
  const limit = read("limit", readLimit) ?? PAGE;
  const named = Object.entries(filter).filter(([, value]) => value !== undefined);
  return { filter: Object.fromEntries(named) as AlertFilter, limit };
}

/** Values may be any bytes, percent-encoded; `+` is a space. @throws {QueryError} */
function readParameters(url: string): Map<string, ByteString> {
  const question = url.indexOf("?");
  const path = question < 0 ? url : url.slice(0, question);
  const known: readonly string[] = path.endsWith("/command/alerts") ? NAMES : [...NAMES, "command"];
  const given = new Map<string, ByteString>();
  for (const parameter of question < 0 ? [] : url.slice(question + 1).split("&")) {
    if (parameter === "") continue;
    const equals = parameter.indexOf("=");
    const name = toText(decode(equals < 0 ? parameter : parameter.slice(0, equals)));
    if (!known.includes(name)) {
      throw new QueryError(`unknown parameter ${shown(toByteString(name))}: there are ${NAMES.join(", ")}`);
    }
    if (given.has(name)) throw new QueryError(`${name} is given more than once: one value expected`);
    given.set(name, decode(equals < 0 ? "" : parameter.slice(equals + 1)));
  }
  return given;
}

const decode = (text: string): ByteString => percentDecode(toByteString(text.replaceAll("+", " ")));

const shown = (value: ByteString): string => JSON.stringify(toText(value).slice(0, SHOWN));

function readLimit(text: string): number | undefined {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= LONGEST_PAGE ? limit : undefined;
}

/** Seconds since 1970. */
function readTime(text: string, now: number): number | undefined {
  const back = parseDuration(text);
  if (back !== undefined) return now - back;
  if (/^\d{1,12}(\.\d{1,9})?$/.test(text)) return Number(text);
  // The plus of a zone is a space when nobody has encoded it.
  const milliseconds = parseIso(
    /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00Z` : text.replace(/ (?=\d\d(:?\d\d)?$)/, "+"),
  );
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}

/** The place of an alert, as one word that needs no encoding: exact where several alerts are of one time. */
const formatPlace = ({ first, id }: AlertPlace): string => `${first}~${id}`;

function readPlace(text: string): AlertPlace | undefined {
  const [, first, id] = /^(\d{1,12}(?:\.\d{1,20})?)~([0-9a-z]{1,64})$/.exec(text) ?? [];
  return first === undefined ? undefined : { first: Number(first), id: id! };
}
