import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Log } from "../../lib/log/log.ts";
import { isJournal, ServiceManager } from "../../lib/log/systemd.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { NO_RECEIVER, startReceiver } from "../support/unix-receiver.ts";

describe("standard output is the journal", () => {
  let file: number;
  const folder = temporaryFolder();
  beforeAll(() => void (file = openSync(join(folder.path, "stream"), "w")));
  afterAll(() => {
    closeSync(file);
    folder[Symbol.dispose]();
  });

  test("when JOURNAL_STREAM names it, and only then", () => {
    const { dev, ino } = fstatSync(file, { bigint: true });
    expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, file)).toBe(true);
    for (const other of [`${dev}:${ino + 1n}`, `${dev + 1n}:${ino}`, "", `${dev}`, "x:y"]) {
      expect(isJournal({ JOURNAL_STREAM: other }, file)).toBe(false);
    }
    expect(isJournal({}, file)).toBe(false);
  });

  test("not when it is closed", () => {
    expect(isJournal({ JOURNAL_STREAM: "1:1" }, 9999)).toBe(false);
  });
});

const why = NO_RECEIVER ? ` (skipped: ${NO_RECEIVER})` : "";

describe.skipIf(NO_RECEIVER !== undefined)(`the service manager${why}`, () => {
  function setUp(environment: Record<string, string> = {}) {
    const folder = temporaryFolder();
    const NOTIFY_SOCKET = environment["NOTIFY_SOCKET"] ?? join(folder.path, "notify");
    const receiver = startReceiver(NOTIFY_SOCKET);
    const clock = new VirtualClock(0);
    const lines: string[] = [];
    const log = new Log({ sink: (line) => void lines.push(line) });
    return {
      receiver,
      clock,
      lines,
      manager: new ServiceManager({ ...environment, NOTIFY_SOCKET }, { clock, log }),
      [Symbol.dispose]() {
        receiver[Symbol.dispose]();
        folder[Symbol.dispose]();
      },
    };
  }

  test.each([undefined, `@trackalert-notify-${process.pid}`])("is told how far the daemon is, at %p", async (name) => {
    using setup = setUp(name === undefined ? {} : { NOTIFY_SOCKET: name });
    const { manager, clock, receiver } = setup;
    manager.ready();
    manager.reloading();
    manager.ready();
    await clock.advanceTo(1e9);
    manager.stopping();
    expect(receiver.read()).toEqual(["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
    expect(setup.lines).toEqual([]);
  });

  test.each([{}, { WATCHDOG_PID: String(process.pid) }])(
    "hears twice in WATCHDOG_USEC that it is alive, with %j",
    async (more) => {
      using setup = setUp({ WATCHDOG_USEC: "30000000", ...more });
      const { manager, clock, receiver } = setup;
      await clock.advanceTo(60_000);
      expect(receiver.read()).toEqual([]);
      manager.ready();
      expect(receiver.read()).toEqual(["READY=1", "WATCHDOG=1"]);
      await clock.advanceTo(clock.now() + 14_999);
      expect(receiver.read()).toEqual([]);
      await clock.advanceTo(clock.now() + 1);
      manager.ready();
      await clock.advanceTo(clock.now() + 30_000);
      expect(receiver.read()).toEqual(["WATCHDOG=1", "READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
      manager.stopping();
      await clock.advanceTo(clock.now() + 60_000);
      expect(receiver.read()).toEqual(["STOPPING=1"]);
    },
  );

  test.each([
    { WATCHDOG_USEC: "30000000", WATCHDOG_PID: String(process.pid + 1) },
    { WATCHDOG_USEC: "0" },
    { WATCHDOG_USEC: "" },
    { WATCHDOG_USEC: "soon" },
    { WATCHDOG_USEC: "-1" },
  ])("has no watchdog with %j", async (environment) => {
    using setup = setUp(environment);
    setup.manager.ready();
    await setup.clock.advanceTo(60_000);
    expect(setup.receiver.read()).toEqual(["READY=1"]);
  });

  test("that is busy hears everything, once it listens", async () => {
    using setup = setUp();
    const { manager, clock, receiver } = setup;
    const sent = Array.from({ length: 1000 }, () => (manager.ready(), "READY=1"));
    manager.stopping();
    const got: string[] = [];
    while (got.at(-1) !== "STOPPING=1") {
      got.push(...receiver.read());
      await clock.advanceTo(clock.now() + 1000);
    }
    expect(got).toEqual([...sent, "STOPPING=1"]);
  });

  test("is not needed; one that cannot be reached is said once, and the daemon goes on", () => {
    const lines: string[] = [];
    const ports = { clock: new VirtualClock(0), log: new Log({ sink: (line) => void lines.push(line) }) };
    new ServiceManager({}, ports).ready();
    expect(lines).toEqual([]);
    const manager = new ServiceManager({ NOTIFY_SOCKET: "/no/such/socket" }, ports);
    manager.ready();
    manager.stopping();
    expect(lines).toEqual(["the service manager cannot be told when the daemon serves: no socket at /no/such/socket"]);
  });
});

const ANALYZE = Bun.which("systemd-analyze");

describe.skipIf(ANALYZE === null)(`the unit${ANALYZE ? "" : " (skipped: systemd-analyze is not installed)"}`, () => {
  const UNIT = join(import.meta.dir, "..", "..", "conf", "trackalert.service");

  test("is one that systemd understands", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "trackalert.service");
    // The program need not be installed where the specs run.
    writeFileSync(file, readFileSync(UNIT, "utf8").replaceAll("/usr/bin/trackalert", process.execPath));
    const { exitCode, stderr } = Bun.spawnSync([ANALYZE!, "verify", file]);
    expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  });

  test("has the path that the program looks at first, and a facility", () => {
    const unit = readFileSync(UNIT, "utf8");
    expect(Array.from(unit.matchAll(/^Exec\w+=.*-C (\S+)$/gm), ([, path]) => path)).toEqual([
      "/etc/wforce/trackalert.conf",
      "/etc/wforce/trackalert.conf",
    ]);
    expect(unit).toContain("trackalert --init /etc/wforce ");
    expect(unit).toMatch(/^SyslogFacility=daemon$/m);
  });

  test("is hardened", () => {
    // Tenths of systemd's measure: 100 is without any protection, and what is above the threshold fails.
    const checked = Bun.spawnSync([ANALYZE!, "security", "--offline=true", "--threshold=20", "--no-pager", UNIT]);
    expect([checked.exitCode, checked.stderr.toString()]).toEqual([0, ""]);
  });
});
