/** Writes small MaxMind databases for specs. */

/** An encoded value of the data section. */
type Encoded = Buffer;

/** A control byte: three bits of type, five of length. Types above 7 take a second byte. */
const control = (type: number, size: number): Buffer => {
  const length = size < 29 ? size : 29;
  return Buffer.from([
    type > 7 ? length : (type << 5) | length,
    ...(type > 7 ? [type - 7] : []),
    ...(size < 29 ? [] : [size - 29]),
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
const uint32 = (value: number): Encoded => Buffer.concat([control(6, 4), bigEndian(value, 4)]);
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
  return Buffer.concat([
    bigEndian(nodes + 16, 3),
    bigEndian(place === undefined ? nodes : nodes + 16 + place, 3),
    Buffer.alloc(16),
    data,
    Buffer.from("\xab\xcd\xefMaxMind.com", "latin1"),
    map({
      binary_format_major_version: uint16(2),
      binary_format_minor_version: uint16(0),
      build_epoch: uint64(1_700_000_000n),
      database_type: text("Test"),
      ip_version: uint16(6),
      node_count: uint32(nodes),
      record_size: uint16(24),
      ...metadata,
    }),
  ]);
}
