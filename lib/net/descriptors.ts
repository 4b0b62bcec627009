/**
 * Sees to it that a shortage of file descriptors does not end in a spinning processor: a listener that cannot accept is told
 * of the waiting connection again and again. Listeners are closed until enough are free again.
 */
import { closeSync, openSync, readdirSync } from "node:fs";

import type { LogFlood } from "../log/log-flood.ts";
import { Level } from "../log/log.ts";
import type { CancelTimer, Clock } from "../time/clock.ts";

/** Milliseconds between two looks. */
const INTERVAL = 1000;
/** The part that must be free before listeners are opened again. */
const FREE_AGAIN = 1 / 5;
const ANY_FILE = "/dev/null";

/** What accepts connections. */
interface Accepting {
  /** Closes the listeners; connections stay. */
  pause(): void;
  /** Opens them again. @throws {Error} when that fails, with the reason */
  resume(): void;
}

interface Ports {
  clock: Clock;
  flood: LogFlood;
  /** How many there may be. */
  most: () => number;
  /** How many there are, {@link countDescriptors} unless given. */
  count?: () => number;
  /** Takes one, opening a file unless given. @returns what gives it back @throws {Error} when there is none */
  take?: () => () => void;
}

export class DescriptorWatch {
  /** Kept, so that there is one to look around with. */
  private giveBack: (() => void) | undefined;
  private paused = false;
  private readonly cancel: { timer: CancelTimer };

  constructor(
    private readonly accepting: readonly Accepting[],
    private readonly ports: Ports,
  ) {
    this.giveBack = this.tryTake();
    this.cancel = { timer: this.wait() };
  }

  stop(): void {
    this.cancel.timer();
    this.giveBack?.();
    this.giveBack = undefined;
  }

  private wait(): CancelTimer {
    return this.ports.clock.after(INTERVAL, () => {
      this.look();
      this.cancel.timer = this.wait();
    });
  }

  private look(): void {
    if (this.paused) return this.resume();
    const another = this.tryTake();
    if (another) return this.giveBack ? another() : void (this.giveBack = another);
    this.giveBack?.();
    this.giveBack = undefined;
    this.paused = true;
    for (const one of this.accepting) one.pause();
    this.say("no file descriptors left (ulimit -n, LimitNOFILE=): no connections are accepted until a fifth is free");
  }

  private resume(): void {
    const { count = countDescriptors, most } = this.ports;
    try {
      if (count() > most() * (1 - FREE_AGAIN)) {
        return this.say("no connections are accepted yet: a fifth of the file descriptors must be free");
      }
      for (const one of this.accepting) one.resume();
    } catch (error) {
      return this.say((error as Error).message);
    }
    this.paused = false;
    this.giveBack = this.tryTake();
    this.say("connections are accepted again");
  }

  private say(message: string): void {
    this.ports.flood.write(Level.error, message, "descriptors");
  }

  private tryTake(): (() => void) | undefined {
    try {
      return (this.ports.take ?? openAny)();
    } catch {
      return undefined;
    }
  }
}

function openAny(): () => void {
  const descriptor = openSync(ANY_FILE, "r");
  return () => closeSync(descriptor);
}

/** Linux's; where it does not tell, all are free. */
function countDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
