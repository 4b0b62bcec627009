/**
 * A set of netmasks that answers whether an address is in it. The longest prefix wins, so that an exclusion
 * (`!10.1.0.0/16`) can cut a hole into a larger network.
 *
 * Kept as one binary trie per address family: a node has two children, by the next bit, and perhaps a verdict. A match
 * walks at most 32 or 128 nodes, however many masks there are.
 */
import type { ByteString } from "../text/byte-string.ts";
import { parseNetmask } from "./address.ts";

interface Node {
  zero: Node | undefined;
  one: Node | undefined;
  /** Undefined where no mask ends. */
  verdict: boolean | undefined;
}

const emptyNode = (): Node => ({ zero: undefined, one: undefined, verdict: undefined });

const bitAt = (bytes: ByteString, position: number): number =>
  (bytes.charCodeAt(position >> 3) >> (7 - (position & 7))) & 1;

export class NetmaskGroup {
  private roots = new Map<number, Node>();
  private count = 0;

  /** The number of masks. */
  get size(): number {
    return this.count;
  }

  /**
   * Adds `address/bits`, or with a leading `!` excludes it. A mask given again replaces its former verdict.
   * @returns false when the text is no netmask
   */
  add(text: string): boolean {
    const excluded = text.startsWith("!");
    const mask = parseNetmask(excluded ? text.slice(1) : text);
    if (!mask) return false;
    const { network, bits } = mask;
    let node = this.roots.get(network.length);
    if (!node) this.roots.set(network.length, (node = emptyNode()));
    for (let i = 0; i < bits; i++) {
      node = bitAt(network, i) ? (node.one ??= emptyNode()) : (node.zero ??= emptyNode());
    }
    if (node.verdict === undefined) this.count++;
    node.verdict = !excluded;
    return true;
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
