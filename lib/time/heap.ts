/** A binary heap: hands out what comes first, in the order it came in where two come at the same time. */

export class Heap<T extends object> {
  private readonly items: { time: number; sequence: number; item: T }[] = [];
  private sequence = 0;

  get size(): number {
    return this.items.length;
  }

  /** The time of what comes first; Infinity when there is nothing. */
  get time(): number {
    return this.items[0]?.time ?? Infinity;
  }

  /** What comes first, left where it is. */
  get first(): T | undefined {
    return this.items[0]?.item;
  }

  push(time: number, item: T): void {
    const { items } = this;
    const entry = { time, sequence: this.sequence++, item };
    let at = items.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]!.time <= time) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = entry;
  }

  pop(): T | undefined {
    const { items } = this;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first?.item;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return first.item;
  }
}

interface Place {
  time: number;
  sequence: number;
}

const before = (a: Place, b: Place): boolean => a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
