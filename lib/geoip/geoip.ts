/** A GeoIP database: typed look-ups of what it says of an address. */
import { formatAddress } from "../address/address.ts";
import type { Log } from "../log/log.ts";
import type { ByteString } from "../text/byte-string.ts";
import { MmdbFile } from "./mmdb.ts";

/** What a City database says of an address; what it does not say is `""` or 0. */
interface CityRecord {
  /** ISO 3166-1, two letters. */
  countryCode: string;
  /** In English, as is {@link CityRecord.city}. */
  countryName: string;
  /** ISO 3166-2 code of the largest subdivision, without the country. */
  region: string;
  city: string;
  postalCode: string;
  continentCode: string;
  /** Degrees. */
  latitude: number;
  longitude: number;
}

/** Keys that lead to a value in a record; a whole number counts in a list from 0, a negative one from its end. */
export type Path = readonly string[];

const COUNTRY: Path = ["country", "iso_code"];
const COUNTRY_NAME: Path = ["country", "names", "en"];
const REGION: Path = ["subdivisions", "0", "iso_code"];
const CITY: Path = ["city", "names", "en"];
const POSTAL_CODE: Path = ["postal", "code"];
const CONTINENT: Path = ["continent", "code"];
const LATITUDE: Path = ["location", "latitude"];
const LONGITUDE: Path = ["location", "longitude"];
const ISP: Path = ["isp"];

export class GeoIPDatabase {
  private lastAddress: ByteString | undefined;
  private lastRecord: unknown;
  private damaged = false;

  private constructor(
    readonly file: string,
    private readonly contents: MmdbFile,
    private readonly log: Log,
  ) {}

  /**
   * @param log for an error, once, when a look-up meets a damaged record; nothing is found then
   * @throws {GeoIPError}
   */
  static open(file: string, log: Log): GeoIPDatabase {
    return new GeoIPDatabase(file, MmdbFile.open(file), log);
  }

  /** What the file says it is, such as `GeoLite2-City`. */
  get type(): string {
    return this.contents.type;
  }

  /** When its maker built it. */
  get built(): Date {
    return this.contents.built;
  }

  /** The ISO 3166-1 code of the country. */
  country(address: ByteString): string {
    return this.string(address, COUNTRY);
  }

  /** The name of the internet provider. */
  isp(address: ByteString): string {
    return this.string(address, ISP);
  }

  city(address: ByteString): CityRecord {
    return {
      countryCode: this.string(address, COUNTRY),
      countryName: this.string(address, COUNTRY_NAME),
      region: this.string(address, REGION),
      city: this.string(address, CITY),
      postalCode: this.string(address, POSTAL_CODE),
      continentCode: this.string(address, CONTINENT),
      latitude: this.double(address, LATITUDE),
      longitude: this.double(address, LONGITUDE),
    };
  }

  /** A text; `""` when there is none. */
  string(address: ByteString, path: Path): string {
    const value = descend(this.record(address), path);
    return typeof value === "string" ? value : "";
  }

  /** A whole number of 0 or more; else 0. Above 2^53 the nearest double. */
  unsigned(address: ByteString, path: Path): number {
    const value = descend(this.record(address), path);
    // Integers of 64 bits come as bigint.
    const number = typeof value === "bigint" ? Number(value) : value;
    return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : 0;
  }

  /** Whether the value is true. */
  boolean(address: ByteString, path: Path): boolean {
    return descend(this.record(address), path) === true;
  }

  /** A number; else 0. mmdb-lib does not tell doubles from integers of up to 32 bits, so those are answered as well. */
  double(address: ByteString, path: Path): number {
    const value = descend(this.record(address), path);
    return typeof value === "number" ? value : 0;
  }

  /**
   * The record of an address of 4 or 16 bytes, undefined when there is none. The last one is kept, since a policy asks
   * several things of one address.
   */
  private record(address: ByteString): unknown {
    if (address !== this.lastAddress) {
      this.lastRecord = this.find(address);
      this.lastAddress = address;
    }
    return this.lastRecord;
  }

  private find(address: ByteString): unknown {
    try {
      return this.contents.get(address);
    } catch (error) {
      if (!this.damaged) {
        const problem = `the record of ${formatAddress(address)} cannot be read (${(error as Error).message})`;
        this.log.error(`GeoIP database ${this.file} is damaged: ${problem}; for such addresses nothing is found`);
      }
      this.damaged = true;
      return undefined;
    }
  }
}

/** Follows a path; undefined where it leads nowhere. */
function descend(value: unknown, path: Path): unknown {
  for (const key of path) {
    if (Array.isArray(value)) value = /^-?\d{1,9}$/.test(key) ? value.at(Number(key)) : undefined;
    else if (isMap(value) && Object.hasOwn(value, key)) value = value[key];
    else return undefined;
  }
  return value;
}

/** A map of the database; its byte strings are objects too. */
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !(value instanceof Uint8Array);
