/** Property tests: random inputs from fixed seeds, so that each run sees the same ones and a failure names its own. */
import { test } from "bun:test";

const SEEDS = [1, 2026, 0xc0ffee];

/** Declares a test that holds `check` against `cases` random inputs of each seed. */
export function property(name: string, cases: number, check: (random: Random) => void | Promise<void>): void {
  test(name, async () => {
    for (const seed of SEEDS.flatMap((first) => Array.from({ length: cases }, (_, i) => first + i * 0x10001))) {
      try {
        await check(new Random(seed));
      } catch (cause) {
        throw new Error(`fails for new Random(${seed}): ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
  });
}

/** mulberry32 */
export class Random {
  constructor(private state: number) {}

  private next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number from 0 to `end`, without `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: ArrayLike<T>): T {
    return from[this.below(from.length)]!;
  }

  /** Up to `most` items. */
  list<T>(most: number, item: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, item);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** Up to `most` characters: much ASCII, controls, and each plane that software gets wrong. No lone surrogates. */
  text(most: number): string {
    return this.list(most, () => this.character()).join("");
  }

  private character(): string {
    const ranges = [
      [0x20, 0x7f],
      [0x20, 0x7f],
      [0, 0x20],
      [0x7f, 0xa0],
      [0xa0, 0x800],
      [0x2020, 0x2030],
      [0xe000, 0x10000],
      [0x1f600, 0x1f650],
      [0x10fff0, 0x110000],
    ] as const;
    const [from, end] = this.pick(ranges);
    return this.chance(0.1) ? this.pick("\"\\/\n\r\t:;%'") : String.fromCodePoint(from + this.below(end - from));
  }

  /** The text with a few characters dropped, repeated, replaced or put in, the new ones from `alphabet`. */
  mutate(text: string, alphabet: string): string {
    let mutated = text;
    for (let left = 1 + this.below(3); left > 0; left--) {
      const at = this.below(mutated.length + 1);
      const dropped = this.below(3);
      const added = this.pick(["", this.pick(alphabet), mutated.slice(at, at + this.below(4))]);
      mutated = mutated.slice(0, at) + added + mutated.slice(at + dropped);
    }
    return mutated;
  }
}
