/** `--import`: what it teaches, once, whatever happens in between. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { SQL } from "bun";

import { DeviceParser } from "../../lib/device/device.ts";
import { PostgresStore } from "../../lib/history/postgres/store.ts";
import { readTarget } from "../../lib/history/postgres/target.ts";
import { importFiles, type ImportOptions } from "../../lib/import/program.ts";
import { toText } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { PREAMBLE, startDaemon, temporaryFolder } from "../support/daemon.ts";
import { bytes, openHistory, row } from "../support/history.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";
import { startCommand, startProgram } from "../support/program.ts";
import { Random } from "../support/random.ts";

const START = Date.parse("2026-03-01T00:00:00Z") / 1000;

const POLICY = `
  setStateDir("state")
  local history = newHistory("sqlite:history.sqlite")
  addCustomWebHook("hook", { url = "http://127.0.0.1:1/" })
  setReport(function(lt)
    history:add(lt, { country = "NL", now = os.time() })
    if not lt.success then return end
    local known = history:known(lt.login, "address", lt.remote)
    if not known then runCustomWebHook("hook", '{"login":"' .. lt.login .. '"}') end
    history:learn(lt.login, { address = lt.remote, country = "NL", protocol = lt.protocol }, lt.t)
  end)
  setBackground("hourly", function()
    local hours = io.open("hours", "a")
    if hours then hours:write("x"):close() end
  end)
  cronScheduleBackgroundFunc("0 * * * *", "hourly")`;

interface Imported {
  code: number;
  output: string[];
  aside: string[];
}

class Site implements Disposable {
  private readonly temporary = temporaryFolder();
  readonly folder = this.temporary.path;

  constructor(policy = POLICY) {
    writeFileSync(join(this.folder, "spec.conf"), policy);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(join(this.folder, name), content);
    return join(this.folder, name);
  }

  async import(names: string[], options: Partial<ImportOptions> = {}): Promise<Imported> {
    const [output, aside]: [string[], string[]] = [[], []];
    const devices = new DeviceParser();
    const shown = (line: string): string => line.replaceAll(`${this.folder}/`, "");
    const code = await importFiles(
      names.map((name) => join(this.folder, name)),
      {
        ...{ config: join(this.folder, "spec.conf"), format: undefined, year: undefined, verbose: false },
        clock: systemClock,
        parseDevice: (protocol, id) => devices.parse(protocol, id),
        print: (line) => output.push(shown(line)),
        printAside: (line) => aside.push(shown(line)),
        ...options,
      },
    );
    return { code, output, aside };
  }

  /** All that the memory holds, in a form that does not depend on how it got there. */
  memory(): { rows: unknown[][]; entries: unknown[][]; pairs: unknown[][]; learnt: unknown[][]; everybody: number[] } {
    using database = new Database(join(this.folder, "state", "history.sqlite"), { readonly: true });
    const all = (sql: string): unknown[][] => database.query(sql).values();
    const login = (of: string): string => `(select cast(login as text) from logins where id = ${of}.login) as name`;
    return {
      rows: all(
        `select t, ${login("reports")}, hex(remote), success, cast(more as text) from reports order by t, name, 3, 4`,
      ),
      entries: all(
        `select ${login("entries")}, cast(feature as text), cast(value as text), count, first, last from entries order by 1, 2, 3`,
      ),
      pairs: all(`select ${login("pairs")}, count from pairs order by 1, 2`),
      learnt: all("select cast(login as text), learnt, state from logins order by 1"),
      everybody: all("select count from everybody order by 1").map(([count]) => count as number),
    };
  }

  [Symbol.dispose](): void {
    this.temporary[Symbol.dispose]();
  }
}

const report = (login: string, t: number, success = true): string =>
  `${JSON.stringify({ t, login, remote: `192.0.2.${(Math.abs(t) % 250) | 0}`, success, protocol: "imap" })}\n`;

const dovecotLine = (login: string, t: number, event: string): string => {
  const stamp = new Date(t * 1000).toISOString().replace(".000Z", "+00:00");
  return `${stamp} mx dovecot: imap-login: ${event}: user=<${login}>, method=PLAIN, rip=203.0.113.9, lip=::1, TLS, session=<s>\n`;
};

/** Much traffic, somewhat out of order. */
function traffic(count: number): string {
  const random = new Random(count);
  return Array.from({ length: count }, (_, i) =>
    report(`user${random.below(50)}`, START + i * 3 + random.below(60), random.chance(0.7)),
  ).join("");
}

describe("an import", () => {
  test("counts alerts by type, and neither stores nor cools them", async () => {
    using site = new Site(`${POLICY}
      setReport(function(lt)
        alert { type = "seen", login = lt.login, cooldown = "1d" }
        if lt.login == "ann" then alert { type = "ann" } end
        if select(2, alert { type = "seen", login = lt.login }) then error("it cools down") end
      end)`);
    site.write("new.jsonl", report("joe", START) + report("joe", START + 1) + report("ann", START + 2));
    const { code, output } = await site.import(["new.jsonl"]);
    expect(code).toBe(0);
    expect(output).toContain("alerts that would have been raised:");
    expect(output.slice(output.indexOf("alerts that would have been raised:") + 1)).toEqual(["  6 seen", "  1 ann"]);
    using database = new Database(join(site.folder, "state", "history.sqlite"), { readonly: true });
    expect(database.query("select (select count(*) from alerts) + (select count(*) from cooldowns)").values()).toEqual([
      [0],
    ]);
  });

  test("teaches the memory from files that are merged by time, and does nothing else", async () => {
    using site = new Site();
    site.write(
      "new.jsonl.gz",
      Bun.gzipSync(Buffer.from(report("joe", START + 10) + report("ann", START + 7200, false))),
    );
    site.write(
      "export.json",
      `{"_index":"a","_source":{"@timestamp":"2026-03-01T00:00:05Z","login":"joe","remote":"192.0.2.10","success":true,"protocol":"imap"}}\n{"took":5}\n`,
    );
    const { code, output, aside } = await site.import(["new.jsonl.gz", "export.json"]);
    expect(output).toEqual([
      "new.jsonl.gz: 2 lines read, 2 reports taken, 0 lines skipped",
      "export.json: 2 lines read, 1 reports taken, 1 lines skipped",
      "  export.json:2: neither login nor remote",
      "3 reports of 2026-03-01T00:00:05Z to 2026-03-01T02:00:00Z taken",
    ]);
    expect(aside).toEqual([expect.stringMatching(/^real time /)]);
    expect(code).toBe(0);
    const { rows, entries, learnt } = site.memory();
    // On the time of the reports, which is that of os.time, too.
    expect(rows).toEqual(
      [
        [START + 5, "joe", "C000020A", 1, JSON.stringify({ now: START + 5 })],
        [START + 10, "joe", "C0000264", 1, JSON.stringify({ now: START + 10 })],
        [START + 7200, "ann", "C0000264", 0, JSON.stringify({ now: START + 7200 })],
      ].map((row) => [row[0], row[1], expect.any(String), row[3], row[4]]),
    );
    expect(entries.filter(([, feature]) => feature === "country")).toEqual([
      ["joe", "country", "NL", 2, START + 5, START + 10],
    ]);
    expect(learnt).toEqual([
      ["ann", 0, 0],
      ["joe", 2, 1],
    ]);
    // The background function wrote in memory alone, and no webhook waits.
    expect(readdirSync(site.folder).toSorted()).toEqual(["export.json", "new.jsonl.gz", "spec.conf", "state"]);
    expect(readdirSync(join(site.folder, "state")).filter((name) => !/^history\.sqlite|^lock$/.test(name))).toEqual([]);
    expect(statSync(join(site.folder, "state", "history.sqlite")).mode & 0o777).toBe(0o600);
  });

  test("of the same file adds nothing, whatever its name; one that has grown goes on", async () => {
    using site = new Site();
    site.write("a.jsonl", report("joe", START) + report("joe", START + 1));
    await site.import(["a.jsonl"]);
    const before = site.memory();
    const again = await site.import(["a.jsonl"]);
    expect(again.output[0]).toMatch(
      /^a\.jsonl: nothing new read, 0 reports taken, 0 lines skipped, \d+ bytes were taken before$/,
    );
    site.write("b.jsonl.gz", Bun.gzipSync(Buffer.from(report("joe", START) + report("joe", START + 1))));
    const copied = await site.import(["a.jsonl", "b.jsonl.gz", "a.jsonl"]);
    expect(copied.aside.slice(0, 2)).toEqual([
      "b.jsonl.gz: is in a.jsonl, too, and is not taken twice",
      "a.jsonl: is in a.jsonl, too, and is not taken twice",
    ]);
    expect(site.memory()).toEqual(before);
    appendFileSync(join(site.folder, "a.jsonl"), report("ann", START + 2));
    expect((await site.import(["a.jsonl"])).output.at(-1)).toContain("1 reports of 2026-03-01T00:00:02Z");
    expect(site.memory().rows).toHaveLength(3);
    expect((await site.import(["a.jsonl"])).output.at(-1)).toBe("0 reports taken");
  });

  test("of a log counts each attempt, and says what it cannot read", async () => {
    using site = new Site();
    site.write(
      "mail.log",
      dovecotLine("joe", START, "Login") +
        dovecotLine("joe>, rip=192.0.2.99", START + 1, "Aborted login (auth failed, 3 attempts in 9 secs)") +
        "2026-03-01T00:00:02+00:00 mx dovecot: imap-login: Login: user=<joe>, method=PLAIN, rip=203.0\n" +
        "2026-03-01T00:00:02+00:00 mx postfix/smtpd[1]: connect\n" +
        dovecotLine("half", START + 3, "Login").trimEnd(),
    );
    const { code, output } = await site.import(["mail.log"], { format: "dovecot" });
    expect([code, ...output]).toEqual([
      0,
      "mail.log: 4 lines read, 4 reports taken, 1 lines skipped, a last line without an end is left for the next time",
      "  mail.log:3: the line is cut off",
      "4 reports of 2026-03-01T00:00:00Z to 2026-03-01T00:00:01Z taken",
    ]);
    const { rows } = site.memory();
    expect(rows.map(([, login, remote]) => [login, remote])).toEqual([
      ["joe", "CB007109"],
      ...Array(3).fill(["joe>, rip=192.0.2.99", "CB007109"]),
    ]);
  });

  test("tells how far it is by what was taken, not by what was read ahead", async () => {
    using site = new Site();
    site.write("a.jsonl", traffic(600));
    const shares: number[] = [];
    await site.import(["a.jsonl"], { progress: ({ share, reports }) => shares.push(share - reports / 600) });
    expect(shares.length).toBeGreaterThan(4);
    for (const difference of shares) expect(Math.abs(difference)).toBeLessThan(0.05);
  });

  test("that was broken off before its first report does not say that there is none", async () => {
    using site = new Site();
    site.write("a.jsonl", traffic(300));
    const { code, output } = await site.import(["a.jsonl"], { signal: AbortSignal.abort() });
    expect(code).toBe(1);
    expect(output.at(-1)).toBe("0 reports taken");
  });

  test("that was broken off again and again leaves what one in one go leaves", async () => {
    using whole = new Site();
    whole.write("a.jsonl", traffic(1500));
    await whole.import(["a.jsonl"]);
    using broken = new Site();
    broken.write("a.jsonl", traffic(1500));
    let taken = 0;
    for (let round = 0; taken < 1500; round++) {
      expect(round).toBeLessThan(50);
      const stop = new AbortController();
      let seen = 0;
      const progress = (): void => void (++seen === 5 && stop.abort());
      const { code, output, aside } = await broken.import(["a.jsonl"], {
        signal: stop.signal,
        draw: undefined,
        progress,
      });
      taken += Number(/^([\d,]+) reports/.exec(output.at(-1)!)![1]!.replaceAll(",", ""));
      if (code === 1) {
        expect(aside).toContain("import: it was broken off");
        expect(aside).toContain("what was taken stays, and the same command goes on from there");
      }
    }
    expect(taken).toBe(1500);
    expect(broken.memory()).toEqual(whole.memory());
  }, 30_000);

  test("that is killed in the middle, several times, leaves what one in one go leaves", async () => {
    using whole = new Site();
    whole.write("a.jsonl", traffic(6000));
    await whole.import(["a.jsonl"]);
    using killed = new Site();
    const file = killed.write("a.jsonl", traffic(6000));
    const database = join(killed.folder, "state", "history.sqlite");
    const command = ["-C", join(killed.folder, "spec.conf"), "--import", file];
    /** Bytes of the file that are committed. */
    const position = (): number => {
      if (!existsSync(database)) return 0;
      try {
        using opened = new Database(database, { readonly: true });
        return (opened.query("select max(position) from imports").values()[0]?.[0] as number | null) ?? 0;
      } catch {
        return 0;
      }
    };
    let kills = 0;
    let last = 0;
    while (kills < 3) {
      await using program = startProgram(command);
      const ended = program.ended.then(() => true);
      while (position() === last && !(await Promise.race([ended, Bun.sleep(5).then(() => false)])));
      program.kill("SIGKILL");
      await program.ended;
      last = position();
      kills++;
    }
    expect(last).toBeGreaterThan(0);
    expect(last).toBeLessThan(statSync(file).size);
    await using program = startProgram(command);
    const { code, output } = await program.ended;
    expect(code).toBe(0);
    expect(output).toContain("bytes were taken before");
    expect(killed.memory()).toEqual(whole.memory());
  }, 60_000);

  test("that finds the disk full says so, and goes on when there is room", async () => {
    using whole = new Site();
    whole.write("a.jsonl", traffic(3000));
    await whole.import(["a.jsonl"]);
    using full = new Site();
    const file = full.write("a.jsonl", traffic(3000));
    const command = [process.execPath, "index.ts", "-C", join(full.folder, "spec.conf"), "--import", file];
    // No file of more than 400 KiB: what is over it fails as on a disk that is full.
    await using program = startCommand(
      ["sh", "-c", `trap "" XFSZ; ulimit -f 800; exec "$@"`, "sh", ...command],
      join(import.meta.dir, "..", ".."),
    );
    const { code, errors } = await program.ended;
    expect(errors).toContain("import: ");
    expect(errors).toContain("the same command goes on from there");
    expect(code).toBe(1);
    const again = await full.import(["a.jsonl"]);
    expect(again.code).toBe(0);
    expect(full.memory()).toEqual(whole.memory());
  }, 60_000);
});

describe("the counters of an import", () => {
  const COUNTING = `
    setStateDir("state")
    newHistory("sqlite:history.sqlite")
    newStringStatsDB("seen", 3600, 48, { logins = "int" })
    setReport(function(lt)
      getStringStatsDB("seen"):twAdd("all", "logins", 1)
      getHistory():add(lt)
      warnLog("seen", { n = getStringStatsDB("seen"):twGet("all", "logins") })
    end)`;
  const seen = ({ aside }: Imported): number[] =>
    aside.flatMap((line) => [...line.matchAll(/seen: n="(\d+)"/g)].map(([, n]) => Number(n)));

  test("go on from one to the next, on the time of the reports", async () => {
    using site = new Site(COUNTING);
    site.write("a.jsonl", report("joe", START) + report("joe", START + 60));
    expect(seen(await site.import(["a.jsonl"], { verbose: true }))).toEqual([1, 2]);
    appendFileSync(join(site.folder, "a.jsonl"), report("joe", START + 3600) + report("joe", START + 100 * 3600));
    // The last comes when all others are too old.
    expect(seen(await site.import(["a.jsonl"], { verbose: true }))).toEqual([3, 1]);
  });

  test("of the past leave later ones alone", async () => {
    using site = new Site(COUNTING);
    site.write("new.jsonl", report("joe", START));
    site.write("old.jsonl", report("joe", START - 86_400));
    site.write("newer.jsonl", report("joe", START + 1));
    await site.import(["new.jsonl"]);
    expect(seen(await site.import(["old.jsonl"], { verbose: true }))).toEqual([1]);
    expect(seen(await site.import(["newer.jsonl"], { verbose: true }))).toEqual([2]);
  });
});

describe("an import is refused", () => {
  test("while a daemon uses the state directory, and a daemon while an import does", async () => {
    using site = new Site();
    site.write("a.jsonl", report("joe", START));
    {
      await using daemon = await startDaemon(`${PREAMBLE} setStateDir("${site.folder}/state")`);
      expect(daemon.logs.join("\n")).not.toContain("in use");
      const { code, aside, output } = await site.import(["a.jsonl"]);
      expect(aside[0]).toBe("import: state is in use: a daemon or an import runs on it (setStateDir)");
      expect([code, output]).toEqual([1, []]);
      await expect(startDaemon(`${PREAMBLE} setStateDir("${site.folder}/state")`)).rejects.toThrow(
        "is in use: a daemon or an import runs on it",
      );
    }
    expect((await site.import(["a.jsonl"])).code).toBe(0);
  });

  test.each([
    ["setReport(function() end)", "there is no history to learn (newHistory)"],
    ["newHistory('sqlite::memory:')", "is in memory: what is learnt would be gone (newHistory)"],
    ["newHistory('sqlite:x.sqlite')", "relative to the state directory"],
    ["error('no')", "spec.conf:1: no"],
  ])("by a configuration such as %s", async (policy, problem) => {
    using site = new Site(policy);
    site.write("a.jsonl", report("joe", START));
    await expect(site.import(["a.jsonl"])).rejects.toThrow(problem);
  });

  test("of a file that is not there, before anything is begun", async () => {
    using site = new Site();
    site.write("a.jsonl", report("joe", START));
    const { code, aside } = await site.import(["a.jsonl", "nowhere"]);
    expect([code, aside[0]]).toEqual([1, "import: nowhere: cannot be read: ENOENT"]);
    expect(existsSync(join(site.folder, "state"))).toBeFalse();
  });
});

describe("a policy's mistakes in an import", () => {
  test("are counted, and the others go on", async () => {
    using site = new Site(`${POLICY} local report = 0
      setReport(function(lt) report = report + 1 if report % 2 == 0 then error("even") end getHistory():add(lt) end)`);
    site.write("a.jsonl", traffic(100));
    const { code, output } = await site.import(["a.jsonl"]);
    expect(output).toContain("50 Lua errors, the first of them:");
    expect(output.find((line) => line.includes("even"))).toBeDefined();
    expect(code).toBe(0);
    expect(site.memory().rows).toHaveLength(50);
  });

  test("in requests are failures, not requests", async () => {
    using site = new Site(`${POLICY} setReport(function(lt)
      local answer, problem = httpRequest{ url = "http://127.0.0.1:1/" }
      getHistory():add(lt, { problem = problem })
    end)`);
    site.write("a.jsonl", report("joe", START));
    await site.import(["a.jsonl"]);
    expect(toText(String(site.memory().rows[0]![4]) as never)).toContain("requests are not sent in an import");
  });
});

describe.skipIf(noPostgres !== "")(`an import into PostgreSQL${noPostgres}`, () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await PostgresServer.start()), 30_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const siteOf = (url: string): Site => new Site(POLICY.replace("sqlite:history.sqlite", url));
  const connect = (url: string): SQL =>
    new SQL("postgres://localhost", {
      adapter: "postgres",
      path: server.socket,
      username: "spec",
      database: new URL(url).pathname.slice(1),
      max: 1,
    });

  /** What the memory holds, and how far the file is taken. */
  async function memoryAt(url: string): Promise<unknown[]> {
    await using sql = connect(url);
    const all = (text: string): Promise<unknown> => sql.unsafe(text).values();
    return [
      await all("select t, login, remote, success, more from trackalert.reports order by t, login, remote, success"),
      await all("select login, feature, value, count, first, last from trackalert.entries order by 1, 2, 3"),
      await all("select login, sum(count), count(*) from trackalert.pairs group by 1 order by 1"),
      await all("select login, learnt, state from trackalert.logins order by 1"),
      await all("select count from trackalert.everybody order by 1"),
      await all("select reports, failures from trackalert.hours order by hour"),
      await all("select position from trackalert.imports"),
    ].map((rows) => Bun.hash(JSON.stringify(rows)));
  }

  test("adds the same file once", async () => {
    using site = siteOf(await server.database());
    site.write("a.jsonl", traffic(300));
    expect((await site.import(["a.jsonl"])).output.at(-1)).toStartWith("300 reports");
    expect((await site.import(["a.jsonl"])).output.at(-1)).toBe("0 reports taken");
    appendFileSync(join(site.folder, "a.jsonl"), report("new", START + 10_000));
    expect((await site.import(["a.jsonl"])).output.at(-1)).toStartWith("1 reports");
  }, 30_000);

  test("that is killed in the middle, several times, leaves what one in one go leaves", async () => {
    const [ofWhole, ofKilled] = [await server.database(), await server.database()];
    using whole = siteOf(ofWhole);
    using killed = siteOf(ofKilled);
    for (const site of [whole, killed]) site.write("a.jsonl", traffic(900));
    await whole.import(["a.jsonl"]);
    const command = ["-C", join(killed.folder, "spec.conf"), "--import", join(killed.folder, "a.jsonl")];
    await using sql = connect(ofKilled);
    const position = async (): Promise<number> => {
      try {
        const [found] = await sql.unsafe("select max(position) from trackalert.imports").values();
        return Number(found![0] ?? 0);
      } catch {
        return 0;
      }
    };
    const random = new Random(7);
    let [kills, last] = [0, 0];
    while (kills < 3) {
      await using program = startProgram(command);
      const ended = program.ended.then(() => true);
      while ((await position()) === last && !(await Promise.race([ended, Bun.sleep(2).then(() => false)])));
      // While rows and questions are on their way.
      await Bun.sleep(random.below(60));
      program.kill("SIGKILL");
      await program.ended;
      last = await position();
      kills++;
    }
    expect(last).toBeGreaterThan(0);
    expect(last).toBeLessThan(statSync(join(killed.folder, "a.jsonl")).size);
    const { output, aside } = await killed.import(["a.jsonl"]);
    expect(aside.join("\n")).not.toContain("import: ");
    expect(output.join()).toContain("bytes were taken before");
    expect(await memoryAt(ofKilled)).toEqual(await memoryAt(ofWhole));
  }, 60_000);

  test("goes on beside a daemon that writes the same logins, and neither loses anything", async () => {
    const url = await server.database();
    using site = siteOf(url);
    site.write("a.jsonl", traffic(300));
    const store = new PostgresStore(readTarget(url, {}), { password: undefined, timeout: 10_000, clock: systemClock });
    await using daemon = await openHistory(store, { batch: 0.01 });
    let [added, ended] = [0, false];
    const imported = site.import(["a.jsonl"]).finally(() => (ended = true));
    while (!ended) {
      for (let i = 0; i < 20; i++) daemon.history.add(row({ t: START, login: bytes(`user${added++ % 50}`) }));
      await daemon.history.flush();
    }
    expect((await imported).aside.join("\n")).not.toContain("import: ");
    expect(await daemon.ask({ ask: "count", filter: [] })).toBe(300 + added);
    expect(daemon.logs).toEqual([]);
  }, 60_000);
});
