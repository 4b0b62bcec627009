/** GeoIP: opening databases, and what the prelude (geoip.lua) asks of the host. */
import { join, resolve } from "node:path";

import type { GeoIPDatabases } from "../../geoip/geoip-databases.ts";
import type { GeoIPDatabase, Path } from "../../geoip/geoip.ts";
import type { Log } from "../../log/log.ts";
import { type ByteString, toByteString, toText } from "../../text/byte-string.ts";
import { quoted } from "../../text/quoted.ts";
import type { Call, HostFunction, Returned } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import type { ConsoleOutput } from "../console-output.ts";

/** Where the tools of MaxMind and of Linux distributions put databases. */
const FOLDERS = ["/usr/share/GeoIP", "/var/lib/GeoIP"];

/**
 * The deprecated functions: each opens one kind of database, whose name is that of the function. The commercial edition
 * is preferred to the free one, which does not have every kind.
 */
const DEPRECATED = [
  { name: "initGeoIPDB", lookup: "lookupCountry", files: ["GeoIP2-Country.mmdb", "GeoLite2-Country.mmdb"] },
  { name: "initGeoIPCityDB", lookup: "lookupCity", files: ["GeoIP2-City.mmdb", "GeoLite2-City.mmdb"] },
  { name: "initGeoIPISPDB", lookup: "lookupISP", files: ["GeoIP2-ISP.mmdb"] },
] as const;
const deprecatedDatabase = ({ name }: (typeof DEPRECATED)[number]): string => `${name}()`;

interface GeoIPOptions {
  log: Log;
  complaints: Complaints;
  /** What the names of files are relative to. */
  directory: string;
  /** Where the deprecated functions look for databases. */
  folders?: readonly string[];
  /** Whether databases are opened; true unless given. */
  opens?: boolean;
}

/** For the configuration: functions that open databases. */
export function geoipConfiguration(databases: GeoIPDatabases, options: GeoIPOptions): HostFunction[] {
  const { log, complaints, directory, folders = FOLDERS, opens = true } = options;
  const open = (caller: string, name: string, files: readonly string[]): void => {
    if (!opens) return;
    try {
      databases.open(name, files);
    } catch (error) {
      complaints.tell(`${caller}: ${(error as Error).message}`);
    }
  };
  return [
    {
      name: "newGeoIP2DB",
      body(call) {
        const name = call.text(1);
        open(`newGeoIP2DB: ${name}`, name, [resolve(directory, call.text(2))]);
      },
    },
    ...DEPRECATED.map((kind): HostFunction => {
      const files = folders.flatMap((folder) => kind.files.map((file) => join(folder, file)));
      return {
        name: kind.name,
        body() {
          log.warn(`${kind.name}() is deprecated: use newGeoIP2DB() and getGeoIP2DB()`);
          open(kind.name, deprecatedDatabase(kind), files);
        },
      };
    }),
  ];
}

/** Functions that open all databases anew; they answer, and tell the console, how that went. */
export const geoipReloads = (databases: GeoIPDatabases, output: ConsoleOutput): HostFunction[] =>
  ["reloadGeoIPDBs", "reloadGeoIP2DBs"].map((name) => ({
    name,
    body() {
      const failures = databases.reload();
      // They are in the log already.
      for (const failure of failures) output.fail(failure);
      const text = toByteString(failures.length === 0 ? `${name}() successful` : failures.join("\n"));
      if (failures.length === 0) output.print(`${text}\n` as ByteString);
      return text;
    },
  }));

/**
 * What geoip.lua asks. A database is a number there, an index of names here, so that a look-up passes no name, and finds
 * what a reload has swapped in.
 */
export function geoipLookups(databases: GeoIPDatabases, { tellOnce }: Complaints): Record<string, HostFunction> {
  const names = DEPRECATED.map(deprecatedDatabase);
  const numbers = new Map<string, number>();

  const database = (call: Call): GeoIPDatabase | undefined => {
    const number = call.number(1);
    const name = names[number];
    const found = name === undefined ? undefined : databases.get(name);
    const deprecated = DEPRECATED[number];
    if (!found && deprecated) tellOnce(`${deprecated.lookup}: no database: ${deprecated.name}() opens it`);
    return found;
  };
  const byPath = (name: string, find: (call: Call, path: Path) => Returned): HostFunction => ({
    name,
    level: 2,
    self: 1,
    body: (call) => find(call, readPath(call, 3)),
  });

  return {
    has_database: { name: "hasGeoIP2DB", body: (call) => databases.all.has(call.text(1)) },
    /** Answers the number of a name, -1 for one that is not known. */
    get_database: {
      name: "getGeoIP2DB",
      level: 2,
      body(call) {
        const name = call.text(1);
        if (!databases.all.has(name)) {
          tellOnce(`getGeoIP2DB: no database is named ${quoted(name)}: newGeoIP2DB() opens one`);
          return -1;
        }
        let number = numbers.get(name);
        if (number === undefined) numbers.set(name, (number = names.push(name) - 1));
        return number;
      },
    },
    country: {
      name: "lookupCountry",
      body: (call) => toByteString(database(call)?.country(call.bytes(2)) ?? ""),
    },
    isp: {
      name: "lookupISP",
      body: (call) => toByteString(database(call)?.isp(call.bytes(2)) ?? ""),
    },
    /** Answers nothing when there is no such database. */
    city: {
      name: "lookupCity",
      body(call) {
        const found = database(call)?.city(call.bytes(2));
        if (!found) return undefined;
        return [
          toByteString(found.countryCode),
          toByteString(found.countryName),
          toByteString(found.region),
          toByteString(found.city),
          toByteString(found.postalCode),
          toByteString(found.continentCode),
          found.latitude,
          found.longitude,
        ];
      },
    },
    string_value: byPath("lookupStringValue", (call, path) =>
      toByteString(database(call)?.string(call.bytes(2), path) ?? ""),
    ),
    unsigned_value: byPath("lookupUIntValue", (call, path) => database(call)?.unsigned(call.bytes(2), path) ?? 0),
    boolean_value: byPath("lookupBoolValue", (call, path) => database(call)?.boolean(call.bytes(2), path) ?? false),
    double_value: byPath("lookupDoubleValue", (call, path) => database(call)?.double(call.bytes(2), path) ?? 0),
  };
}

/** A list of keys; whole numbers may stand for themselves. */
function readPath(call: Call, position: number): Path {
  const table = call.table(position);
  const path: string[] = [];
  for (let i = 1; i <= table.size; i++) {
    const key = table.get(i);
    if (typeof key !== "string" && typeof key !== "number") {
      throw call.wrong(position, `list of keys expected, entry ${i} is none`);
    }
    path.push(typeof key === "number" ? String(key) : toText(key));
  }
  return path;
}
