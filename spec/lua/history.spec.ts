/** The history as policies and the console use it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { checkConfig } from "../../lib/program/check.ts";
import { toByteString, toText } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { PREAMBLE, startDaemon, temporaryFolder, type TestDaemon } from "../support/daemon.ts";
import { failure, startEngine } from "../support/engine.ts";

/** 2026-03-01T00:00:00Z */
const START = 1_772_323_200;

/** A table as text, keys sorted, for comparison. */
const SHOW = `
  function show(value)
    if type(value) ~= "table" then return type(value) == "string" and string.format("%q", value) or tostring(value) end
    local keys, parts = {}, {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do
      parts[#parts + 1] = (type(key) == "number" and "" or tostring(key) .. "=") .. show(value[key])
    end
    return "{" .. table.concat(parts, ",") .. "}"
  end`;

describe("a daemon with a history", () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startDaemon(`${PREAMBLE} ${SHOW}
      setStateDir("state")
      history = newHistory("sqlite:history.sqlite", { retention = "3650d", batch = "1s", timeout = "5s", max_size = "1G" })
      setReport(function(lt)
        history:add(lt, { country = "NL", asn = "AS64500", latitude = 51.5, tags = { "a", "b" }, note = { deep = true, n = 1.5 } })
      end)
      setCustomEndpoint("run", function(args) return true, { result = show(assert(load("return " .. args.attrs.chunk))()) } end)`);
    const report = (login: string, t: number, success = false): Promise<Response> =>
      daemon.post("/?command=report", {
        login,
        t,
        success,
        remote: "192.0.2.1",
        protocol: "imap",
        device_id: "phone",
        fail_type: "credentials",
      });
    for (let i = 0; i < 5; i++) await report("joe", START + i * 10, i === 4);
    await report("ann", START + 7200.5, true);
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  /** Runs an expression in an endpoint, behind what was added. */
  async function run(chunk: string): Promise<string> {
    const response = await daemon.post("/?command=run", { attrs: { chunk } });
    const body = (await response.json()) as { r_attrs?: { result: string } };
    return body.r_attrs?.result ?? JSON.stringify(body);
  }
  const execute = async (chunk: string): Promise<string> => toText(await daemon.daemon.execute(toByteString(chunk)));

  test.each([
    ["history:count({ login = 'joe' })", "5"],
    ["history:count({ login = { 'joe', 'ann' }, success = true })", "2"],
    ["history:count({ remote = newCA('192.0.2.1') }, 3)", "3"],
    ["history:count({ remote = { newCA('192.0.2.1'), '192.0.2.9' } })", "6"],
    ["history:count({ net = newNetmask('192.0.2.0/24'), fail_type = 'credentials' })", "6"],
    ["history:count({ asn = 64500, country = 'NL', latitude = 51.5 })", "6"],
    [`history:count({ since = ${START + 10}, before = ${START + 40} })`, "3"],
    ["history:count({ since = '1s' })", "0"],
    ["history:distinct('login', {})", "2"],
    ["history:distinct('login', {}, 1)", "1"],
    ["history:top('login', {}, 5)", '{{count=5,value="joe"},{count=1,value="ann"}}'],
    ["history:top('remote', {}, 1)", '{{count=6,value="192.0.2.1"}}'],
    ["history:top('success', {}, 5)", "{{count=4,value=false},{count=2,value=true}}"],
    [
      `history:series('1h', { since = ${START}, before = ${START + 10_800} })`,
      `{{count=5,t=${START}},{count=0,t=${START + 3600}},{count=1,t=${START + 7200}}}`,
    ],
    [
      `history:series(20, { login = 'joe', since = ${START + 20}, before = ${START + 60} })`,
      `{{count=2,t=${START + 20}},{count=1,t=${START + 40}}}`,
    ],
    ["history:first({ login = 'nobody' })", "nil"],
    ["history:first({}).t", String(START)],
    ["history:last({}).t", `${START + 7200}.5`],
    [
      "history:rows({ login = 'ann' }, 3)",
      `{{asn=64500,country="NL",device="phone",fail_type="credentials",latitude=51.5,login="ann",note={deep=true,n=1.5},policy_reject=false,protocol="imap",remote="192.0.2.1",success=true,t=${START + 7200}.5,tags={"a","b"},tls=false}}`,
    ],
    ["#history:rows({}, 4)", "4"],
    ["getHistory() == history", "true"],
    ["math.type(history:count({}))", '"integer"'],
  ])("%s", async (chunk, result) => expect(await run(chunk)).toBe(result));

  test("questions of the console are answered, too", async () => {
    expect(await execute("return history:count({ login = 'joe' })")).toBe("5");
  });

  test.each([
    ["history:count()", "bad argument #1 to 'count' (table expected, got nil)"],
    ["history:count('joe')", "bad argument #1 to 'count' (table expected, got string)"],
    ["history.count({})", "calling 'count' on bad self (History expected, got table)"],
    ["history:count({ user = 'joe' })", `bad argument #1 to 'count' (unknown column "user": there are t, login,`],
    ["history:count({ [1] = 'joe' })", `unknown column "1"`],
    ["history:count({ login = true })", "login: string expected, got true"],
    ["history:count({ login = print })", "login: string expected, got something else"],
    ["history:count({ login = { {} } })", "login: string expected, got something else"],
    ["history:count({ success = 'yes' })", `success: boolean expected, got "yes"`],
    ["history:count({ remote = '192.0.2' })", `remote: IP address expected, got "192.0.2"`],
    ["history:count({ net = '192.0.2.0/33' })", `net: network such as 192.0.2.0/24 expected, got "192.0.2.0/33"`],
    [
      "history:count({ since = 'yesterday' })",
      `since: duration such as 30s, 15m, 24h or 90d, or seconds since 1970, expected, got "yesterday"`,
    ],
    ["history:count({ since = '1:00:00' })", "since: duration"],
    ["history:count({ before = {} })", "before: duration"],
    ["history:count({ since = 0/0 })", "since: duration"],
    ["history:count({ asn = 1.5 })", "asn: whole number expected, got 1.5"],
    ["history:count({ latitude = 'north' })", `latitude: number expected, got "north"`],
    ["history:count({}, 0)", "bad argument #2 to 'count' (whole number from 1 to"],
    ["history:distinct('pwhash', {})", `bad argument #1 to 'distinct' (unknown column "pwhash"`],
    ["history:top('login', {})", "bad argument #3 to 'top' (number expected, got no value)"],
    ["history:rows({}, 100000)", "bad argument #2 to 'rows' (whole number from 1 to 10000 expected"],
    ["history:series('0s', {})", "bad argument #1 to 'series'"],
    ["history:series(-5, {})", "bad argument #1 to 'series'"],
    ["history:series(0.5, {})", "bad argument #1 to 'series'"],
    ["history:series('1s', { since = '30d' })", "at most 10000 buckets"],
    ["history:add()", "bad argument #1 to 'add' (LoginTuple expected, got no value)"],
    [
      "history:add({ login = 'joe', remote = '192.0.2.1' })",
      "bad argument #1 to 'add' (remote: ComboAddress expected, got string)",
    ],
    ["history:add({ remote = newCA('192.0.2.1') })", "bad argument #1 to 'add' (login: string expected, got nil)"],
    [
      "history:add({ login = 'joe', remote = newCA('192.0.2.1'), success = 'yes' })",
      "bad argument #1 to 'add' (success: boolean expected, got string)",
    ],
    [
      "history:add({ login = 'joe', remote = newCA('192.0.2.1') }, 'NL')",
      "bad argument #2 to 'add' (table expected, got string)",
    ],
    [
      "history:add({ login = 'joe', remote = newCA('192.0.2.1') }, { country = {} })",
      "bad argument #2 to 'add' (country: string expected",
    ],
    [
      "history:add({ login = 'joe', remote = newCA('192.0.2.1') }, { f = print })",
      "bad argument #2 to 'add' (f: JSON can hold no function)",
    ],
    [
      "history:add({ login = 'joe', remote = newCA('192.0.2.1') }, { n = 1/0 })",
      "bad argument #2 to 'add' (n: JSON has no Infinity)",
    ],
    [
      "history:add({ login = 'joe', remote = newCA('192.0.2.1') }, { s = ('x'):rep(20000) })",
      "20008 bytes of JSON, 16384 are kept",
    ],
    [
      "(function() local t = {} t.t = t history:add({ login = 'joe', remote = newCA('192.0.2.1') }, t) end)()",
      "JSON can hold no table so deep",
    ],
    ["history:forget('')", "bad argument #1 to 'forget' (login expected, got an empty string)"],
    ["newHistory('sqlite:other.sqlite')", "newHistory: only the configuration can do this"],
  ])("%s is an error", async (chunk, message) => expect(await execute(chunk)).toContain(message));

  test("an error names the line of the policy", async () => {
    expect(await execute("\n\nlocal n = history:count({ user = 1 })")).toMatch(
      /^Error: \[string.*\]:3: bad argument #1 to 'count'/,
    );
    expect(await execute("\nhistory:add({}) local n")).toMatch(/^Error: \[string.*\]:2: bad argument #1 to 'add'/);
  });

  test("a time that cannot be is that of receipt", async () => {
    for (const t of [0, START * 1000, -1]) {
      await execute(`history:add({ login = "clock", remote = newCA("::1"), t = ${t} })`);
    }
    await execute(`history:add({ login = "clock", remote = newCA("::1") })`);
    expect(await execute("return history:count({ login = 'clock', since = '1h' })")).toBe("4");
  });

  test("bytes come back as they were", async () => {
    const chunk = `(function()
      local login = "\\0\\255'\\"\\\\;--" .. ("x"):rep(5)
      history:add({ login = login, remote = newCA("2001:db8::1") }, { ["k\\0\\255"] = "v\\0\\255", city = "\\255" })
      local row = history:last({ login = login })
      return tostring(row.login == login and row["k\\0\\255"] == "v\\0\\255" and row.city == "\\255" and row.remote)
    end)()`;
    expect(await run(chunk)).toBe('"2001:db8::1"');
  });

  test("exports and forgets a login", async () => {
    await execute(`for i = 1, 3 do history:add({ login = "gone", remote = newCA("::1") }, { n = i }) end`);
    expect(await execute("return #history:export('gone').rows")).toBe("3");
    expect(await execute("return history:forget('gone').rows")).toBe("3");
    expect(await execute("return show(history:export('gone'))")).toBe("{alerts={},profile={},rows={}}");
  });

  test("the console shows it, and a login, and copies it", async () => {
    expect(await execute("showHistory()")).toMatch(
      /^history: \/.*\/state\/history\.sqlite\nrows: \d+, 2026-.*\nsize: .* KiB of 1\.0 GiB\nrows waiting: 0\nslowest query of the last 5 minutes: \w+, [\d.]+ ms\n$/,
    );
    expect(await execute("showLogin('ann')")).toMatch(
      /^the newest 1 rows\n\S+ \S+ success remote="192.0.2.1" fail_type="credentials" protocol="imap" device="phone" country="NL" asn=64500 latitude=51.5 \{.*\}\n$/,
    );
    expect(await execute("showLogin('nobody')")).toBe('nothing is known of "nobody"\n');
    expect(await execute("backupHistory('copy.sqlite')")).toBe(
      `the history is copied to ${daemon.folder}/copy.sqlite\n`,
    );
    expect(await execute("backupHistory('copy.sqlite')")).toContain(`copy.sqlite is there already`);
  });

  test("the metrics count rows and questions", async () => {
    const metrics = await (await daemon.get("/metrics")).text();
    expect(metrics).toMatch(/^trackalert_history_rows_total [1-9]/m);
    expect(metrics).toMatch(/^trackalert_history_dropped_total 0$/m);
    expect(metrics).toMatch(/^trackalert_history_queue_bytes \d+$/m);
    expect(metrics).toMatch(/^trackalert_history_query_duration_seconds_count [1-9]/m);
  });
});

test("what was added before a stop is there after the next start", async () => {
  using folder = temporaryFolder();
  const configuration = `${PREAMBLE} setStateDir("${folder.path}") newHistory("sqlite:history.sqlite", { batch = "60s" })
    setReport(function(lt) getHistory():add(lt) end)
    setCustomEndpoint("count", function() return true, { n = getHistory():count({}) } end)`;
  for (const n of [1, 2, 3]) {
    await using daemon = await startDaemon(configuration);
    await daemon.post("/?command=report", { login: "joe", remote: "192.0.2.1" });
    const { r_attrs } = (await (await daemon.post("/?command=count", {})).json()) as { r_attrs: object };
    expect(r_attrs).toEqual({ n: String(n) });
  }
});

describe("newHistory", () => {
  const load = async (call: string): Promise<string> => {
    const { errors } = await check(call);
    return errors.join("\n");
  };
  async function check(call: string): ReturnType<typeof checkConfig> {
    using folder = temporaryFolder();
    const file = join(folder.path, "spec.conf");
    await Bun.write(file, call);
    return await checkConfig(file, undefined, systemClock);
  }

  test.each([
    ["newHistory()", "bad argument #1 to 'newHistory' (string expected, got no value)"],
    ["newHistory('history.sqlite')", `bad argument #1 to 'newHistory' ("sqlite:FILE" or "postgres://…" expected)`],
    ["newHistory('sqlite:')", `"sqlite:FILE" or`],
    ["newHistory('mysql://joe:secret@host/db')", `"sqlite:FILE" or`],
    [
      "newHistory('postgres://joe:secret@host/db?sslmode=maybe')",
      `sslmode: one of disable, allow, prefer, require, verify-ca, verify-full expected, got "maybe"`,
    ],
    ["newHistory('postgres://joe:secret@host/db?colour=red')", `unknown parameter "colour"`],
    ["newHistory('postgres://joe:secret@host:99999/db')", "no url such as postgres://user@host/database"],
    [
      "newHistory('sqlite::memory:', { retension = '9d' })",
      `bad argument #2 to 'newHistory' (unknown option "retension": retention, unused, max_size, batch, timeout, hierarchies are known)`,
    ],
    [
      "newHistory('sqlite::memory:', { retention = 90 })",
      "retention: duration such as 30s, 15m, 24h or 90d expected, got 90",
    ],
    ["newHistory('sqlite::memory:', { retention = '0d' })", 'retention: 60 s to 3153600000 s expected, got "0d"'],
    [
      "newHistory('sqlite::memory:', { unused = {} })",
      "unused: duration such as 30s, 15m, 24h or 90d expected, got table",
    ],
    ["newHistory('sqlite::memory:', { batch = '2h' })", "batch: 1 s to 60 s expected"],
    ["newHistory('sqlite::memory:', { timeout = '0s' })", "timeout: 1 s to 3600 s expected"],
    [
      "newHistory('sqlite::memory:', { max_size = '20 GB' })",
      "max_size: bytes such as 500M or 20G, 1M at least, expected",
    ],
    ["newHistory('sqlite::memory:', { max_size = 5 })", "max_size: bytes"],
    [
      "newHistory('sqlite::memory:', { hierarchies = 5 })",
      "hierarchies: list of lists of { name, weight } expected, got number",
    ],
    [
      "newHistory('sqlite::memory:', { hierarchies = { { { 'a', 2 } } } })",
      `hierarchies: weight of "a": number above 0 and up to 1 expected, got 2`,
    ],
    [
      "newHistory('sqlite::memory:', { hierarchies = { { { 'a', 1 }, { 'a', 1 } } } })",
      `hierarchies: "a" is there twice`,
    ],
    [
      "newHistory('sqlite::memory:') newHistory('sqlite::memory:')",
      "newHistory: there is a history already: a daemon has one",
    ],
    [
      "newHistory('sqlite:history.sqlite')",
      "newHistory: sqlite:history.sqlite is relative to the state directory: setStateDir() sets one",
    ],
    ["newHistory('sqlite:/dev/null')", "/dev/null: it cannot be written: it is no file"],
    ["getHistory()", "no history (newHistory)"],
  ])("%s is an error", async (call, message) => {
    const errors = await load(call);
    expect(errors).toContain(message);
    expect(errors).toContain("spec.conf:1: ");
    expect(errors).not.toContain("secret");
  });

  test("--check-config shows where it is, without a password", async () => {
    const { inventory } = await check(
      "newHistory('postgres://joe:secret@db.example:5433/logins?sslmode=verify-full', { retention = '30d' })",
    );
    expect(inventory!.history).toEqual({ place: "postgres://joe@db.example:5433/logins", retentionDays: 30 });
    expect((await check("newHistory('sqlite::memory:')")).inventory!.history).toEqual({
      place: "sqlite::memory:",
      retentionDays: 90,
    });
  });

  test("a start with a file that cannot be used ends with the line and the file", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "history.sqlite");
    await Bun.write(path, "no database ".repeat(500));
    const start = startDaemon(`${PREAMBLE}\nnewHistory("sqlite:${path}")`);
    await expect(start).rejects.toThrow(`spec.conf:3: ${path}: it is no SQLite database`);
  });

  test("in the configuration itself rows wait, and questions find it away", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} local h = newHistory("sqlite::memory:")
      h:add({ login = "joe", remote = newCA("::1") })
      local n, why = h:count({})
      assert(n == nil and why == "history away", why)
      setCustomEndpoint("count", function() return true, { n = h:count({}) } end)`);
    const { r_attrs } = (await (await daemon.post("/?command=count", {})).json()) as { r_attrs: object };
    expect(r_attrs).toEqual({ n: "1" });
  });
});

test("without a history its functions say so", async () => {
  using lua = await startEngine();
  const { message } = await failure(lua, "showHistory()");
  expect(message).toContain("no history (newHistory)");
});
