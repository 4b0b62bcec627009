import { describe, expect, test } from "bun:test";

import { Background } from "../../lib/time/background.ts";
import type { Timing } from "../../lib/time/schedule.ts";
import { PREAMBLE, startDaemon } from "../support/daemon.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

const START = new Date("2026-03-01T00:00:00").getTime();
const MINUTE = 60_000;

/** Runs schedules on a virtual clock, and notes at which minute each run began. */
function schedule(timing: Timing, run: (clock: JumpingClock) => Promise<void> = async () => {}, most = 4) {
  const clock = new JumpingClock(START);
  /** Since the start; the clock may be set, this may not. */
  const minutes: number[] = [];
  const options = {
    clock,
    warn: () => {},
    most: () => most,
    run: (_name: string) => {
      minutes.push((clock.monotonic() - START) / MINUTE);
      return run(clock);
    },
  };
  const background = new Background(options);
  background.add({ name: "f", timing, where: "" });
  return { clock, background, minutes };
}

const wait = (minutes: number) => (clock: JumpingClock) =>
  new Promise<void>((resolve) => clock.after(minutes * MINUTE, resolve));

describe("an interval", () => {
  test("has its first run one interval after the start, and keeps its pace", async () => {
    const { clock, minutes } = schedule({ kind: "interval", seconds: 120 });
    await clock.advanceTo(START + 9 * MINUTE);
    expect(minutes).toEqual([2, 4, 6, 8]);
  });

  test("leaves out what comes while the function still runs", async () => {
    const { clock, minutes } = schedule({ kind: "interval", seconds: 60 }, wait(2.5));
    await clock.advanceTo(START + 9 * MINUTE);
    expect(minutes).toEqual([1, 4, 7]);
  });
});

describe("a cron expression", () => {
  test("runs at each time that matches", async () => {
    const { clock, minutes } = schedule({ kind: "cron", expression: "*/20 * * * *" });
    await clock.advanceTo(START + 60 * MINUTE);
    expect(minutes).toEqual([20, 40, 60]);
  });

  test("leaves out what comes while the function still runs", async () => {
    const { clock, minutes } = schedule({ kind: "cron", expression: "* * * * *" }, wait(1.5));
    await clock.advanceTo(START + 6 * MINUTE);
    expect(minutes).toEqual([1, 3, 5]);
  });
});

describe("when the clock is set", () => {
  const HOUR = 60 * MINUTE;

  test("back by an hour, a cron expression goes on at the times that come then", async () => {
    const { clock, minutes } = schedule({ kind: "cron", expression: "*/20 * * * *" });
    await clock.advanceTo(START + 30 * MINUTE);
    clock.jump(-HOUR + 5 * MINUTE); // It is 23:35.
    await clock.advanceTo(START + 60 * MINUTE);
    expect(minutes).toEqual([20, 35, 55]);
  });

  test("back by less than has passed, what was next is next", async () => {
    const { clock, minutes } = schedule({ kind: "cron", expression: "*/20 * * * *" });
    await clock.advanceTo(START + 35 * MINUTE);
    clock.jump(-10 * MINUTE);
    await clock.advanceTo(START + 60 * MINUTE);
    expect(minutes).toEqual([20, 50]);
  });

  test("forward by an hour, a cron expression that it passed runs once, and goes on from there", async () => {
    const { clock, minutes } = schedule({ kind: "cron", expression: "*/20 * * * *" });
    await clock.advanceTo(START + 30 * MINUTE);
    clock.jump(HOUR + 5 * MINUTE); // It is 1:35.
    await clock.advanceTo(START + 60 * MINUTE);
    expect(minutes).toEqual([20, 30, 35, 55]);
  });

  test.each([-HOUR, HOUR])("by %d ms, intervals keep their pace", async (milliseconds) => {
    const { clock, minutes } = schedule({ kind: "interval", seconds: 120 });
    await clock.advanceTo(START + 5 * MINUTE);
    clock.jump(milliseconds);
    await clock.advanceTo(START + 9 * MINUTE);
    expect(minutes).toEqual([2, 4, 6, 8]);
  });
});

test("no more functions run at the same time than are allowed", async () => {
  const { clock, background, minutes } = schedule({ kind: "interval", seconds: 60 }, wait(3), 1);
  background.add({ name: "g", timing: { kind: "interval", seconds: 60 }, where: "" });
  await clock.advanceTo(START + 6.5 * MINUTE);
  expect(minutes).toEqual([1, 4]);
});

test("after the stop nothing starts, and the stop waits for what runs", async () => {
  const { clock, background, minutes } = schedule({ kind: "interval", seconds: 60 }, wait(2));
  await clock.advanceTo(START + 1.5 * MINUTE);
  let stopped = false;
  const stop = background.stop().then(() => (stopped = true));
  await clock.advanceTo(START + 2 * MINUTE);
  expect(stopped).toBe(false);
  await clock.advanceTo(START + 10 * MINUTE);
  await stop;
  expect(minutes).toEqual([1]);
});

describe("in the daemon", () => {
  test("a function that fails is logged with traceback and counted, and the next run happens", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} runs = 0
      setBackground("fails", function() runs = runs + 1 sleep(0.001) error("run " .. runs) end)
      intervalScheduleBackgroundFunc("00:00:01", "fails")
      setCustomEndpoint("runs", function() return true, { runs = runs } end)`);
    while (daemon.logs.filter((line) => line.includes("run ")).length < 2) await Bun.sleep(10);
    const text = daemon.logs.join("\n");
    expect(text).toMatch(/background function fails failed: .*spec\.conf:3: run 1\n {2}stack traceback:/);
    expect(text).toContain("run 2");
    expect(await (await daemon.get("/metrics")).text()).toContain(
      'trackalert_lua_errors_total{function="background:fails"} 2\n',
    );
  });

  test.each([
    ['cronScheduleBackgroundFunc("* * * * *", "gone")', /spec\.conf:1: no background function is named "gone"/],
    [
      'cronScheduleBackgroundFunc("60 * * * *", "f")',
      /bad argument #1 to 'cronScheduleBackgroundFunc' \(cron expression expected, got "60 \* \* \* \*"/,
    ],
    [
      'intervalScheduleBackgroundFunc("1:2:3", "f")',
      /bad argument #1 to 'intervalScheduleBackgroundFunc' \(duration above 0 .* got "1:2:3"/,
    ],
    ['intervalScheduleBackgroundFunc("0", "f")', /duration above 0/],
    [
      "intervalScheduleBackgroundFunc('1')",
      /bad argument #2 to 'intervalScheduleBackgroundFunc' \(string expected, got no value\)/,
    ],
    ["setBackground('f')", /bad argument #2 to 'setBackground' \(function expected, got no value\)/],
  ])("%s ends the start", async (call, message) => {
    await expect(startDaemon(call)).rejects.toThrow(message);
  });

  test("a schedule may come before the function that it names", async () => {
    await using daemon = await startDaemon(`cronScheduleBackgroundFunc("@daily", "f") setBackground("f", print)`);
    expect([...daemon.loaded.config.schedules]).toMatchObject([
      { name: "f", timing: { kind: "cron", expression: "@daily" } },
    ]);
  });
});
