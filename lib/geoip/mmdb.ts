/**
 * A file in MaxMind's format (MMDB), read with mmdb-lib.
 *
 * ```
 *   ┌─────────────┬──────────┬──────────────┬─────────────────────────┬──────────┐
 *   │ search tree │ 16 zeros │ data section │ \xab\xcd\xefMaxMind.com │ metadata │
 *   └─────────────┴──────────┴──────────────┴─────────────────────────┴──────────┘
 *     nodes × 2 records                                          at most 128 KiB
 * ```
 * Metadata comes last, so a file that was cut off has none. mmdb-lib reads a damaged file until it stumbles; all that
 * can be told from the frame is therefore checked when a file is opened, and look-ups expect the rest to be wrong.
 */
import fs from "node:fs";

import { type CityResponse, Reader } from "mmdb-lib";

import { formatAddress, unmapAddress } from "../address/address.ts";
import type { ByteString } from "../text/byte-string.ts";

/** A database that cannot be used. The message is the file and why. */
export class GeoIPError extends Error {
  override name = "GeoIPError";
}

const METADATA_MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
const METADATA_AT_MOST = 128 * 1024;
const SEPARATOR = 16;
const FORMAT_VERSION = 2;

export class MmdbFile {
  private constructor(
    // mmdb-lib wants to know the type of records; nothing here relies on it.
    private readonly reader: Reader<CityResponse>,
    private readonly recent: RecentValues,
  ) {}

  /**
   * Reads a file into memory, where it is safe from an update that cuts the file off or overwrites it.
   * @throws {GeoIPError}
   */
  static open(file: string): MmdbFile {
    const recent = new RecentValues();
    try {
      const contents = readWhole(file);
      const end = findMetadata(contents);
      const reader = decodeMetadata(contents, recent);
      checkFrame(contents.subarray(0, end), reader.metadata);
      return new MmdbFile(reader, recent);
    } catch (error) {
      throw new GeoIPError(`${file}: ${(error as Error).message}`);
    }
  }

  /** What the file says it is, such as `GeoLite2-City`. */
  get type(): string {
    return this.reader.metadata.databaseType;
  }

  /** When its maker built it. */
  get built(): Date {
    return this.reader.metadata.buildEpoch;
  }

  /**
   * The record of an address of 4 or 16 bytes, undefined when there is none. IPv4-mapped IPv6 addresses count as IPv4.
   * @throws {Error} when the file is damaged there
   */
  get(address: ByteString): unknown {
    const bytes = unmapAddress(address);
    // mmdb-lib would take the first 32 bits of an IPv6 address for an IPv4 one.
    if (bytes.length === 16 && this.reader.metadata.ipVersion === 4) return undefined;
    this.recent.begin();
    return this.reader.get(formatAddress(bytes)) ?? undefined;
  }
}

/** @throws {Error} saying what is wrong, as do the functions below */
function readWhole(file: string): Buffer {
  try {
    // A pipe or a device might never end.
    if (fs.statSync(file).isFile()) return fs.readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(code === "ENOENT" ? "no such file" : `cannot be read: ${code ?? message}`);
  }
  throw new Error("not a regular file");
}

/** @returns where the other sections end */
function findMetadata(contents: Buffer): number {
  if (contents.length === 0) throw new Error("the file is empty");
  const from = Math.max(0, contents.length - METADATA_AT_MOST);
  const marker = contents.subarray(from).lastIndexOf(METADATA_MARKER);
  if (marker < 0) throw new Error("not a MaxMind database (.mmdb), or cut off: it does not end with metadata");
  return from + marker;
}

function decodeMetadata(contents: Buffer, recent: RecentValues): Reader<CityResponse> {
  let reader: Reader<CityResponse>;
  try {
    reader = new Reader<CityResponse>(contents, { cache: recent });
  } catch (error) {
    throw new Error(`damaged or cut off: it cannot be read (${(error as Error).message})`);
  }
  const { nodeCount, ipVersion, databaseType, buildEpoch } = reader.metadata;
  const numbers = Number.isInteger(nodeCount) && nodeCount > 0 && (ipVersion === 4 || ipVersion === 6);
  if (!numbers || typeof databaseType !== "string" || Number.isNaN(buildEpoch.getTime())) {
    throw new Error("damaged or cut off: its metadata is not complete");
  }
  return reader;
}

/** Whether search tree and data are where the metadata says. */
function checkFrame(sections: Buffer, metadata: Reader<CityResponse>["metadata"]): void {
  if (metadata.binaryFormatMajorVersion !== FORMAT_VERSION) {
    throw new Error(`format version ${metadata.binaryFormatMajorVersion} is not supported, only ${FORMAT_VERSION}`);
  }
  const tree = metadata.searchTreeSize;
  if (tree + SEPARATOR >= sections.length) {
    throw new Error(`damaged: a search tree of ${tree} bytes and data do not fit in ${sections.length} bytes`);
  }
  if (sections.subarray(tree, tree + SEPARATOR).some((byte) => byte !== 0)) {
    throw new Error("damaged: the search tree does not end where the metadata says");
  }
}

/** Values of a database that are kept decoded, in each of two generations: some megabytes at most. */
const GENERATION = 4096;
/** Bytes of them in the file. Decoded they take more, some ten times as much at most. */
const GENERATION_BYTES = 1024 ** 2;

/** What mmdb-lib has decoded: a value, and where in the file it ends. */
interface Decoded {
  value: unknown;
  offset: number;
}

/** How deep pointers may lead to values with pointers. A handful in databases as they are made; endless in a damaged one. */
const DEEPEST = 64;

/**
 * The decoded values used of late, by their place in the file: mmdb-lib's cache. Records share most of what they are made
 * of (keys, the names of countries), so that this makes the decoding of others cheap too.
 *
 * When the young generation is full it becomes the old one, and the old one is dropped; a value that is used again
 * returns to the young one. Cheaper than keeping an order of use, and what is used often stays.
 */
class RecentValues {
  private young = new Map<number, Decoded>();
  private old = new Map<number, Decoded>();
  /** Of the young ones. */
  private bytes = 0;
  private depth = 0;

  /** To be called before each look-up: one that failed left its depth behind. */
  begin(): void {
    this.depth = 0;
  }

  /** @param start where the value begins in the file. Undefined makes mmdb-lib decode it, and {@link set} it then. */
  get(start: number): Decoded | undefined {
    const value = this.young.get(start);
    if (value !== undefined) return value;
    const former = this.old.get(start);
    if (former !== undefined) this.keep(start, former);
    // Else a circle of pointers would go on until the stack is used up, which takes milliseconds each time.
    else if (++this.depth > DEEPEST) throw new Error("pointers nest too deep");
    return former;
  }

  set(start: number, value: Decoded): void {
    this.depth--;
    this.keep(start, value);
  }

  private keep(start: number, value: Decoded): void {
    if (this.young.size >= GENERATION || this.bytes >= GENERATION_BYTES) {
      this.old = this.young;
      this.young = new Map();
      this.bytes = 0;
    }
    this.young.set(start, value);
    this.bytes += value.offset - start;
  }
}
