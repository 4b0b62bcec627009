/** Writes small MaxMind databases for specs. */

/** An encoded value of the data section. */
type Encoded = Buffer;

/** From these sizes on, a control byte has so many more for what is above. */
const LONGER = [65_821, 285, 29] as const;

/** A control byte: three bits of type, five of length. Types above 7 take a second byte, lengths above 28 up to three. */
const control = (type: number, size: number): Buffer => {
  const more = LONGER.findIndex((from) => size >= from);
  const length = more < 0 ? size : 31 - more;
  return Buffer.from([
    type > 7 ? length : (type << 5) | length,
    ...(type > 7 ? [type - 7] : []),
    ...(more < 0 ? [] : bigEndian(size - LONGER[more]!, 3 - more)),
  ]);
};
const bigEndian = (value: number | bigint, size: number): Buffer =>
  Buffer.from(value.toString(16).padStart(size * 2, "0"), "hex");

export const text = (value: string): Encoded =>
  Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
export const double = (value: number): Encoded => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return Buffer.concat([control(3, 8), bytes]);
};
export const bytes = (value: Buffer): Encoded => Buffer.concat([control(4, value.length), value]);
export const uint16 = (value: number): Encoded => Buffer.concat([control(5, 2), bigEndian(value, 2)]);
export const uint32 = (value: number): Encoded => Buffer.concat([control(6, 4), bigEndian(value, 4)]);
export const uint64 = (value: bigint): Encoded => Buffer.concat([control(9, 8), bigEndian(value, 8)]);
export const int32 = (value: number): Encoded => Buffer.concat([control(8, 4), bigEndian(value >>> 0, 4)]);
export const boolean = (value: boolean): Encoded => control(14, value ? 1 : 0);
export const list = (...items: Encoded[]): Encoded => Buffer.concat([control(11, items.length), ...items]);
export const map = (entries: Record<string, Encoded>): Encoded =>
  Buffer.concat([
    control(7, Object.keys(entries).length),
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
  ]);
/** To a place in the data section below 526,336. */
export const pointer = (place: number): Encoded => {
  if (place < 2048) return Buffer.from([0x20 | (place >> 8), place & 0xff]);
  const rest = place - 2048;
  return Buffer.from([0x28 | (rest >> 16), (rest >> 8) & 0xff, rest & 0xff]);
};

/**
 * @param data begins with the record of each address whose first bit is 0
 * @param metadata in place of, or beside, what is usual
 * @param place where in the data the record of the other addresses is; without it they have none
 */
export function writeMmdb(data: Encoded, metadata: Record<string, Encoded> = {}, place?: number): Buffer {
  const nodes = 1;
  const tree = [bigEndian(nodes + 16, 3), bigEndian(place === undefined ? nodes : nodes + 16 + place, 3)];
  const usual = { node_count: uint32(nodes), record_size: uint16(24) };
  return frame(Buffer.concat([...tree, Buffer.alloc(16), data]), { ...usual, ...metadata });
}

const frame = (sections: Buffer, metadata: Record<string, Encoded>): Buffer =>
  Buffer.concat([
    sections,
    Buffer.from("\xab\xcd\xefMaxMind.com", "latin1"),
    map({
      binary_format_major_version: uint16(2),
      binary_format_minor_version: uint16(0),
      build_epoch: uint64(1_700_000_000n),
      database_type: text("Test"),
      ip_version: uint16(6),
      ...metadata,
    }),
  ]);

/** A database of IPv6 in which the first byte of an address, from 0, says which of up to 256 records it has. */
export function writeMmdbOfRecords(records: readonly Encoded[]): Buffer {
  const NODES = 255;
  let place = 0;
  const places = records.map((record) => {
    place += record.length;
    return NODES + 16 + place - record.length;
  });
  const tree = Array.from({ length: NODES }, (_, i) => [2 * i + 1, 2 * i + 2])
    .flat()
    .map((next) => (next < NODES ? next : (places[next - NODES] ?? NODES)));
  return frame(Buffer.concat([...tree.map((next) => bigEndian(next, 4)), Buffer.alloc(16), ...records]), {
    node_count: uint32(NODES),
    record_size: uint16(32),
  });
}

/** A branch of the search tree: what follows a 0 and what follows a 1, each a branch, a record's number, or nothing. */
type Branch = [zero: Branch | number | undefined, one: Branch | number | undefined];

/** @param networks IPv4 networks, none within another, and the record of each */
export function writeNetworks(type: string, networks: readonly { network: string; record: Encoded }[]): Buffer {
  const root: Branch = [undefined, undefined];
  networks.forEach(({ network }, i) => {
    const [address, length] = network.split("/");
    const number = address!.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    // IPv4 addresses are those of IPv6 whose first 96 bits are 0.
    const bits = "0".repeat(96) + number.toString(2).padStart(32, "0").slice(0, Number(length));
    let branch = root;
    for (const bit of bits.slice(0, -1)) branch = (branch[bit === "1" ? 1 : 0] ??= [undefined, undefined]) as Branch;
    branch[bits.endsWith("1") ? 1 : 0] = i;
  });
  const branches: Branch[] = [root];
  for (const branch of branches) branches.push(...branch.filter((side) => Array.isArray(side)));
  const numbers = new Map(branches.map((branch, i) => [branch, i]));
  const places: number[] = [];
  networks.reduce((place, { record }, i) => ((places[i] = place), place + record.length), 0);
  const next = (side: Branch | number | undefined): number => {
    if (side === undefined) return branches.length;
    return Array.isArray(side) ? numbers.get(side)! : branches.length + 16 + places[side]!;
  };
  const tree = branches.flat().map((side) => bigEndian(next(side), 3));
  return frame(Buffer.concat([...tree, Buffer.alloc(16), ...networks.map(({ record }) => record)]), {
    database_type: text(type),
    node_count: uint32(branches.length),
    record_size: uint16(24),
  });
}
