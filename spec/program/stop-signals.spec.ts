import { describe, expect, test } from "bun:test";

import { stopSignals } from "../../lib/program/stop-signals.ts";

function daemon(stopping = false): { at: (time: number, signal: "SIGTERM" | "SIGINT") => string[] } {
  const events: string[] = [];
  let now = 0;
  const onSignal = stopSignals({
    clock: { monotonic: () => now },
    stopping: () => stopping,
    onStop: (signal) => void events.push(`stop by ${signal}`),
    onEnd: (signal) => void events.push(`end by ${signal}`),
  });
  const at = (time: number, signal: "SIGTERM" | "SIGINT"): string[] => {
    now = time;
    onSignal(signal);
    return events;
  };
  return { at };
}

describe.each(["SIGTERM", "SIGINT"] as const)("%s", (signal) => {
  const other = signal === "SIGINT" ? "SIGTERM" : "SIGINT";

  test("again within a second is the same one", () => {
    const { at } = daemon();
    at(5000, signal);
    at(5000, signal);
    expect(at(5999, signal)).toEqual([`stop by ${signal}`]);
  });

  test("again a second later ends the daemon", () => {
    const { at } = daemon();
    at(5000, signal);
    at(5999, signal);
    expect(at(6000, signal)).toEqual([`stop by ${signal}`, `end by ${signal}`]);
  });

  test("and then the other one ends it at once", () => {
    const { at } = daemon();
    at(5000, signal);
    expect(at(5000, other)).toEqual([`stop by ${signal}`, `end by ${other}`]);
  });

  test("while the daemon stops for another reason ends it, once", () => {
    const { at } = daemon(true);
    at(5000, signal);
    expect(at(5001, signal)).toEqual([`end by ${signal}`]);
  });
});
