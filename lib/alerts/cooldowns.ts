/** Cool-downs that a daemon knows of, by what their alerts are about. Their memory is bounded. */
import type { AlertRecord } from "../history/alert-record.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { CancelTimer } from "../time/clock.ts";

/** Bytes, about, over which those that were begun longest ago are left to the history. */
const MOST_BYTES = 32 * 1024 ** 2;
/** Bytes that are left then: a map is walked from its front past all that has gone there, so many go in one walk. */
const LEFT_BYTES = 0.9 * MOST_BYTES;
/** Bytes of one whose texts are empty. */
const SIZE = 600;

export interface Cooldown {
  /** The alert that others are folded into, with what this daemon knows of its count. */
  alert: AlertRecord;
  /** Ended once it is known who has the key; undefined from then on. */
  deciding: Promise<unknown> | undefined;
  /** Whether another daemon raised the alert. */
  isOthers: boolean;
  /** How often it was raised since that was last written. */
  folded: number;
  /** When it ends, in milliseconds of the clock that never jumps. */
  end: number;
  /** Milliseconds that it lasts; 0 where that is not known. */
  length: number;
  cancel: CancelTimer;
}

/** About how much memory it takes; the same for as long as it lives. */
const sizeOf = ({ alert: { key, login, remote, message, evidence } }: Cooldown): number =>
  [key, login, remote, message, evidence].reduce((size, text) => size + (text?.length ?? 0), SIZE);

export class Cooldowns {
  private readonly byKey = new Map<ByteString, Cooldown>();
  private size = 0;

  /** Bytes, about. */
  get bytes(): number {
    return this.size;
  }

  get(key: ByteString): Cooldown | undefined {
    return this.byKey.get(key);
  }

  has(cooldown: Cooldown): boolean {
    return this.byKey.get(cooldown.alert.key) === cooldown;
  }

  /** Those of one login, or all. */
  of(login?: ByteString): Cooldown[] {
    return [...this.byKey.values()].filter(({ alert }) => login === undefined || alert.login === login);
  }

  /** To be called for a key that has none. */
  add(cooldown: Cooldown): void {
    this.byKey.set(cooldown.alert.key, cooldown);
    this.size += sizeOf(cooldown);
    if (this.size > MOST_BYTES) this.dropOldest();
  }

  drop(cooldown: Cooldown): void {
    cooldown.cancel();
    if (!this.has(cooldown)) return;
    this.byKey.delete(cooldown.alert.key);
    this.size -= sizeOf(cooldown);
  }

  private dropOldest(): void {
    for (const oldest of this.byKey.values()) {
      if (this.size <= LEFT_BYTES) break;
      this.drop(oldest);
    }
  }
}
