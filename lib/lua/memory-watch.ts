/** Warns while Lua's memory is nearly used up. At its end allocations fail, in whichever task asks for more. */
import type { Log } from "../log/log.ts";
import type { Clock } from "../time/clock.ts";
import type { LuaState } from "./state.ts";

/** The share of the memory that is worth a warning. */
const NEARLY_ALL = 0.8;
/** Milliseconds between two warnings. */
const INTERVAL = 60_000;
const MIB = 1024 ** 2;

export class MemoryWatch {
  /** How many there were. */
  warnings = 0;
  private next = -Infinity;

  constructor(
    private readonly state: Pick<LuaState, "usedMemory" | "mostMemory">,
    private readonly ports: { clock: Clock; log: Log },
  ) {}

  /** To be called now and then. */
  readonly check = (): void => {
    const { usedMemory, mostMemory } = this.state;
    if (usedMemory < NEARLY_ALL * mostMemory) return;
    const { clock, log } = this.ports;
    const now = clock.monotonic();
    if (now < this.next) return;
    this.next = now + INTERVAL;
    this.warnings++;
    const [used, most] = [usedMemory, mostMemory].map((bytes) => Math.round(bytes / MIB));
    log.warn(`Lua's values take ${used} of ${most} MiB: at the end functions fail. Does the policy keep ever more?`);
  };
}
