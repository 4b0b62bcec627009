/** A cache that holds the entries used last: a Map keeps its keys in the order they were set, so the first is the oldest. */
export class Recent<K, V> {
  private readonly entries = new Map<K, V>();
  private size = 0;

  /**
   * @param most the bound on the sizes of all entries
   * @param sizeOf of an entry, in the same unit
   */
  constructor(
    private readonly most: number,
    private readonly sizeOf: (key: K, value: V) => number,
  ) {}

  get(key: K): V | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, value);
    return value;
  }

  /** Adds a key that is not there, in place of those unused for longest when the cache is full. */
  add(key: K, value: V): void {
    this.entries.set(key, value);
    this.size += this.sizeOf(key, value);
    for (const [oldest, former] of this.entries) {
      if (this.size <= this.most) return;
      this.entries.delete(oldest);
      this.size -= this.sizeOf(oldest, former);
    }
  }
}
