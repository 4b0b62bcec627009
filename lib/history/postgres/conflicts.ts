/** Transactions that another daemon's kept from being serial: they are undone, and can be tried again. */
import type { Clock } from "../../time/clock.ts";
import { stateOf } from "./session.ts";

/** Tries, and milliseconds between them, times a random number. */
const TRIES = 10;
const PAUSE = 100;
/** SQLSTATEs of serialization failures and deadlocks: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONFLICTS = ["40001", "40P01"];

/** @param work all or nothing; told whether it has been tried before. @throws what else it throws, and the last conflict */
export async function untilSerial<T>(clock: Clock, work: (again: boolean) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work(tries > 1);
    } catch (error) {
      if (!CONFLICTS.includes(stateOf(error)) || tries === TRIES) throw error;
      await new Promise<void>((resolve) => clock.after(Math.random() * PAUSE * tries, resolve));
    }
  }
}
