import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { loadConfig, type Loaded } from "../../lib/configuration/load-config.ts";
import { Log } from "../../lib/log/log.ts";
import { geoipConfiguration } from "../../lib/lua/functions/geoip.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";

const FIXTURES = join(import.meta.dir, "../../fixtures/geoip");
const folder = fs.mkdtempSync(join(tmpdir(), "geoip-lua-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

let lines: string[];
let opened: Loaded[];
const log = new Log({ sink: (line) => void lines.push(line) });
beforeEach(() => {
  lines = [];
  opened = [];
  fs.rmSync(folder, { recursive: true });
  fs.mkdirSync(folder);
  for (const name of ["City", "Country", "ISP"]) {
    fs.copyFileSync(join(FIXTURES, `GeoIP2-${name}-Test.mmdb`), join(folder, `${name}.mmdb`));
  }
});
afterEach(() => {
  for (const { engine } of opened) engine.close();
});

async function load(file: string): Promise<Loaded> {
  const loaded = await loadConfig(file, { clock: systemClock, log });
  opened.push(loaded);
  return loaded;
}

/** Loads a configuration from the folder that holds the databases. */
function configure(source: string): Promise<Loaded> {
  fs.writeFileSync(join(folder, "x.conf"), source);
  return load(join(folder, "x.conf"));
}

async function call({ engine, policy }: Loaded, endpoint: string, attrs: Record<string, string> = {}) {
  const pairs = Object.entries(attrs).flat().map(toByteString);
  const { success, attributes } = await engine.runEndpoint(policy.endpoints.get(endpoint)!, {
    attrs: pairs,
    attrsMv: [],
  });
  expect(success).toBe(true);
  return Object.fromEntries(attributes);
}

/** Evaluates Lua expressions in a custom endpoint, after a configuration. */
async function evaluate(configuration: string, expressions: Record<string, string>) {
  const fields = Object.entries(expressions).map(([name, expression]) => `${name} = ${expression}`);
  return call(
    await configure(`${configuration}\nsetCustomEndpoint("x", function() return true, { ${fields.join(", ")} } end)`),
    "x",
  );
}

/** The message of the error that a line of Lua raises, called from line 2 of a configuration. */
async function failure(line: string): Promise<string> {
  const source = `newGeoIP2DB("City", "City.mmdb"); db = getGeoIP2DB("City"); ca = newCA("1.2.3.4"); _, e = pcall(function()\n ${line} end)`;
  const { e } = await evaluate(source, { e: "tostring(e)" });
  return e!.replace(/^.*x\.conf:/, "");
}

describe("the reference's answers", () => {
  const exchanges = fs.readFileSync(join(FIXTURES, "exchanges.jsonl"), "utf8").trim().split("\n");
  test.each(exchanges.map((line) => JSON.parse(line)).map((exchange) => [exchange.b, exchange.body]))(
    "%s",
    async (request, response) => {
      const loaded = await load(join(FIXTURES, "geo.conf"));
      expect(await call(loaded, "geo", JSON.parse(request).attrs)).toEqual(JSON.parse(response).r_attrs);
      expect(lines).toBeEmpty();
    },
  );
});

describe("newGeoIP2DB", () => {
  test("opens files relative to the configuration", async () => {
    const found = await evaluate('newGeoIP2DB("c", "./Country.mmdb")', {
      cc: 'getGeoIP2DB("c"):lookupCountry(newCA("[2a02:cf40::1]:25"))',
    });
    expect(found).toEqual({ cc: "NO" });
  });

  test("logs why a file cannot be opened, and the configuration goes on", async () => {
    fs.truncateSync(join(folder, "City.mmdb"), 12_345);
    fs.writeFileSync(join(folder, "Empty.mmdb"), "");
    const source =
      'newGeoIP2DB("n", "None.mmdb") newGeoIP2DB("e", "Empty.mmdb") newGeoIP2DB("t", "City.mmdb") newGeoIP2DB("f", "x.conf")';
    const found = await evaluate(source, { n: 'getGeoIP2DB("t"):lookupCountry(newCA("81.2.69.142"))' });
    expect(found).toEqual({ n: "" });
    const cutOff = "not a MaxMind database (.mmdb), or cut off: it does not end with metadata";
    expect(lines).toEqual([
      `newGeoIP2DB: n: ${folder}/None.mmdb: no such file`,
      `newGeoIP2DB: e: ${folder}/Empty.mmdb: the file is empty`,
      `newGeoIP2DB: t: ${folder}/City.mmdb: ${cutOff}`,
      `newGeoIP2DB: f: ${folder}/x.conf: ${cutOff}`,
    ]);
  });

  test("has no effect outside the configuration", async () => {
    const found = await evaluate('function late() newGeoIP2DB("late", "City.mmdb") initGeoIPDB() return 1 end', {
      a: "late()",
      b: "late()",
      c: 'getGeoIP2DB("late"):lookupCountry(newCA("81.2.69.142"))',
    });
    expect(found["c"]).toBe("");
    expect(lines.filter((line) => line.startsWith("newGeoIP2DB() has no effect"))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith("initGeoIPDB() has no effect"))).toHaveLength(1);
  });
});

describe("getGeoIP2DB", () => {
  test("answers for an unknown name a database in which nothing is found, and says so once", async () => {
    const db = 'getGeoIP2DB("Nope")';
    const ca = 'newCA("81.2.69.142")';
    const found = await evaluate("", {
      country: `${db}:lookupCountry(${ca})`,
      isp: `${db}:lookupISP(${ca})`,
      city: `${db}:lookupCity(${ca}).city`,
      latitude: `${db}:lookupCity(${ca}).latitude`,
      text: `${db}:lookupStringValue(${ca}, {"city"})`,
      uint: `${db}:lookupUIntValue(${ca}, {"city"})`,
      bool: `tostring(${db}:lookupBoolValue(${ca}, {"city"}))`,
      double: `${db}:lookupDoubleValue(${ca}, {"city"})`,
    });
    expect(found).toEqual({
      country: "",
      isp: "",
      city: "",
      latitude: "0",
      text: "",
      uint: "0",
      bool: "false",
      double: "0",
    });
    expect(lines).toEqual(['getGeoIP2DB: no database is named "Nope": newGeoIP2DB() opens one']);
  });

  test("answers an object that a policy cannot mistake or change", async () => {
    const found = await evaluate('newGeoIP2DB("City", "City.mmdb"); db = getGeoIP2DB("City")', {
      type: "getmetatable(db)",
      changed: "tostring(pcall(setmetatable, db, {}))",
    });
    expect(found).toEqual({ type: "GeoIP2DB", changed: "false" });
  });
});

describe("a database object", () => {
  test("answers a city record with every field", async () => {
    const source = `newGeoIP2DB("City", "City.mmdb")
      local record = getGeoIP2DB("City"):lookupCity(newCA("89.160.20.112"))
      setCustomEndpoint("x", function() return true, record end)`;
    expect(await call(await configure(source), "x")).toEqual({
      country_code: "SE",
      country_name: "Sweden",
      region: "E",
      city: "Linköping",
      postal_code: "",
      continent_code: "EU",
      latitude: "58.4167",
      longitude: "15.6167",
    });
  });

  test("follows paths with numbers in them, and texts that are not ASCII", async () => {
    const found = await evaluate(
      'newGeoIP2DB("City", "City.mmdb"); db = getGeoIP2DB("City"); ca = newCA("81.2.69.142")',
      {
        region: 'db:lookupStringValue(ca, {"subdivisions", 0, "iso_code"})',
        same: 'db:lookupStringValue(ca, {"subdivisions", "0", "iso_code"})',
        ja: 'db:lookupStringValue(ca, {"city", "names", "ja"})',
        all: "db:lookupStringValue(ca, {})",
        bytes: 'db:lookupStringValue(ca, {"\\xff\\0"})',
      },
    );
    expect(found).toEqual({ region: "ENG", same: "ENG", ja: "ロンドン", all: "", bytes: "" });
  });

  test("goes on with what a reload swapped in", async () => {
    const loaded = await configure(`newGeoIP2DB("db", "Country.mmdb")
      local db = getGeoIP2DB("db")
      setCustomEndpoint("x", function() return true, { city = db:lookupCity(newCA("81.2.69.142")).city } end)
      setCustomEndpoint("reload", function() return true, { a = reloadGeoIPDBs(), b = reloadGeoIP2DBs() } end)`);
    expect(await call(loaded, "x")).toEqual({ city: "" });
    fs.copyFileSync(join(folder, "City.mmdb"), join(folder, "Country.mmdb"));
    const successful = { a: "reloadGeoIPDBs() successful", b: "reloadGeoIP2DBs() successful" };
    expect(await call(loaded, "reload")).toEqual(successful);
    expect(await call(loaded, "x")).toEqual({ city: "London" });

    fs.rmSync(join(folder, "Country.mmdb"));
    const failed = `db: ${folder}/Country.mmdb: no such file; the former one stays in use`;
    expect(await call(loaded, "reload")).toEqual({ a: failed, b: failed });
    expect(await call(loaded, "x")).toEqual({ city: "London" });
    expect(lines).toEqual([`GeoIP database ${failed}`, `GeoIP database ${failed}`]);
    expect(await loaded.engine.runConsole(toByteString("reloadGeoIPDBs()"))).toBe(toByteString(`Error: ${failed}`));
  });
});

describe("wrong arguments are Lua errors at the caller's line", () => {
  const methods = ["lookupCountry", "lookupISP", "lookupCity"];
  const byPath = ["lookupStringValue", "lookupUIntValue", "lookupBoolValue", "lookupDoubleValue"];
  const cases: [line: string, message: string][] = [
    ["newGeoIP2DB()", "bad argument #1 to 'newGeoIP2DB' (string expected, got no value)"],
    ["newGeoIP2DB('x')", "bad argument #2 to 'newGeoIP2DB' (string expected, got no value)"],
    ["newGeoIP2DB('x', {})", "bad argument #2 to 'newGeoIP2DB' (string expected, got table)"],
    ["getGeoIP2DB()", "bad argument #1 to 'getGeoIP2DB' (string expected, got no value)"],
    ["getGeoIP2DB({})", "bad argument #1 to 'getGeoIP2DB' (string expected, got table)"],
    ...[...methods, ...byPath].flatMap((name): [string, string][] => [
      [`local x = db:${name}('1.2.3.4')`, `bad argument #1 to '${name}' (ComboAddress expected, got string)`],
      [`db:${name}()`, `bad argument #1 to '${name}' (ComboAddress expected, got no value)`],
      [`db.${name}(ca, ca)`, `calling '${name}' on bad self (GeoIP2DB expected, got ComboAddress)`],
      [`db.${name}({}, ca)`, `calling '${name}' on bad self (GeoIP2DB expected, got table)`],
    ]),
    ...byPath.flatMap((name): [string, string][] => [
      [`local x = db:${name}(ca)`, `bad argument #2 to '${name}' (table expected, got no value)`],
      [`db:${name}(ca, 'city')`, `bad argument #2 to '${name}' (table expected, got string)`],
      [`db:${name}(ca, {'a', {}})`, `bad argument #2 to '${name}' (list of keys expected, entry 2 is none)`],
      [`db:${name}(ca, {a = 'b'})`, `bad argument #2 to '${name}' (list of keys expected, entry 1 is none)`],
      [`db:${name}(ca, {true})`, `bad argument #2 to '${name}' (list of keys expected, entry 1 is none)`],
    ]),
    ...methods.flatMap((name): [string, string][] => [
      [`${name}('1.2.3.4')`, `bad argument #1 to '${name}' (ComboAddress expected, got string)`],
      [`${name}()`, `bad argument #1 to '${name}' (ComboAddress expected, got no value)`],
    ]),
  ];
  test.each(cases)("%s", async (line, message) => {
    expect(await failure(line)).toBe(`2: ${message}`);
  });

  test("and end no more than the report", async () => {
    const loaded = await configure(`newGeoIP2DB("City", "City.mmdb")
      setReport(function(lt) getGeoIP2DB("City"):lookupCity(lt.login) end)
      setCustomEndpoint("x", function() return true, { city = getGeoIP2DB("City"):lookupCity(newCA("81.2.69.142")).city } end)`);
    const nothing = "" as ByteString;
    const tuple = {
      t: 0,
      remote: { bytes: "\x01\x02\x03\x04" as ByteString, port: undefined },
      login: toByteString("joe"),
      pwhash: nothing,
      protocol: nothing,
      deviceId: nothing,
      failType: nothing,
      sessionId: nothing,
      success: true,
      policyReject: false,
      tls: false,
      attrs: [],
      attrsMv: [],
      deviceAttrs: [],
    };
    const report = async (): Promise<void> => loaded.engine.runReport(loaded.policy.report!, tuple);
    await expect(report()).rejects.toThrow(
      "x.conf:2: bad argument #1 to 'lookupCity' (ComboAddress expected, got string)",
    );
    expect(await call(loaded, "x")).toEqual({ city: "London" });
  });
});

describe("the deprecated functions", () => {
  /** Replaces the functions by ones that look in other folders. */
  async function withFolders(folders: string[], source: string): Promise<Record<string, string>> {
    const loaded = await configure("");
    const { engine } = loaded;
    for (const definition of geoipConfiguration(engine.geoip, {
      log,
      complaints: engine.complaints,
      directory: folder,
      folders,
    })) {
      engine.defineForConfiguration(definition);
    }
    await engine.runFile(Buffer.from(source), "y.conf");
    return call(loaded, "x");
  }
  const lookUps = `setCustomEndpoint("x", function()
      local ca = newCA("81.2.69.142")
      return true, { country = lookupCountry(ca), city = lookupCity(ca).city, isp = lookupISP(newCA("67.43.156.8")) }
    end)`;

  test("open and ask the databases in the usual folders", async () => {
    const [first, second] = [join(folder, "first"), join(folder, "second")];
    fs.mkdirSync(first);
    fs.mkdirSync(second);
    fs.renameSync(join(folder, "Country.mmdb"), join(second, "GeoLite2-Country.mmdb"));
    fs.renameSync(join(folder, "City.mmdb"), join(first, "GeoIP2-City.mmdb"));
    fs.writeFileSync(join(second, "GeoLite2-City.mmdb"), "not looked at");
    fs.renameSync(join(folder, "ISP.mmdb"), join(second, "GeoIP2-ISP.mmdb"));
    const found = await withFolders([first, second], `initGeoIPDB() initGeoIPCityDB() initGeoIPISPDB() ${lookUps}`);
    expect(found).toEqual({ country: "GB", city: "London", isp: "Loud Packet" });
    expect(lines.filter((line) => !line.includes("is deprecated"))).toBeEmpty();
    expect(lines).toHaveLength(3);
    const [{ engine }] = opened as [Loaded];
    expect([...engine.geoip.all.keys()]).toEqual(["initGeoIPDB()", "initGeoIPCityDB()", "initGeoIPISPDB()"]);
    expect(engine.geoip.reload()).toBeEmpty();
  });

  test("log when there is none, and find nothing", async () => {
    const found = await withFolders(["/a", "/b"], `initGeoIPDB() initGeoIPISPDB() ${lookUps}`);
    expect(found).toEqual({ country: "", city: "", isp: "" });
    expect(lines.filter((line) => !line.includes("is deprecated"))).toEqual([
      "initGeoIPDB: none of these files exists: /a/GeoIP2-Country.mmdb, /a/GeoLite2-Country.mmdb, /b/GeoIP2-Country.mmdb, /b/GeoLite2-Country.mmdb",
      "initGeoIPISPDB: none of these files exists: /a/GeoIP2-ISP.mmdb, /b/GeoIP2-ISP.mmdb",
      "lookupCountry: no database: initGeoIPDB() opens it",
      "lookupCity: no database: initGeoIPCityDB() opens it",
      "lookupISP: no database: initGeoIPISPDB() opens it",
    ]);
  });
});
