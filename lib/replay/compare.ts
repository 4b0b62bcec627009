/** Holds what happened in a replay against what its fixture expects. */
import { escapeControls, Level } from "../log/log.ts";
import { align } from "./align.ts";
import type { ExpectedCount, ExpectedEvent } from "./expectations.ts";
import { type Cause, describeCause, type Outcome, type SentEvent } from "./outcome.ts";
import { formatOffset, formatRange, formatTime } from "./times.ts";
import type { Plain } from "./yaml-value.ts";

/** A count that falls to 0 is an expectation that is removed: what it stands for did not come. */
type Update = "added" | "removed" | "replaced";

/** One thing that is not as expected. */
export interface Difference {
  /** Where it stands in the fixture, such as `expect.webhooks[0].body.type`. */
  key: string;
  /** The line in the fixture, if there is one. */
  line: number | undefined;
  expected: string;
  got: string;
  /** What `--update` does with the expectation; undefined where what came cannot be expected. */
  update: Update | undefined;
  /** Virtual time of what came, with its instant. */
  at: string | undefined;
  /** What made it come. */
  cause: string | undefined;
}

const NOTHING = "nothing";

export function compare(outcome: Outcome): Difference[] {
  const { fixture, customStats, backgroundRuns, failure } = outcome;
  const { expect } = fixture;
  if (failure !== undefined) {
    return [difference("replay", undefined, "runs to its end", failure, undefined)];
  }
  return [
    ...compareEvents(outcome, WEBHOOKS),
    ...compareEvents(outcome, ALERTS),
    ...compareCounts("expect.stats", expect.reports ? [expect.reports] : [], () => outcome.reports),
    ...compareCounts("expect.stats.custom", expect.custom, (name) => customStats.get(name)),
    ...compareCounts("expect.background", expect.background, (name) => backgroundRuns.get(name) ?? 0),
    ...compareLogs(outcome),
    ...compareEndpoints(outcome),
    ...compareErrors(outcome),
    ...compareUnanswered(outcome),
  ];
}

/** Whether what came is what was expected. */
export const isExpected = (expected: ExpectedEvent, sent: SentEvent, start: number): boolean =>
  eventDifference(expected, sent, start, WEBHOOKS) === undefined;

/** How a kind of events is spelled in fixtures. */
interface Kind {
  of: "webhooks" | "alerts";
  one: string;
  name: string;
  /** Where its fields are. */
  body: string;
}

const WEBHOOKS: Kind = { of: "webhooks", one: "webhook", name: ".name", body: ".body" };
const ALERTS: Kind = { of: "alerts", one: "alert", name: ".type", body: "" };

function compareEvents(outcome: Outcome, kind: Kind): Difference[] {
  const { of, one } = kind;
  const { counts, silent } = outcome.fixture.expect[of];
  return [
    ...compareList(outcome, kind),
    ...compareCounts(`expect.${one}_counts`, counts, (name) => outcome[of].counts.get(name) ?? 0),
    ...silent.flatMap((expected) => compareSilence(outcome, expected, kind)),
  ];
}

function compareList(outcome: Outcome, kind: Kind): Difference[] {
  const { fixture } = outcome;
  const { list: sentList, count: sentCount } = outcome[kind.of];
  const expected = fixture.expect[kind.of].list;
  if (!expected) return [];
  const { start } = fixture;
  const differences: Difference[] = [];
  const pairs = align(expected.events, sentList, (one, sent) => isExpected(one, sent, start));
  for (const [i, j] of pairs) {
    const one = i === undefined ? undefined : expected.events[i]!;
    const sent = j === undefined ? undefined : sentList[j]!;
    const found = one && sent && eventDifference(one, sent, start, kind);
    const key = `expect.${kind.of}${i === undefined ? "" : `[${i}]`}`;
    const line = one?.line ?? expected.line;
    if (found) {
      differences.push({
        ...at({ fixture }, sent),
        key: key + found.key,
        line,
        expected: found.expected,
        got: found.got,
        update: "replaced",
      });
    } else if (!one || !sent) {
      const texts = {
        expected: one ? describeExpected(one, start, kind) : NOTHING,
        got: sent ? describeSent(sent) : NOTHING,
      };
      differences.push({ ...at({ fixture }, sent), key, line, ...texts, update: sent ? "added" : "removed" });
    }
  }
  if (sentCount > sentList.length) {
    const got = `${sentCount}, of which the first ${sentList.length} were compared`;
    const count = `${expected.events.length} ${kind.of}`;
    differences.push(difference(`expect.${kind.of}`, expected.line, count, got, undefined));
  }
  return differences;
}

interface ValueDifference {
  /** Behind the key of the whole: `.body.type`. */
  key: string;
  expected: string;
  got: string;
}

function eventDifference(
  expected: ExpectedEvent,
  sent: SentEvent,
  start: number,
  kind: Kind,
): ValueDifference | undefined {
  const { name, at: range, body } = expected;
  if (name !== undefined && name !== sent.name) return { key: kind.name, expected: name, got: describeSent(sent) };
  if (body !== undefined) {
    if (typeof body === "string") {
      if (body !== sent.body) return { key: ".body", expected: show(body), got: show(sent.body) };
    } else {
      const got = parse(sent.body);
      if (got === undefined) return { key: ".body", expected: show(body), got: `no JSON: ${show(sent.body)}` };
      const found = firstDifference(body, got, kind.body);
      if (found) return found;
    }
  }
  if (range && (sent.time < range.from || sent.time > range.to)) {
    return {
      key: ".at",
      expected: formatRange(range, start),
      got: `${formatOffset(sent.time - start)}: ${describeSent(sent)}`,
    };
  }
  return undefined;
}

/** The first place where a JSON value is not as expected. */
function firstDifference(expected: Plain, got: unknown, key: string): ValueDifference | undefined {
  const differs = { key, expected: show(expected), got: show(got) };
  if (Array.isArray(expected)) {
    if (!Array.isArray(got) || got.length !== expected.length) return differs;
    return first(expected.entries(), ([i, item]) => firstDifference(item, got[i], `${key}[${i}]`));
  }
  if (typeof expected === "object" && expected !== null) {
    if (typeof got !== "object" || got === null || Array.isArray(got)) return differs;
    return first(Object.entries(expected), ([name, item]) =>
      Object.hasOwn(got, name)
        ? firstDifference(item, (got as Record<string, unknown>)[name], `${key}.${name}`)
        : { key: `${key}.${name}`, expected: show(item), got: NOTHING },
    );
  }
  return expected === got ? undefined : differs;
}

function first<T, R>(items: Iterable<T>, find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function compareCounts(
  key: string,
  expected: ExpectedCount[],
  counted: (name: string) => number | undefined,
): Difference[] {
  return expected.flatMap(({ name, count, line }) => {
    const got = counted(name);
    if (got === count) return [];
    const update = got === undefined || got === 0 ? "removed" : "replaced";
    const text = got === undefined ? "no such custom stat" : String(got);
    return [difference(`${key}.${name}`, line, String(count), text, update)];
  });
}

function compareSilence(outcome: Outcome, { name, line }: ExpectedCount, { of, one }: Kind): Difference[] {
  const count = outcome[of].counts.get(name) ?? 0;
  if (count === 0) return [];
  const sent = outcome[of].list.find((event) => event.name === name);
  const got = `${count}, the first: ${sent ? describeSent(sent) : "not kept"}`;
  return [
    { ...at(outcome, sent), key: `expect.no_${of}`, line, expected: `no ${one} ${name}`, got, update: "removed" },
  ];
}

function compareLogs({ fixture, logged, lines }: Outcome): Difference[] {
  return fixture.expect.logs.flatMap(({ pattern, line }, i) => {
    if (logged[i]) return [];
    const { name, alike } = linesLike(pattern, lines);
    const got = alike.length === 0 ? "" : `; ${name} began with\n${alike.join("\n")}`;
    return [difference(`expect.logs[${i}]`, line, String(pattern), `no line that matches${got}`, "removed")];
  });
}

/** The first lines of the level that a pattern names, else those of warnings and worse. */
function linesLike({ source }: RegExp, lines: Outcome["lines"]): { name: string; alike: readonly string[] } {
  const level = /^\^?(\w+):/.exec(source)?.[1] as keyof typeof Level | undefined;
  if (level !== undefined && Object.hasOwn(Level, level)) {
    return { name: `lines of level ${level}`, alike: lines.get(Level[level]) ?? [] };
  }
  const alike = [...lines].flatMap(([level, texts]) => (level <= Level.warning ? texts : []));
  return { name: "warnings and errors", alike };
}

function compareEndpoints({ fixture, endpoints }: Outcome): Difference[] {
  return fixture.endpoints.flatMap((call, i) => {
    const answer = endpoints.get(call) ?? { failed: "no answer" };
    const key = `endpoints[${i}]`;
    const when = at({ fixture }, { time: call.at, cause: call });
    if ("failed" in answer) {
      const texts = { expected: "an answer", got: answer.failed, update: undefined };
      return [{ ...when, key: `${key} (${call.name})`, line: call.line, ...texts }];
    }
    const { success, attributes = new Map<string, string>() } = call.expect ?? {};
    const differences: Difference[] = [];
    if (success !== undefined && success !== answer.success) {
      const texts = { expected: String(success), got: String(answer.success), update: "replaced" as const };
      differences.push({ ...when, key: `${key}.expect.success`, line: call.line, ...texts });
    }
    for (const [name, expected] of attributes) {
      const got = answer.attributes.get(name);
      if (got === expected) continue;
      const texts = { expected: show(expected), got: got === undefined ? NOTHING : show(got) };
      const update = got === undefined ? "removed" : "replaced";
      differences.push({ ...when, key: `${key}.expect.r_attrs.${name}`, line: call.line, ...texts, update });
    }
    return differences;
  });
}

function compareErrors(outcome: Outcome): Difference[] {
  const { count, line } = outcome.fixture.expect.errors;
  const { errorCount, errors } = outcome;
  if (errorCount === count) return [];
  const [error] = errors;
  const got = error ? `${errorCount}, the first: ${error.message}` : "0";
  return [{ ...at(outcome, error), key: "expect.errors", line, expected: String(count), got, update: "replaced" }];
}

function compareUnanswered(outcome: Outcome): Difference[] {
  const shown = outcome.unanswered.map((request) => ({
    ...at(outcome, request),
    key: "http",
    line: undefined,
    expected: "an entry that answers",
    got: request.message,
    update: undefined,
  }));
  const more = outcome.unansweredCount - shown.length;
  return more > 0
    ? [...shown, difference("http", undefined, "entries that answer", `${more} more requests`, undefined)]
    : shown;
}

const difference = (
  key: string,
  line: number | undefined,
  expected: string,
  got: string,
  update: Update | undefined,
): Difference => ({
  key,
  line,
  expected,
  got,
  update,
  at: undefined,
  cause: undefined,
});

/** When something came, and why. */
const at = (
  { fixture }: Pick<Outcome, "fixture">,
  happening: { time: number; cause: Cause } | undefined,
): Pick<Difference, "at" | "cause"> => ({
  at: happening && formatTime(happening.time, fixture.start),
  cause: happening && describeCause(happening.cause),
});

const describeSent = ({ name, body }: SentEvent): string => `${name} ${escapeControls(body)}`;

function describeExpected({ at: range, name, body }: ExpectedEvent, start: number, { one }: Kind): string {
  const parts = [range && formatRange(range, start), name ?? `any ${one}`, body !== undefined && show(body)];
  return parts.filter(Boolean).join(" ");
}

const show = (value: unknown): string => JSON.stringify(value) ?? NOTHING;

/** The value of a JSON text; undefined when it is none. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
