import { afterEach, beforeEach, describe, expect, jest, setSystemTime, test } from "bun:test";

import { stopwatch, systemClock } from "../../lib/time/clock.ts";

describe("after", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => {
    jest.clearAllTimers();
    jest.useRealTimers();
  });

  /** Advances in steps a timer can take. */
  function advance(milliseconds: number): void {
    for (let left = milliseconds; left > 0; left -= 2 ** 30) jest.advanceTimersByTime(Math.min(left, 2 ** 30));
  }

  test.each([1, 300_000, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5, 2 ** 33 + 1])(
    "calls once, when %p ms are over",
    (milliseconds) => {
      const callback = jest.fn();
      systemClock.after(milliseconds, callback);
      advance(milliseconds - 1);
      expect(callback).not.toHaveBeenCalled();
      advance(1);
      expect(callback).toHaveBeenCalledTimes(1);
      advance(2 ** 32);
      expect(callback).toHaveBeenCalledTimes(1);
    },
  );

  test.each([0, 99, 2 ** 31 + 5])("does not call when it is cancelled after %p ms", (elapsed) => {
    const callback = jest.fn();
    const cancel = systemClock.after(elapsed + 100, callback);
    advance(elapsed);
    cancel();
    advance(2 ** 32);
    expect(callback).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });

  test("a cancellation after the call does nothing, and spares other timers", () => {
    const first = jest.fn();
    const second = jest.fn();
    const cancel = systemClock.after(10, first);
    systemClock.after(20, second);
    advance(10);
    cancel();
    cancel();
    advance(10);
    expect([first, second].map((callback) => callback.mock.calls.length)).toEqual([1, 1]);
  });
});

describe("at", () => {
  const [NOON, MINUTE] = [Date.UTC(2026, 2, 1, 12), 60_000];
  beforeEach(() => void jest.useFakeTimers({ now: NOON }));
  afterEach(() => {
    jest.clearAllTimers();
    jest.useRealTimers();
    setSystemTime();
  });

  /** Sets a timer for 13:00, lets 10 minutes pass and sets the clock. @returns how often it has called back, after more minutes */
  function setClock(jump: number): (minutes: number) => number {
    const callback = jest.fn();
    systemClock.at(NOON + 60 * MINUTE, callback);
    jest.advanceTimersByTime(10 * MINUTE);
    jest.setSystemTime(Date.now() + jump);
    return (minutes) => {
      jest.advanceTimersByTime(minutes * MINUTE);
      return callback.mock.calls.length;
    };
  }

  test("calls once, when the time has come", () => {
    const after = setClock(0);
    expect([after(49), after(1), after(120)]).toEqual([0, 1, 1]);
  });

  test.each([
    [30, 19],
    [-5, 54],
  ])("follows a clock that is set by %d minutes, within a minute", (jump, left) => {
    const after = setClock(jump * MINUTE);
    expect([after(left), after(2), after(120)]).toEqual([0, 1, 1]);
  });

  test("calls within a minute when the clock is set to before it was asked", () => {
    const after = setClock(-60 * MINUTE);
    expect([after(0), after(1), after(120)]).toEqual([0, 1, 1]);
  });
});

describe("now and monotonic", () => {
  afterEach(() => void setSystemTime());

  test("only now follows when the system's time is set", () => {
    const before = [systemClock.monotonic(), stopwatch()] as const;
    setSystemTime(new Date("2001-02-03T04:05:06.789Z"));
    expect(systemClock.now()).toBe(Date.UTC(2001, 1, 3, 4, 5, 6, 789));
    const year = 365 * 86_400_000;
    expect(systemClock.monotonic() - before[0]).toBeWithin(0, year);
    expect(stopwatch() - before[1]).toBeWithin(0, year);
  });
});

test("cpu counts the seconds that this process computes", () => {
  const [cpu, started] = [systemClock.cpu(), stopwatch()];
  while (stopwatch() - started < 50);
  // Other threads of the process count as well; a busy machine may have given it less.
  expect(systemClock.cpu() - cpu).toBeWithin(0.001, 5);
});
