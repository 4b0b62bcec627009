/** At most so many operations at the same time; the others wait for their turn, first come, first served. */
export class Limit {
  private active = 0;
  private readonly queue: (() => void)[] = [];

  /** @param most asked each time, so that it can change */
  constructor(private readonly most: () => number) {}

  /** How many wait for their turn. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Starts an operation now or when there is room. What ends at once is not held up by what it costs to wait. */
  run<T>(operation: () => T | Promise<T>): T | Promise<T> {
    if (this.active >= this.most()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.queue.push(resolve);
      return promise.then(() => this.hold(operation));
    }
    this.active++;
    return this.hold(operation);
  }

  /** Holds a place, which is already counted, until the operation has ended, then passes it on. */
  private hold<T>(operation: () => T | Promise<T>): T | Promise<T> {
    let result;
    try {
      result = operation();
    } catch (error) {
      this.leave();
      throw error;
    }
    if (result instanceof Promise) return result.finally(() => this.leave());
    this.leave();
    return result;
  }

  private leave(): void {
    this.active--;
    while (this.queue.length > 0 && this.active < this.most()) {
      this.active++;
      this.queue.shift()!();
    }
  }
}
