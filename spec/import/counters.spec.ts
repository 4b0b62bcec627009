/** What an import counts is there when the daemon starts, as old as it is. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { importFiles } from "../../lib/import/program.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { startDaemon, temporaryFolder } from "../support/daemon.ts";

const HOUR = 3600;

/** Imports reports of these logins, each so many seconds ago. @returns the exit code */
function importReports(
  folder: string,
  configuration: string,
  ...reports: [login: string, ago: number][]
): Promise<number> {
  const now = Date.now() / 1000;
  const lines = reports.map(
    ([login, ago]) => `${JSON.stringify({ t: now - ago, login, remote: "192.0.2.1", success: false })}\n`,
  );
  const file = join(folder, `reports-${now}.jsonl`);
  writeFileSync(file, lines.join(""));
  writeFileSync(join(folder, "import.conf"), configuration);
  return importFiles([file], {
    config: join(folder, "import.conf"),
    format: undefined,
    year: undefined,
    parseDevice: () => [],
    verbose: false,
    clock: systemClock,
    print: () => {},
    printAside: () => {},
  });
}

const configurationOf = (folder: string): string => `
  setStateDir(${JSON.stringify(join(folder, "state"))})
  newHistory("sqlite:history.sqlite")
  newStringStatsDB("db", ${HOUR}, 24, { failures = "int" })
  setReport(function(lt) getStringStatsDB("db"):twAdd(lt.login, "failures", 1) end)`;

const failuresOf = async (configuration: string, ...logins: string[]): Promise<string[]> => {
  await using daemon = await startDaemon(configuration);
  const ask = (login: string): Promise<string> =>
    daemon.daemon.execute(`getStringStatsDB("db"):twGet("${login}", "failures")` as ByteString);
  return Promise.all(logins.map(ask));
};

describe("counters of an import", () => {
  test("are those of its last hours, and go on with the next import", async () => {
    using folder = temporaryFolder();
    const configuration = configurationOf(folder.path);
    const first = await importReports(
      folder.path,
      configuration,
      ["old", 60 * HOUR],
      ["joe", 3 * HOUR],
      ["joe", 2 * HOUR],
    );
    expect(first).toBe(0);
    expect(await importReports(folder.path, configuration, ["joe", HOUR], ["jane", 60])).toBe(0);
    expect(await failuresOf(configuration, "old", "joe", "jane")).toEqual(["0", "3", "1"]);
  });

  test("leave alone what the daemon has counted since", async () => {
    using folder = temporaryFolder();
    const configuration = configurationOf(folder.path);
    {
      await using daemon = await startDaemon(configuration);
      await daemon.daemon.execute('getStringStatsDB("db"):twAdd("joe", "failures", 1)' as ByteString);
    }
    expect(
      await importReports(folder.path, configuration, ["joe", 60 * HOUR], ["joe", 5 * HOUR], ["old", 60 * HOUR]),
    ).toBe(0);
    expect(await failuresOf(configuration, "joe", "old")).toEqual(["1", "0"]);
  });
});
