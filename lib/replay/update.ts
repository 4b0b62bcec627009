/** `--update`: writes what happened into a fixture. All that holds already, and the rest of the file, stays as it is. */
import { readFileSync } from "node:fs";

import { Document, isScalar, isSeq, type Node, type Pair, YAMLMap, type YAMLSeq } from "yaml";

import { align } from "./align.ts";
import { isExpected } from "./compare.ts";
import { type Outcome, type SentWebHook } from "./outcome.ts";
import { replaceFile } from "./replace-file.ts";
import type { Result } from "./result.ts";
import { formatOffset } from "./times.ts";
import { FixtureError } from "./yaml-value.ts";

/** Webhooks that are listed in a new `expect`; of more, each name is counted. */
const MOST_LISTED = 100;

type Parts = Record<string, unknown>;

/**
 * @returns whether the fixture now expects what happened; some things cannot be expected, such as a request without answer
 * @throws {FixtureError} when the file cannot be written, or was changed since it was read
 */
export function updateFixture({ fixture, outcome, differences }: Result): boolean {
  const { document } = fixture;
  const isNew = !document.has("expect");
  const lacking = fixture.endpoints.some(({ expect }) => !expect);
  if (!canBeExpected(outcome) || (differences.length === 0 && !isNew && !lacking)) return false;
  // The text is replaced by key, so the places are taken before anything is changed.
  const root = document.contents as YAMLMap;
  const places = new Map(root.items.map((pair) => [pair as Pair, placeOf(pair as Pair)]));
  const changed: string[] = [];
  if (isNew) {
    document.set("expect", document.createNode(describe(outcome)));
    list(document, ["expect", "webhooks"], outcome);
    changed.push("expect");
  } else if (differences.some(({ key }) => key.startsWith("expect"))) {
    mend(document, outcome);
    changed.push("expect");
  }
  if (lacking || differences.some(({ key }) => key.startsWith("endpoints"))) {
    mendEndpoints(document, outcome);
    changed.push("endpoints");
  }
  if (changed.length === 0) return false;
  const { file, text } = fixture;
  if (readFileSync(file, "utf8") !== text) throw new FixtureError(file, 1, "was changed while it ran: not updated");
  try {
    replaceFile(file, root.flow ? document.toString() : splice(text, root, places, changed));
  } catch (error) {
    throw new FixtureError(file, 1, `cannot be updated: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
  return true;
}

function canBeExpected({ failure, unansweredCount, endpoints, fixture, webhooks, webhookCount }: Outcome): boolean {
  if (failure !== undefined || unansweredCount > 0) return false;
  if (fixture.expect.webhooks && webhookCount > webhooks.length) return false;
  return [...endpoints.values()].every((answer) => !("failed" in answer));
}

/** A new `expect`; the list of webhooks, if it is not too long, is still empty. */
function describe({ reports, webhookCount, webhookCounts, customStats, backgroundRuns, errorCount }: Outcome): Parts {
  const custom = customStats.size > 0 ? { custom: Object.fromEntries(customStats) } : {};
  return {
    ...(webhookCount <= MOST_LISTED ? { webhooks: [] } : { webhook_counts: Object.fromEntries(webhookCounts) }),
    stats: { reports, ...custom },
    ...(backgroundRuns.size > 0 ? { background: Object.fromEntries(backgroundRuns) } : {}),
    ...(errorCount > 0 ? { errors: errorCount } : {}),
  };
}

/** Brings a list of webhooks up to date: those that are as expected stay as they are written. */
function list(document: Document, path: string[], outcome: Outcome): void {
  const node = document.getIn(path);
  if (!isSeq(node)) return;
  const { fixture, webhooks } = outcome;
  const expected = fixture.expect.webhooks?.list ?? [];
  const former = [...(node as YAMLSeq<Node>).items];
  node.flow = false;
  node.items = align(expected, webhooks, (one, sent) => isExpected(one, sent, fixture.start)).flatMap(([i, j]) => {
    if (j === undefined) return [];
    const holds = i !== undefined && isExpected(expected[i]!, webhooks[j]!, fixture.start);
    return [holds ? former[i]! : document.createNode(webhookParts(webhooks[j]!, fixture.start), { flow: true })];
  });
  if (node.items.length === 0) node.flow = true;
}

const webhookParts = ({ time, name, body }: SentWebHook, start: number): Parts => ({
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
  const { fixture, webhookCounts, customStats, backgroundRuns, reports, logged, errorCount } = outcome;
  const { expect } = fixture;
  const set = (path: string[], value: number): void => document.setIn(["expect", ...path], value);
  list(document, ["expect", "webhooks"], outcome);
  for (const { name } of expect.webhookCounts) set(["webhook_counts", name], webhookCounts.get(name) ?? 0);
  keep(document, "no_webhooks", (i) => !webhookCounts.has(expect.noWebhooks[i]!.name));
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

/** From where to where a key and its value stand in the text. */
function placeOf({ key, value }: Pair): [from: number, to: number] {
  const [from, end] = (key as Node).range!;
  return [from, (value as Node | null)?.range?.[1] ?? end];
}

/** Replaces single keys of the file, so that everything else keeps its bytes. */
function splice(before: string, root: YAMLMap, places: Map<Pair, [number, number]>, changed: string[]): string {
  let text = before;
  for (const pair of root.items.toReversed() as Pair[]) {
    const { key } = pair;
    // One that was set just now has a plain text for its key.
    if (!changed.includes(String(isScalar(key) ? key.value : key))) continue;
    const place = places.get(pair);
    const part = new Document();
    const only = new YAMLMap();
    if (isScalar(key)) Object.assign(key, { commentBefore: null, spaceBefore: false });
    only.items = [pair];
    part.contents = only as never;
    const written = part.toString({ lineWidth: 0, verifyAliasOrder: false });
    if (!place) {
      text = `${text}${text.endsWith("\n") ? "" : "\n"}${written}`;
      continue;
    }
    const rest = text.slice(place[1]);
    text =
      text.slice(0, place[0]) + written.trimEnd() + (rest === "" || rest.startsWith("\n") ? rest || "\n" : `\n${rest}`);
  }
  return text;
}
