/**
 * Waits: operations of the host that a task has begun and whose result it takes later.
 *
 * A prelude function calls the host twice: to begin, which answers a number, and, when it runs again, to take the result.
 */
import type { Call, HostFunction, Returned } from "./call.ts";
import { LuaError } from "./state.ts";

/** Not the number of a wait: what is to go on in the next turn of the event loop. coroutine.lua has it, too. */
export const NEXT_TURN = 0;

interface Wait {
  /** Set when the operation has ended: answers its result or throws its error. */
  outcome: (() => Returned) | undefined;
  /** Goes on with the task that is parked for it. */
  wake: (() => void) | undefined;
}

/** @throws {LuaError} where a call cannot be parked */
export function checkMayWait({ state, thread }: Call, name: string): void {
  if (state.api.lua_isyieldable(thread)) return;
  throw new LuaError(
    `'${name}' cannot wait inside a function that C calls, such as a comparison of table.sort: call it before that, or afterwards`,
  );
}

export class Waits {
  private readonly waits = new Map<number, Wait>();
  private last = 0;

  /**
   * The two host functions behind a function that waits. Both blame the line that called the prelude function.
   * @param begun told the number of each wait that begins
   */
  functions(
    name: string,
    begin: (call: Call) => Promise<Returned>,
    begun: (id: number) => void,
  ): { begin: HostFunction; take: HostFunction } {
    return {
      begin: {
        name,
        level: 2,
        body: (call) => {
          checkMayWait(call, name);
          const id = this.begin(begin(call));
          begun(id);
          return id;
        },
      },
      take: { name, level: 2, body: (call) => this.take(call.number(1)) },
    };
  }

  /** Has `wake` called when the wait has ended, in a later turn of the event loop if it has already. */
  onEnd(id: number, wake: () => void): void {
    const wait = this.waits.get(id);
    if (wait && !wait.outcome) wait.wake = wake;
    else setImmediate(wake);
  }

  /** Forgets a wait that nobody will take. */
  drop(id: number): void {
    this.waits.delete(id);
  }

  private begin(operation: Promise<Returned>): number {
    const id = ++this.last;
    const wait: Wait = { outcome: undefined, wake: undefined };
    this.waits.set(id, wait);
    const end = (outcome: () => Returned): void => {
      wait.outcome = outcome;
      wait.wake?.();
    };
    operation.then(
      (value) => end(() => value),
      (error) =>
        end(() => {
          throw error;
        }),
    );
    return id;
  }

  private take(id: number): Returned {
    const outcome = this.waits.get(id)?.outcome;
    this.waits.delete(id);
    if (!outcome) throw new LuaError("the wait was cut short");
    return outcome();
  }
}
