/** `trackalert --replay FILE…`: runs fixtures and tells how they went. */
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { escapeControls } from "../log/log.ts";
import type { ParseDevice } from "../login-tuple.ts";
import { stopwatch } from "../time/clock.ts";
import { type Fixture, readFixture } from "./fixture.ts";
import { formatJson, formatJUnit } from "./machine-output.ts";
import { ProgressBar } from "./progress-bar.ts";
import { findUnknown, findUnused, isUnusable, type Result, resultOf, summarize, type Unusable } from "./result.ts";
import { runFixture } from "./run.ts";
import { formatResult, formatSummary, formatUnused, type Paint } from "./text-output.ts";
import { formatOffset } from "./times.ts";
import { removals, updateFixture } from "./update.ts";
import { FixtureError } from "./yaml-value.ts";

export interface ReplayOptions {
  /** Which fixtures, by name; all unless given. */
  run?: RegExp | undefined;
  /** One JSON document instead of text. */
  json?: boolean;
  /** A file for JUnit's XML. */
  junit?: string | undefined;
  /** Fixtures that fail are rewritten to what happened; only for `all` also where an expectation goes. */
  update?: "mend" | "all" | undefined;
  /** Tell everything that happens. */
  verbose?: boolean;
  parseDevice: ParseDevice;
  /** Takes a line of the results; the same replay gives the same lines. */
  print: (line: string) => void;
  /** Takes a line that does not belong to the results. */
  printAside: (line: string) => void;
  /** Draws on the terminal; undefined when there is none. */
  draw?: ((text: string) => void) | undefined;
  /** Verdicts are printed in colour. */
  colours?: boolean;
}

/** How names of fixtures end. */
const FIXTURE = ".replay.yaml";

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** @returns the exit code: 0, 1 when a fixture failed, 2 when one cannot be used */
export async function replay(files: readonly string[], options: ReplayOptions): Promise<number> {
  const { run = /(?:)/, junit, json = false, print, printAside, colours = false } = options;
  const started = stopwatch();
  const { fixtures, problems } = readAll(files);
  for (const problem of problems) printAside(problem);
  if (problems.length > 0) return EXIT_USAGE;
  const chosen = fixtures.filter(({ name }) => run.test(name));
  if (chosen.length === 0) {
    printAside(`no fixture has a name that matches ${run}`);
    return EXIT_USAGE;
  }
  const paint: Paint = (color, word) => (colours ? `${color === "red" ? "\x1b[31m" : "\x1b[32m"}${word}\x1b[0m` : word);
  const results: (Result | Unusable)[] = [];
  for (const fixture of chosen) {
    const result = await runOne(fixture, options).catch((error: unknown): Unusable => {
      if (!(error instanceof FixtureError)) throw error;
      return { fixture, error: error.message };
    });
    results.push(result);
    if (isUnusable(result)) {
      printAside(result.error);
      continue;
    }
    for (const unknown of findUnknown(result)) printAside(escapeControls(unknown));
    if (!json) for (const line of formatResult(result, paint)) print(line);
  }
  const summary = summarize(results);
  if (json) print(formatJson(results));
  else {
    for (const unused of findUnused(results)) print(formatUnused(unused));
    print(formatSummary(summary));
  }
  const written = junit === undefined || writeJUnit(junit, results, printAside);
  const seconds = (stopwatch() - started) / 1000;
  const rate = Math.round(summary.reports / seconds).toLocaleString("en");
  printAside(`real time ${seconds.toFixed(1)} s, ${rate} reports a second`);
  if (!written || summary.unusable > 0) return EXIT_USAGE;
  return summary.failed === 0 ? EXIT_OK : EXIT_FAILED;
}

/** @returns whether it could be written */
function writeJUnit(
  file: string,
  results: readonly (Result | Unusable)[],
  printAside: (line: string) => void,
): boolean {
  try {
    writeFileSync(file, formatJUnit(results));
    return true;
  } catch (error) {
    printAside(`--junit ${file}: cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    return false;
  }
}

/**
 * All of them, before any is run: a mistake in the last should not show after an hour.
 * @param paths of fixtures, and of folders that hold some
 */
function readAll(paths: readonly string[]): { fixtures: Fixture[]; problems: string[] } {
  const problems: string[] = [];
  const collect = <T>(read: () => T[]): T[] => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof FixtureError)) throw error;
      problems.push(error.message);
      return [];
    }
  };
  const files = paths.flatMap((path) => collect(() => fixturesAt(path)));
  return { fixtures: files.flatMap((file) => collect(() => [readFixture(file)])), problems };
}

/** The path itself, or all fixtures below a folder. @throws {FixtureError} when a folder has none */
function fixturesAt(path: string): string[] {
  if (!isFolder(path)) return [path];
  let names;
  try {
    names = readdirSync(path, { recursive: true, encoding: "utf8" });
  } catch (error) {
    throw new FixtureError(path, undefined, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  const found = names.filter((name) => name.endsWith(FIXTURE)).map((name) => join(path, name));
  const files = found.filter((file) => !isFolder(file)).toSorted();
  if (files.length === 0) throw new FixtureError(path, undefined, `there is no *${FIXTURE} below it`);
  return files;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Whoever reads it says why it cannot be read.
    return false;
  }
}

/** @throws {FixtureError} */
async function runOne(fixture: Fixture, options: ReplayOptions): Promise<Result> {
  const { parseDevice, verbose = false, update, json = false, print, printAside, draw } = options;
  const tell = json ? printAside : print;
  const story = verbose
    ? (time: number, what: string): void => tell(`  ${formatOffset(time - fixture.start)}  ${what}`)
    : undefined;
  const bar = draw && !verbose ? new ProgressBar(draw, fixture.start) : undefined;
  try {
    const progress = bar && bar.update.bind(bar);
    const result = resultOf(await runFixture(fixture, { parseDevice, story, progress }));
    const removed = update === "mend" ? removals(result) : [];
    for (const { key, line } of removed) {
      printAside(escapeControls(`${fixture.file}:${line}: ${key}: --update=all removes what did not hold`));
    }
    if (update && removed.length === 0) result.updated = updateFixture(result);
    return result;
  } finally {
    bar?.clear();
  }
}
