/** Local time in zones that are written as rules: what clocks show, when cron runs, and what Lua sees. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { PosixZone } from "../../lib/time/posix-zone.ts";
import { Random } from "../support/random.ts";

const LIB = join(import.meta.dir, "..", "..", "lib");
const BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3";

/** What a script prints in a process that has the zone from its start. */
function printedIn(zone: string, script: string): string {
  const child = Bun.spawnSync([process.execPath, "-e", script], { env: { ...process.env, TZ: zone } });
  expect(child.stderr.toString()).toBe("");
  return child.stdout.toString().trim();
}

/** Known answers of `date -d @TIME '+%z %Z'` (GNU coreutils 9.1, glibc 2.36). */
describe.each([
  ["MSK-3", [[1_790_000_000, "+0300 MSK"]]],
  ["<+0330>-3:30", [[1_790_000_000, "+0330 +0330"]]],
  [
    BERLIN,
    [
      [1_774_745_999, "+0100 CET"],
      [1_774_746_000, "+0200 CEST"],
      [1_792_889_999, "+0200 CEST"],
      [1_792_890_000, "+0100 CET"],
    ],
  ],
  [
    "AEST-10AEDT,M10.1.0,M4.1.0/3",
    [
      [1_775_318_399, "+1100 AEDT"],
      [1_775_318_400, "+1000 AEST"],
      [1_767_225_600, "+1100 AEDT"],
    ],
  ],
  [
    "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
    [
      [1_774_745_999, "-0300 -03"],
      [1_774_746_000, "-0200 -02"],
    ],
  ],
  [
    "XXX3YYY,J60/2,J300",
    [
      [1_772_341_199, "-0300 XXX"],
      [1_772_341_200, "-0200 YYY"],
      [1_835_499_600, "-0200 YYY"],
    ],
  ],
] satisfies [string, [number, string][]][])("the zone %s", (text, answers) => {
  test.each(answers)("at %d is %s", (time, answer) => {
    const { seconds, name } = PosixZone.parse(text)!.at(time * 1000);
    const minutes = Math.abs(seconds) / 60;
    const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
    expect(`${seconds < 0 ? "-" : "+"}${two(minutes / 60)}${two(minutes % 60)} ${name}`).toBe(answer);
  });

  test("shows each time as one that leads back to it", () => {
    const zone = PosixZone.parse(text)!;
    const random = new Random(text.length);
    for (let i = 0; i < 2000; i++) {
      const time = random.below(4_000_000) * 1_000_000;
      const { seconds, isDaylight } = zone.at(time);
      expect(zone.timeOf(time + seconds * 1000, isDaylight)).toBe(time);
    }
  });
});

test.each([
  "",
  "Europe/Berlin",
  "MSK",
  "MSK-25",
  "MSK-3:60",
  "CET-1CEST,M3.5.0",
  "CET-1CEST,M13.5.0,M10.5.0",
  "CET-1CEST,J0,J300",
  "CET-1CEST,M3.5.0,M10.5.0/168",
  "<+03-3",
  "A1B2",
  "MSK-3 ",
])("%j is no such zone", (text) => {
  expect(PosixZone.parse(text)).toBeUndefined();
});

test("a zone as long as a megabyte is refused at once", () => {
  for (const text of [
    "A".repeat(1e6),
    "<".repeat(1e6),
    `MSK${"3".repeat(1e6)}`,
    `CET-1CEST,${"M3.5.0,".repeat(1e5)}`,
  ]) {
    expect(PosixZone.parse(text)).toBeUndefined();
  }
});

test("cron runs by rules as it does in the zone that they describe", () => {
  const random = new Random(7);
  const below = (end: number): number => random.below(end);
  const field = (size: number): string => {
    const half = size >> 1;
    return ["*", `*/${1 + below(5)}`, `${below(size)}`, `${below(half)}-${half + below(half)}`][below(4)]!;
  };
  const changes = [Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 9, 25, 1)];
  const cases = Array.from({ length: 800 }, () => {
    const days = ["*", "*", `${1 + below(28)}`][below(3)];
    const weekdays = ["*", "*", `${below(7)}`][below(3)];
    return [`${field(60)} ${field(24)} ${days} * ${weekdays}`, changes[below(2)]! + (below(14_400) - 7200) * 1000];
  });
  const script = `const { nextCronTime } = await import(${JSON.stringify(join(LIB, "time", "cron.ts"))});
    const cases = ${JSON.stringify(cases)};
    console.log(cases.map(([expression, after]) => {
      const first = nextCronTime(expression, after);
      return expression + " " + after + ": " + first + " " + nextCronTime(expression, first);
    }).join("\\n"));`;
  expect(printedIn(BERLIN, script)).toBe(printedIn("Europe/Berlin", script));
});

/** Runs Lua and prints what it returns. */
const luaScript = (chunk: string): string => `
  const { loadConfig } = await import(${JSON.stringify(join(LIB, "configuration", "load-config.ts"))});
  const { Log } = await import(${JSON.stringify(join(LIB, "log", "log.ts"))});
  const { systemClock } = await import(${JSON.stringify(join(LIB, "time", "clock.ts"))});
  await Bun.write(process.env.CONFIG, ${JSON.stringify(chunk)});
  await loadConfig(process.env.CONFIG, { clock: systemClock, log: new Log({ sink: (line) => console.log(line) }) });
  process.exit(0);`;

const luaIn = (zone: string, chunk: string): string => {
  const file = join(process.env["TMPDIR"] ?? "/tmp", `zones-${crypto.randomUUID()}.conf`);
  const child = Bun.spawnSync([process.execPath, "-e", luaScript(chunk)], {
    env: { ...process.env, TZ: zone, CONFIG: file },
  });
  Bun.spawnSync(["rm", "-f", file]);
  return (child.stderr.toString() + child.stdout.toString()).trim();
};

describe("Lua's local time", () => {
  const CHUNK = `local t = {}
    for _, time in ipairs { 1790000000, 1774745999, 1774746000, 1792890000 } do
      local d = os.date("*t", time)
      t[#t + 1] = os.date("%Y-%m-%d %H:%M:%S %j %w", time) .. " " .. tostring(d.isdst) .. " " .. os.time(d) - time
    end
    infoLog(table.concat(t, "; "), {})`;

  test("in a zone of rules is that of the zone that they describe", () => {
    const answer =
      "2026-09-21 16:13:20 264 1 true 0; 2026-03-29 01:59:59 088 0 false 0; " +
      "2026-03-29 03:00:00 088 0 true 0; 2026-10-25 02:00:00 298 0 false 0";
    expect(luaIn(BERLIN, CHUNK)).toBe(answer);
    expect(luaIn("Europe/Berlin", CHUNK)).toBe(answer);
    expect(luaIn("/usr/share/zoneinfo/Europe/Berlin", CHUNK)).toBe(answer);
    expect(luaIn(":Europe/Berlin", CHUNK)).toBe(answer);
  });

  test("in a zone that nobody knows is UTC, which is said", () => {
    expect(luaIn("Europe/Nowhere", `infoLog(os.date("%H", 1790000000), {})`)).toBe(
      'TZ="Europe/Nowhere" is no time zone: local time is UTC (Europe/Berlin and CET-1CEST,M3.5.0,M10.5.0/3 are some)\n14',
    );
  });
});
