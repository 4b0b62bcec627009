/** From where the history is to the store that keeps it there. */
import type { Log } from "../log/log.ts";
import type { Clock } from "../time/clock.ts";
import { PostgresStore } from "./postgres/store.ts";
import { findPassword, type PostgresTarget } from "./postgres/target.ts";
import { type HistorySettings, IN_MEMORY, pathOf } from "./settings.ts";
import { InlineStore } from "./sqlite/inline.ts";
import { fileProblem } from "./sqlite/store.ts";
import { ThreadedStore } from "./sqlite/thread.ts";
import type { Store } from "./store.ts";

interface PlaceOptions {
  stateDir: string | undefined;
  clock: Clock;
  log: Log;
}

/** @throws when there is no state directory for a relative path */
export function storeOf({ place, timeout }: HistorySettings, { stateDir, clock, log }: PlaceOptions): Store {
  if (place.kind === "sqlite") {
    return new ThreadedStore({ path: pathOf(place.path, stateDir), timeout: timeout * 1000 }, clock);
  }
  return postgresOf(place.target, timeout, { clock, log });
}

function postgresOf(
  target: PostgresTarget,
  timeout: number,
  { clock, log, together = false }: Pick<PlaceOptions, "clock" | "log"> & { together?: boolean },
): Store {
  const password = findPassword(target, process.env, (problem) => log.warn(`history: ${problem}`));
  return new PostgresStore(target, { password, timeout: timeout * 1000, clock, together });
}

/** One for an import, which has nothing else to do while the store works. @throws as {@link storeOf} */
export function storeInPlace(settings: HistorySettings, options: PlaceOptions): Store {
  const { place } = settings;
  if (place.kind === "postgres") return postgresOf(place.target, settings.timeout, { ...options, together: true });
  const atOnce = { now: options.clock.now, after: (_: number, end: () => void) => (queueMicrotask(end), () => {}) };
  return new InlineStore(atOnce, { path: pathOf(place.path, options.stateDir), timeout: settings.timeout * 1000 });
}

/** Why a daemon would not start with it, as far as can be told without changing anything; undefined when it would. */
export function placeProblem({ place }: HistorySettings, stateDir: string | undefined): string | undefined {
  if (place.kind === "postgres") return undefined;
  try {
    const path = pathOf(place.path, stateDir);
    return path === IN_MEMORY ? undefined : fileProblem(path);
  } catch (error) {
    return (error as Error).message;
  }
}

/** What people call it; without a password. */
export const describePlace = ({ place }: HistorySettings): string =>
  place.kind === "postgres" ? place.target.shown : `sqlite:${place.path}`;
