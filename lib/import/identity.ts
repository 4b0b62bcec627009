/** By what a file is known again that was imported before, whatever its name: a SHA-256 of its first bytes. */
import type { Imported } from "../history/store.ts";
import type { ByteString } from "../text/byte-string.ts";

const hashOf = (bytes: Uint8Array): ByteString =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex") as ByteString;

/** @param head its first 64 KiB, or all of it */
export const identify = (head: Uint8Array): Pick<Imported, "head" | "length"> => ({
  head: hashOf(head),
  length: head.length,
});

/** The file that this one was when it was shorter, if it was imported: of several the longest. */
export function findImported(head: Uint8Array, imported: readonly Imported[]): Imported | undefined {
  const hashes = new Map<number, ByteString>();
  const hashOfFirst = (length: number): ByteString => {
    const known = hashes.get(length) ?? hashOf(head.subarray(0, length));
    hashes.set(length, known);
    return known;
  };
  return imported
    .filter(({ length }) => length <= head.length)
    .toSorted((a, b) => b.length - a.length)
    .find((one) => hashOfFirst(one.length) === one.head);
}
