/**
 * A set of netmasks that answers whether an address is in it. The longest prefix wins, so that an exclusion
 * (`!10.1.0.0/16`) can cut a hole into a larger network.
 *
 * Kept as one binary trie per address family: a node has two children, by the next bit, and perhaps a verdict. A match
 * walks at most 32 or 128 nodes, however many masks there are.
 */
import type { ByteString } from "../text/byte-string.ts";
import { quoted } from "../text/quoted.ts";
import { type Netmask, parseNetmask, unmapAddress } from "./address.ts";

interface Node {
  zero: Node | undefined;
  one: Node | undefined;
  /** Undefined where no mask ends. */
  verdict: boolean | undefined;
}

const emptyNode = (): Node => ({ zero: undefined, one: undefined, verdict: undefined });

const bitAt = (bytes: ByteString, position: number): number =>
  (bytes.charCodeAt(position >> 3) >> (7 - (position & 7))) & 1;

/** The text is no netmask that a group can hold; the message says why, and quotes it. */
export class NetmaskError extends Error {
  override name = "NetmaskError";
}

/** Bits before the IPv4 address in one that is mapped into IPv6. */
const MAPPED_BITS = 96;

const isMapped = (bytes: ByteString): boolean => unmapAddress(bytes).length < bytes.length;

/**
 * Reads `address/bits`, or with a leading `!` an exclusion. A network of `::ffff:a.b.c.d` holds what it maps to as well:
 * peers and the addresses of reports come unmapped.
 * @throws {NetmaskError}
 */
export function readGroupMask(text: string): { masks: Netmask[]; excluded: boolean } {
  const excluded = text.startsWith("!");
  const written = excluded ? text.slice(1) : text;
  const mask = parseNetmask(written);
  if (!mask) throw new NetmaskError(`netmask such as 10.0.0.0/8 expected, got ${quoted(text)}`);
  if (!isMapped(parseNetmask(written.split("/", 1)[0]!)!.network)) return { masks: [mask], excluded };
  const bits = mask.bits - MAPPED_BITS;
  if (bits < 0) {
    const expected = `netmask of IPv4 mapped into IPv6 of at least /${MAPPED_BITS} expected`;
    throw new NetmaskError(`${expected}, got ${quoted(text)}`);
  }
  return { masks: [mask, { network: unmapAddress(mask.network), bits }], excluded };
}

export class NetmaskGroup {
  private roots = new Map<number, Node>();
  private count = 0;

  /** The number of masks. */
  get size(): number {
    return this.count;
  }

  /**
   * Adds `address/bits`, or with a leading `!` excludes it. A mask given again replaces its former verdict.
   * @throws {NetmaskError}
   */
  add(text: string): void {
    const { masks, excluded } = readGroupMask(text);
    for (const mask of masks) this.put(mask, !excluded);
  }

  private put({ network, bits }: Netmask, verdict: boolean): void {
    let node = this.roots.get(network.length);
    if (!node) this.roots.set(network.length, (node = emptyNode()));
    for (let i = 0; i < bits; i++) {
      node = bitAt(network, i) ? (node.one ??= emptyNode()) : (node.zero ??= emptyNode());
    }
    if (node.verdict === undefined && !isMapped(network)) this.count++;
    node.verdict = verdict;
  }

  /** Whether the longest mask that holds the address includes it. */
  match(bytes: ByteString): boolean {
    let node = this.roots.get(bytes.length);
    let verdict = false;
    for (let i = 0; node; i++) {
      verdict = node.verdict ?? verdict;
      if (i === bytes.length * 8) break;
      node = bitAt(bytes, i) ? node.one : node.zero;
    }
    return verdict;
  }

  clear(): void {
    this.roots = new Map();
    this.count = 0;
  }
}
