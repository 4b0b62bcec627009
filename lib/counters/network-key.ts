/** The key that an address stands for: its text, or that of its network. */
import { formatAddress, maskBytes } from "../address/address.ts";
import type { ByteString } from "../text/byte-string.ts";

/** Bytes that such a text takes at most. */
export const LONGEST_NETWORK = 64;

/**
 * Writes `192.0.2.0/24` or `2001:db8::/64`; without the prefix where that is all of the address.
 * @param at where the `length` (4 or 16) bytes of the address begin
 * @returns the length of what was written to the beginning of `to`
 */
export function writeNetwork(bytes: Buffer, at: number, length: number, prefix: number, to: Buffer): number {
  if (length === 4) return writeIPv4(bytes, at, prefix, to);
  const network = maskBytes(bytes.toString("latin1", at, at + length) as ByteString, prefix);
  return to.write(`${formatAddress(network)}${prefix === 128 ? "" : `/${prefix}`}`, "latin1");
}

/** Without a string in between: most keys are such. */
function writeIPv4(bytes: Buffer, at: number, prefix: number, to: Buffer): number {
  let length = 0;
  const write = (number: number): void => {
    if (number >= 100) to[length++] = 0x30 + Math.floor(number / 100);
    if (number >= 10) to[length++] = 0x30 + (Math.floor(number / 10) % 10);
    to[length++] = 0x30 + (number % 10);
  };
  for (let i = 0; i < 4; i++) {
    if (i > 0) to[length++] = 0x2e;
    const left = Math.min(Math.max(prefix - i * 8, 0), 8);
    write(bytes[at + i]! & (0xff00 >> left));
  }
  if (prefix === 32) return length;
  to[length++] = 0x2f;
  write(prefix);
  return length;
}
