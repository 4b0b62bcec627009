/** `--update`: writes what happened into a fixture. All that holds already, and the rest of the file, stays as it is. */
import { type Document, isScalar, isSeq, type Node, visit, type YAMLMap, type YAMLSeq } from "yaml";

import { align } from "./align.ts";
import { isExpected } from "./compare.ts";
import { type Fixture, parseFixture, readText } from "./fixture.ts";
import { type Outcome, type SentEvent } from "./outcome.ts";
import { replaceFile } from "./replace-file.ts";
import { type Result, resultOf } from "./result.ts";
import { Splice } from "./splice.ts";
import { formatOffset } from "./times.ts";
import { FixtureError, parseYaml } from "./yaml-value.ts";

/** Webhooks that are listed in a new `expect`; of more, each name is counted. */
const MOST_LISTED = 100;

const KINDS = ["webhooks", "alerts"] as const;
type Kind = (typeof KINDS)[number];
type Parts = Record<string, unknown>;

/** What a plain `--update` leaves alone: the fixture would hold, and no longer say what its name promises. */
export const removals = ({ differences }: Result): Result["differences"] =>
  differences.filter(({ update }) => update === "removed");

/**
 * @returns whether the fixture now expects what happened; some things cannot be expected, such as a request without answer
 * @throws {FixtureError} when the file cannot be changed, or was changed since it was read
 */
export function updateFixture({ fixture, outcome, differences }: Result): boolean {
  const { document, file, text, endpoints } = fixture;
  const isNew = !document.has("expect");
  const differs = (part: string): boolean => differences.some(({ key }) => key.startsWith(part));
  const parts = [
    ...(isNew || differs("expect") ? ["expect"] : []),
    ...(endpoints.some(({ expect }) => !expect) || differs("endpoints") ? ["endpoints"] : []),
  ];
  if (!canBeExpected(outcome) || parts.length === 0) return false;
  for (const part of parts) refuseAliases(fixture, part);
  const splice = new Splice(text, document);
  if (isNew) {
    document.set("expect", document.createNode(describe(outcome)));
    for (const kind of KINDS) list(document, kind, outcome);
  } else if (parts.includes("expect")) mend(document, outcome);
  if (parts.includes("endpoints")) mendEndpoints(document, outcome);
  const updated = splice.write(parts);
  check(updated, outcome);
  if (readText(file) !== text) throw new FixtureError(file, 1, "was changed while it ran: not updated");
  try {
    replaceFile(file, updated);
  } catch (error) {
    throw new FixtureError(file, 1, `cannot be updated: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
  return true;
}

/** What an alias stands for is also meant elsewhere: to change it would change that, too. */
function refuseAliases({ file, text, document }: Fixture, part: string): void {
  const pair = (document.contents as YAMLMap).items.find(({ key }) => isScalar(key) && key.value === part);
  if (!pair) return;
  visit(pair as never, {
    Alias: (_, { source, range }) => {
      const line = text.slice(0, range![0]).split("\n").length;
      throw new FixtureError(file, line, `${part}: cannot be updated: write out what the alias *${source} stands for`);
    },
  });
}

/** However the file was written: what replaces it is read as it is meant, and nothing else in it has changed. */
function check(updated: string, outcome: Outcome): void {
  const { file, text } = outcome.fixture;
  let problem;
  try {
    const { differences } = resultOf(outcome.under(parseFixture(file, updated)));
    problem = differences[0]?.key;
    if (!Bun.deepEquals(otherParts(file, updated), otherParts(file, text))) problem ??= "another part";
  } catch (error) {
    if (!(error instanceof FixtureError)) throw error;
    problem = error.message;
  }
  if (problem === undefined) return;
  throw new FixtureError(file, 1, `cannot be updated: its new text would be wrong, in ${problem}: change it by hand`);
}

const otherParts = (file: string, text: string): unknown[] =>
  parseYaml(file, text)
    .root.entries()
    .filter(([key]) => key !== "expect" && key !== "endpoints")
    .map(([key, value]) => [key, value.json()]);

function canBeExpected(outcome: Outcome): boolean {
  const { failure, unansweredCount, endpoints, fixture } = outcome;
  if (failure !== undefined || unansweredCount > 0) return false;
  if (KINDS.some((kind) => fixture.expect[kind].list && outcome[kind].count > outcome[kind].list.length)) return false;
  return [...endpoints.values()].every((answer) => !("failed" in answer));
}

/** A new `expect`; the lists of events, if they are not too long, are still empty. */
function describe({ reports, webhooks, alerts, customStats, backgroundRuns, errorCount }: Outcome): Parts {
  const custom = customStats.size > 0 ? { custom: Object.fromEntries(customStats) } : {};
  return {
    ...(webhooks.count <= MOST_LISTED ? { webhooks: [] } : { webhook_counts: Object.fromEntries(webhooks.counts) }),
    ...describeAlerts(alerts),
    stats: { reports, ...custom },
    ...(backgroundRuns.size > 0 ? { background: Object.fromEntries(backgroundRuns) } : {}),
    ...(errorCount > 0 ? { errors: errorCount } : {}),
  };
}

function describeAlerts({ count, counts }: Outcome["alerts"]): Parts {
  if (count === 0) return {};
  return count <= MOST_LISTED ? { alerts: [] } : { alert_counts: Object.fromEntries(counts) };
}

/** Brings a list of events up to date: those that are as expected stay as they are written. */
function list(document: Document, kind: Kind, outcome: Outcome): void {
  const node = document.getIn(["expect", kind]);
  if (!isSeq(node)) return;
  const { fixture } = outcome;
  const came = outcome[kind].list;
  const parts = kind === "webhooks" ? webhookParts : alertParts;
  const expected = fixture.expect[kind].list?.events ?? [];
  const former = [...(node as YAMLSeq<Node>).items];
  node.flow = false;
  node.items = align(expected, came, (one, sent) => isExpected(one, sent, fixture.start)).flatMap(([i, j]) => {
    if (j === undefined) return [];
    const holds = i !== undefined && isExpected(expected[i]!, came[j]!, fixture.start);
    return [holds ? former[i]! : document.createNode(parts(came[j]!, fixture.start), { flow: true })];
  });
  if (node.items.length === 0) node.flow = true;
}

/** What an alert is about; its evidence and message are for people, and may be expected by hand. */
function alertParts({ time, name, body }: SentEvent, start: number): Parts {
  const { severity, login, remote } = JSON.parse(body) as Parts;
  return {
    at: formatOffset(time - start),
    type: name,
    severity,
    ...(login !== undefined && { login }),
    ...(remote !== undefined && { remote }),
  };
}

const webhookParts = ({ time, name, body }: SentEvent, start: number): Parts => ({
  at: formatOffset(time - start),
  name,
  body: parseStructure(body) ?? body,
});

/** Lists and mappings are compared as such; everything else as text. */
function parseStructure(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Changes what an `expect` says where it does not hold. */
function mend(document: Document, outcome: Outcome): void {
  const { fixture, customStats, backgroundRuns, reports, logged, errorCount } = outcome;
  const { expect } = fixture;
  const set = (path: string[], value: number): void => document.setIn(["expect", ...path], value);
  for (const kind of KINDS) {
    const { counts } = outcome[kind];
    list(document, kind, outcome);
    for (const { name } of expect[kind].counts) set([`${kind.slice(0, -1)}_counts`, name], counts.get(name) ?? 0);
    keep(document, `no_${kind}`, (i) => !counts.has(expect[kind].silent[i]!.name));
  }
  if (expect.reports) set(["stats", "reports"], reports);
  for (const { name } of expect.custom) {
    const count = customStats.get(name);
    if (count === undefined) document.deleteIn(["expect", "stats", "custom", name]);
    else set(["stats", "custom", name], count);
  }
  for (const { name } of expect.background) set(["background", name], backgroundRuns.get(name) ?? 0);
  keep(document, "logs", (i) => logged[i]!);
  if (errorCount !== expect.errors.count) set(["errors"], errorCount);
}

/** Leaves out the items of a list that do not hold. */
function keep(document: Document, key: string, holds: (i: number) => boolean): void {
  const node = document.getIn(["expect", key]);
  if (isSeq(node)) node.items = node.items.filter((_, i) => holds(i));
}

function mendEndpoints(document: Document, { fixture, endpoints }: Outcome): void {
  fixture.endpoints.forEach((call, i) => {
    const answer = endpoints.get(call);
    if (!answer || "failed" in answer) return;
    const path = ["endpoints", i, "expect"];
    const { success, attributes } = answer;
    if (!call.expect) {
      const parts = { success, r_attrs: Object.fromEntries(attributes) };
      document.setIn(path, document.createNode(parts, { flow: true }));
      return;
    }
    if (call.expect.success !== undefined) document.setIn([...path, "success"], success);
    for (const [name, expected] of call.expect.attributes) {
      const got = attributes.get(name);
      if (got === undefined) document.deleteIn([...path, "r_attrs", name]);
      else if (got !== expected) document.setIn([...path, "r_attrs", name], got);
    }
  });
}
