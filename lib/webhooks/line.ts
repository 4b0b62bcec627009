/**
 * First in, first out; what stands in the middle can leave too. Each takes the same time however long the line is: an
 * array's shift() does not, nor does finding the first of a Set that many have left.
 */

interface Place<T> {
  item: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

export class Line<T> implements Iterable<T> {
  private readonly places = new Map<T, Place<T>>();
  private head: Place<T> | undefined;
  private tail: Place<T> | undefined;

  get size(): number {
    return this.places.size;
  }

  get first(): T | undefined {
    return this.head?.item;
  }

  /** In order. */
  *[Symbol.iterator](): Iterator<T> {
    for (let place = this.head; place; place = place.after) yield place.item;
  }

  has(item: T): boolean {
    return this.places.has(item);
  }

  /** @param item not in the line yet */
  push(item: T): void {
    const place: Place<T> = { item, before: this.tail, after: undefined };
    if (this.tail) this.tail.after = place;
    else this.head = place;
    this.tail = place;
    this.places.set(item, place);
  }

  /** @returns whether it was there */
  delete(item: T): boolean {
    const place = this.places.get(item);
    if (!place) return false;
    this.places.delete(item);
    if (place.before) place.before.after = place.after;
    else this.head = place.after;
    if (place.after) place.after.before = place.before;
    else this.tail = place.before;
    return true;
  }
}
