/**
 * Blocks of 32-bit words in pages: what a million small sets take in memory is then their words, and not an object each. Pages
 * are added and never copied, so that growing holds nobody up. A block is named by a whole number that a word can hold; 0 is none.
 */

/** Words of a page, a power of two: 128 KiB. */
const PAGE = 1 << 15;

interface Size {
  /** Blocks that were given back. */
  free: number[];
  /** Where the next block of the current page begins. */
  page: number;
  next: number;
}

export class Pool {
  private readonly pages: Uint32Array[] = [];
  private readonly sizes = new Map<number, Size>();

  /** Bytes. */
  get memory(): number {
    return this.pages.reduce((sum, page) => sum + page.byteLength, 0);
  }

  /** @returns a block of zeros */
  allocate(words: number): number {
    let size = this.sizes.get(words);
    if (!size) this.sizes.set(words, (size = { free: [], page: -1, next: PAGE }));
    const former = size.free.pop();
    if (former !== undefined) {
      this.page(former).fill(0, this.offset(former), this.offset(former) + words);
      return former;
    }
    if (size.next + words > PAGE) {
      size.page = this.pages.push(new Uint32Array(Math.max(PAGE, words))) - 1;
      size.next = 0;
    }
    const block = size.page * PAGE + size.next + 1;
    size.next += words;
    return block;
  }

  release(block: number, words: number): void {
    this.sizes.get(words)!.free.push(block);
  }

  /** The words among which a block's are, from {@link offset} on. */
  page(block: number): Uint32Array {
    return this.pages[((block - 1) / PAGE) | 0]!;
  }

  offset(block: number): number {
    return (block - 1) & (PAGE - 1);
  }
}
