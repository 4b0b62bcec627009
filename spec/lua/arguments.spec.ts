/** Wrong arguments: each function raises an error in Lua's style that names function, position and types. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { startDaemon, type TestDaemon } from "../support/daemon.ts";

/** What the functions take. The last letter may be missing when it is in lower case: s string, n number, t table. */
const SIGNATURES: Record<string, string> = {
  addListener: "SBsst",
  webserver: "SS",
  setWebserverPassword: "S",
  setMaxWebserverConns: "N",
  addACL: "S",
  setACL: "T",
  controlSocket: "S",
  setKey: "S",
  setNumWorkerThreads: "N",
  setNumReportThreads: "N",
  setNumSchedulerThreads: "N",
  setNumLuaStates: "N",
  setReportTimeout: "N",
  setStateDir: "S",
  setReport: "F",
  setCustomEndpoint: "SF",
  setBackground: "SF",
  cronScheduleBackgroundFunc: "SS",
  intervalScheduleBackgroundFunc: "SS",
  addCustomStat: "S",
  incCustomStat: "S",
  durationToSeconds: "S",
  errorLog: "St",
  warnLog: "St",
  infoLog: "St",
  vinfoLog: "S",
  debugLog: "S",
  addCustomWebHook: "ST",
  runCustomWebHook: "SS",
  setNumWebHookThreads: "N",
  setNumWebHookConnsPerThread: "N",
  setWebHookQueueSize: "N",
  setWebHookTimeoutSecs: "N",
  setCurlCABundleFile: "S",
  setCurlClientCertAndKey: "SS",
  newStringStatsDB: "SNNT",
  newShardedStringStatsDB: "SNNTn",
  getStringStatsDB: "S",
  setHLLBits: "N",
  setCountMinBits: "NN",
  'getStringStatsDB("x"):twSetMaxSize': "N",
  'getStringStatsDB("x"):twSetv4Prefix': "N",
  'getStringStatsDB("x"):twSetv6Prefix': "N",
  'getStringStatsDB("x"):twSetExpireSleep': "N",
  newCA: "S",
  newNetmask: "S",
  newNetmaskFromCA: "AN",
  newGeoIP2DB: "SS",
  getGeoIP2DB: "S",
  lookupCountry: "A",
  lookupCity: "A",
  lookupISP: "A",
  sleep: "N",
  httpRequest: "T",
  loadstring: "S",
  "bit.band": "N",
  "bit.lshift": "NN",
  "newNetmaskGroup():addMask": "S",
  "newNetmaskGroup():match": "A",
  'newNetmask("::/0"):match': "A",
  'getGeoIP2DB("x"):lookupCountry': "A",
  'getGeoIP2DB("x"):lookupISP': "A",
  'getGeoIP2DB("x"):lookupCity': "A",
  'getGeoIP2DB("x"):lookupStringValue': "AT",
  'getGeoIP2DB("x"):lookupUIntValue': "AT",
  'getGeoIP2DB("x"):lookupBoolValue': "AT",
  'getGeoIP2DB("x"):lookupDoubleValue': "AT",
};

const GOOD: Record<string, string> = {
  S: '"10.0.0.1:80"',
  N: "1",
  B: "false",
  T: "{}",
  F: "print",
  A: 'newCA("::1")',
};
/** A value of another type, and what messages call it. */
const WRONG: Record<string, [value: string, type: string]> = {
  S: ["{}", "table"],
  N: ["{}", "table"],
  B: ['"x"', "string"],
  T: ['"x"', "string"],
  F: ['"x"', "string"],
  A: ['"::1"', "string"],
};
const NAMES: Record<string, string> = {
  S: "string",
  N: "number",
  B: "boolean",
  T: "table",
  F: "function",
  A: "ComboAddress",
};

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon("");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const failureOf = (call: string): Promise<string> =>
  daemon.loaded.engine.runFile(Buffer.from(`\n${call}\nlocal _ = 1`), "spec.conf").then(
    () => "no error",
    (error: Error) => error.message,
  );

describe.each(Object.entries(SIGNATURES))("%s", (name, signature) => {
  const shortName = name.split(/[.:]/).at(-1)!;
  const letters = signature.toUpperCase().split("");
  const required = signature.replace(/[a-z]+$/, "").length;

  test.each(letters.map((letter, i) => [i + 1, letter] as const))("argument %d", async (position, letter) => {
    const before = letters.slice(0, position - 1).map((good) => GOOD[good]!);
    const problem = (got: string): RegExp =>
      new RegExp(
        `^spec\\.conf:2: bad argument #${position} to '${shortName}' \\(${NAMES[letter]} expected, got ${got}\\)`,
      );
    const [wrong, type] = WRONG[letter]!;
    expect(await failureOf(`${name}(${[...before, wrong].join(", ")})`)).toMatch(problem(type));
    if (position <= required) expect(await failureOf(`${name}(${before.join(", ")})`)).toMatch(problem("no value"));
  });
});
