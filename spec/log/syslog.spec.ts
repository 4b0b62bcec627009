import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { formatFields, Level, Log } from "../../lib/log/log.ts";
import { Facility, Syslog } from "../../lib/log/syslog.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { property, type Random } from "../support/random.ts";
import { NO_RECEIVER, startReceiver } from "../support/unix-receiver.ts";

const START = new Date(2026, 10, 2, 6, 3, 8).getTime();
const HEADER = `Nov  2 06:03:08 trackalert[${process.pid}]: `;

/** A folder for a socket that stands in for /dev/log, and a sender of daemon's facility. */
function setUp(): { path: string; clock: VirtualClock; syslog: Syslog } & Disposable {
  const folder = temporaryFolder();
  const path = join(folder.path, "log");
  const clock = new VirtualClock(START);
  const syslog = new Syslog(Facility.daemon, clock, path);
  return {
    path,
    clock,
    syslog,
    [Symbol.dispose]() {
      syslog.reopen();
      folder[Symbol.dispose]();
    },
  };
}

const why = NO_RECEIVER ? ` (skipped: ${NO_RECEIVER})` : "";

describe.skipIf(NO_RECEIVER !== undefined)(`syslog${why}`, () => {
  test.each([
    [Facility.kern, Level.emerg, 0],
    [Facility.user, Level.alert, 9],
    [Facility.daemon, Level.info, 30],
    [Facility.daemon, Level.warning, 28],
    [Facility.authpriv, Level.error, 83],
    [Facility.ftp, Level.notice, 93],
    [Facility.local0, Level.debug, 135],
    [Facility.local7, Level.crit, 186],
  ])("facility %p at level %p is priority %p, before time, ident and pid", (facility, level, priority) => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    new Syslog(facility, setup.clock, setup.path).write("Report üñ😀 100%s", level);
    expect(receiver.read()).toEqual([`<${priority}>${HEADER}Report üñ😀 100%s`]);
  });

  test("a socket may be abstract", () => {
    const path = `@trackalert-spec-${process.pid}`;
    using receiver = startReceiver(path);
    new Syslog(Facility.mail, new VirtualClock(START), path).write("up", Level.info);
    expect(receiver.read()).toEqual([`<22>${HEADER}up`]);
  });

  test("gets every level whatever standard output gets, debug lines only when they are asked for, and no stamp", () => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    const texts = (): string[] => receiver.read().map((line) => line.split("]: ")[1]!);
    const shown: string[] = [];
    const { syslog } = setup;
    for (const verbose of [false, true]) {
      const log = new Log({
        sink: (line) => shown.push(line),
        level: Level.error,
        verbose,
        syslog,
        stamp: setup.clock,
      });
      for (const level of Object.values(Level)) log.write(level, `level ${level}`);
      expect(texts()).toEqual(
        Object.values(Level)
          .filter((level) => verbose || level < Level.debug)
          .map((level) => `level ${level}`),
      );
    }
    expect(shown.length).toBe(4 + 8);
  });

  property("no login name can forge a line or a priority", 30, (random: Random) => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    const log = new Log({ sink: () => {}, syslog: setup.syslog });
    log.info(formatFields("Received report", [["login", `${random.text(20)}\n<0>${HEADER}forged`]]));
    log.info(`${random.text(20)}\r\n<0>${HEADER}forged`);
    const lines = receiver.read();
    expect(lines.length).toBe(2);
    for (const line of lines) {
      expect(line).toStartWith(`<30>${HEADER}`);
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    }
  });

  test("a line of the greatest length arrives in one piece", () => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    new Log({ sink: () => {}, syslog: setup.syslog }).info("\u2028".repeat(100_000));
    expect(receiver.read()).toEqual([`<30>${HEADER}${"\\u2028".repeat(8192)}… (cut)`]);
  });

  test("a receiver that does not read gets what it did not take once it does, in order", async () => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
    for (const line of lines) setup.syslog.write(line, Level.info);
    const got: string[] = [];
    while (got.length < lines.length) {
      const some = receiver.read();
      got.push(...some);
      await setup.clock.advanceTo(setup.clock.now() + 1000);
    }
    expect(got).toEqual(lines.map((line) => `<30>${HEADER}${line}`));
    expect(receiver.read()).toEqual([]);
  });

  test("a receiver that reads nothing costs a bounded number of lines, and is told how many once it reads", async () => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    const [line, written] = ["x".repeat(8000), 1000];
    for (let i = 0; i < written; i++) setup.syslog.write(line, Level.info);
    const got: string[] = [];
    for (let some = receiver.read(); some.length > 0; some = receiver.read()) {
      got.push(...some);
      await setup.clock.advanceTo(setup.clock.now() + 1000);
    }
    expect(got.length).toBeGreaterThan(100);
    expect(got.length).toBeLessThan(300);
    setup.syslog.write("after", Level.info);
    setup.syslog.write("later", Level.info);
    const [notice, ...rest] = receiver.read();
    expect(notice).toStartWith("<28>");
    expect(notice).toEndWith(`]: ${written - got.length} log lines were dropped: syslog did not take them`);
    expect(rest.map((text) => text.split("]: ")[1])).toEqual(["after", "later"]);
  });

  test("a receiver that goes away and comes back gets what was written meanwhile", async () => {
    using setup = setUp();
    const texts = (lines: string[]): (string | undefined)[] => lines.map((line) => line.split("]: ")[1]);
    {
      using first = startReceiver(setup.path);
      setup.syslog.write("one", Level.info);
      expect(texts(first.read())).toEqual(["one"]);
    }
    setup.syslog.write("two", Level.info);
    await setup.clock.advanceTo(START + 60_000);
    setup.syslog.write("three", Level.info);
    using second = startReceiver(setup.path);
    await setup.clock.advanceTo(START + 120_000);
    expect(texts(second.read())).toEqual(["two", "three"]);
  });

  test("where nobody has listened so far, nothing is kept; who comes later is told", async () => {
    using setup = setUp();
    expect(setup.syslog.open()).toBe(false);
    for (let i = 0; i < 3; i++) setup.syslog.write(`${i}`, Level.info);
    using receiver = startReceiver(setup.path);
    await setup.clock.advanceTo(START + 1000);
    setup.syslog.write("now", Level.info);
    const [notice, line] = receiver.read();
    expect(notice).toContain("3 log lines were dropped");
    expect(line).toEndWith(": now");
    expect(setup.syslog.open()).toBe(true);
  });

  test("what waits for a slow receiver is waited for, but not for long", async () => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    const log = new Log({ sink: () => {}, syslog: setup.syslog });
    await log.flush();
    for (let i = 0; i < 100; i++) log.info(`line ${i}`);
    let ended = false;
    const end = log.flush().then(() => (ended = true));
    await setup.clock.advanceTo(START + 999);
    expect(ended).toBe(false);
    await setup.clock.advanceTo(START + 1000);
    await end;

    const flushed = log.flush().then(() => (ended = false));
    let got = 0;
    while (ended) {
      got += receiver.read().length;
      await setup.clock.advanceTo(setup.clock.now() + 10);
    }
    await flushed;
    expect(got + receiver.read().length).toBe(100);
    await new Log({ sink: () => {} }).flush();
  });

  test("reopening connects to the receiver that has taken the other's place", () => {
    using setup = setUp();
    using first = startReceiver(setup.path);
    const log = new Log({ sink: () => {}, syslog: setup.syslog });
    log.info("one");
    using folder = temporaryFolder();
    const moved = join(folder.path, "moved");
    Bun.spawnSync(["mv", setup.path, moved]);
    using second = startReceiver(setup.path);
    log.info("two");
    log.reopen();
    log.info("three");
    expect(first.read().map((line) => line.slice(-3))).toEqual(["one", "two"]);
    expect(second.read().map((line) => line.slice(-5))).toEqual(["three"]);
  });

  test("a slow receiver is tried again by the real clock too", async () => {
    using setup = setUp();
    using receiver = startReceiver(setup.path);
    const syslog = new Syslog(Facility.daemon, systemClock, setup.path);
    for (let i = 0; i < 100; i++) syslog.write(`line ${i}`, Level.info);
    expect((await receiver.waitFor(/line 99$/)).length).toBe(100);
  });
});
