/** A cache that holds the entries used last: a Map keeps its keys in the order they were set, so the first is the oldest. */
export class Recent<K, V> {
  private readonly entries = new Map<K, V>();

  constructor(private readonly most: number) {}

  get(key: K): V | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, value);
    return value;
  }

  /** Adds a key that is not there, in place of the one unused for longest when the cache is full. */
  add(key: K, value: V): void {
    if (this.entries.size >= this.most) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(key, value);
  }
}
