/** Runs replay fixtures that specs give as text. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { replay, type ReplayOptions } from "../../lib/replay/program.ts";
import { temporaryFolder } from "./daemon.ts";

interface Replayed extends Disposable {
  code: number;
  /** What was printed, with the folder's name left out. */
  output: string;
  /** The same of what does not belong to the results. */
  aside: string;
  folder: string;
}

/** What most fixtures of specs begin with. */
export const HEAD = "name: spec\nconfig: spec.conf\nstart: 2026-03-01T00:00:00Z\n";

/**
 * @param files by name; all `*.replay.yaml` are run
 */
export async function runReplay(
  files: Record<string, string | Uint8Array>,
  options: Partial<ReplayOptions> = {},
): Promise<Replayed> {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder.path, name), content);
  const fixtures = Object.keys(files).filter((name) => name.endsWith(".replay.yaml"));
  const [output, aside]: string[][] = [[], []];
  const code = await replay(
    fixtures.map((name) => join(folder.path, name)),
    {
      parseDevice: () => [],
      print: (line) => output!.push(line),
      printAside: (line) => aside!.push(line),
      ...options,
    },
  );
  const text = (lines: string[]): string =>
    lines
      .map((line) => `${line}\n`)
      .join("")
      .replaceAll(`${folder.path}/`, "");
  return {
    code,
    output: text(output!),
    aside: text(aside!),
    folder: folder.path,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

/** Runs one configuration and one fixture, of which the head is {@link HEAD}. */
export const runPolicy = (conf: string, fixture: string, options: Partial<ReplayOptions> = {}): Promise<Replayed> =>
  runReplay({ "spec.conf": conf, "spec.replay.yaml": HEAD + fixture }, options);
