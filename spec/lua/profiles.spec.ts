/** Profiles as policies and the console use them, in both databases. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { toByteString, toText } from "../../lib/text/byte-string.ts";
import { PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";
import { noPostgres, PostgresServer } from "../support/postgres.ts";
import { learntLogins } from "../support/risk.ts";

const T = 1_772_323_200;

const DATABASES: [
  name: string,
  open: () => Promise<AsyncDisposable & { url: () => Promise<string> }>,
  skip: boolean,
][] = [
  ["SQLite", async () => ({ url: async () => "sqlite:history.sqlite", [Symbol.asyncDispose]: async () => {} }), false],
  [
    `PostgreSQL${noPostgres}`,
    async () => {
      const server = await PostgresServer.start();
      return { url: () => server.database(), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
    },
    noPostgres !== "",
  ],
];

const configuration = (url: string): string => `${PREAMBLE}
  setStateDir("state")
  history = newHistory("${url}")
  for _, name in ipairs{ "one", "other" } do newStringStatsDB(name, 60, 5, { n = "int" }) end
  addCustomWebHook("hook", { url = "http://127.0.0.1:1/" })
  function entries(list)
    local texts = {}
    for i, entry in ipairs(list) do
      texts[i] = ("%s:%s %d %d-%d"):format(math.type(entry.value) or type(entry.value), tostring(entry.value), entry.count, entry.first, entry.last)
    end
    return table.concat(texts, ", ")
  end`;

for (const [name, open, skip] of DATABASES) {
  describe.skipIf(skip)(`a policy's profiles in ${name}`, () => {
    let database: Awaited<ReturnType<typeof open>>;
    let daemon: TestDaemon;
    beforeAll(async () => {
      database = await open();
      daemon = await startDaemon(configuration(await database.url()));
    }, 30_000);
    afterAll(async () => {
      await daemon[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    });
    const execute = async (chunk: string): Promise<string> =>
      toText(await daemon.daemon.execute(toByteString(chunk))).trimEnd();

    test("see at once what was learnt, texts as texts and numbers as numbers", async () => {
      expect(
        await execute(`
          history:learn("joe", { country = "NL", asn = 1136, mobile = true, network = newNetmask and newNetmask("192.0.2.0/24") or "192.0.2.0/24" }, ${T})
          history:learn("joe", { country = "DE", address = newCA("192.0.2.1") }, ${T + 5})
          history:learn("joe", { country = "NL" }, ${T + 3})
          return entries(history:known("joe", "country")) .. "; " .. entries(history:known("joe", "asn")) .. "; " ..
            entries(history:known("joe", "address")) .. "; " .. entries(history:known("joe", "mobile"))`),
      ).toBe(
        `string:DE 1 ${T + 5}-${T + 5}, string:NL 2 ${T}-${T + 3}; integer:1136 1 ${T}-${T}; string:192.0.2.1 1 ${T + 5}-${T + 5}; string:true 1 ${T}-${T}`,
      );
      expect(await execute('return history:known("joe", "country", "NL").count')).toBe("2");
      expect(await execute('return history:known("joe", "asn", "1136").value == 1136')).toBe("true");
      expect(await execute('return history:known("joe", "address", newCA("192.0.2.1")).count')).toBe("1");
      expect(await execute('return tostring(history:known("joe", "country", "FR"))')).toBe("nil");
      expect(await execute('return #history:known("joe", "city")')).toBe("0");
    });

    test("score as the published implementation does", async () => {
      const logins = learntLogins().slice(0, 340);
      const quoted = (text: string): string => JSON.stringify(text);
      const lines = logins.map(({ login, features, risk, t }) => {
        const fields = Object.entries(features).map(([key, value]) => `${key} = ${quoted(value)}`);
        return `${risk === null ? "learn" : "score"}(${quoted(`risk ${login}`)}, { ${fields.join(", ")} }, ${t})`;
      });
      // Others' logins would count, so what the other tests have learnt goes.
      const chunk = `
        history:forget("joe")
        local scores = {}
        local function learn(login, values, t) history:learn(login, values, t) end
        local function score(login, values, t)
          scores[#scores + 1] = tostring(history:risk(login, values))
          history:learn(login, values, t)
        end
        ${lines.join("\n")}
        return table.concat(scores, " ")`;
      const scores = (await execute(chunk)).split(" ");
      const known = logins.filter(({ risk }) => risk !== null);
      expect(known.length).toBeGreaterThan(30);
      expect(scores).toHaveLength(known.length);
      // Lua's texts have 14 digits.
      for (const [i, { risk }] of known.entries()) expect(Math.abs(Number(scores[i]) - risk!)).toBeLessThan(1e-9);
    }, 30_000);

    test("are part of what is exported, shown and forgotten, as are webhooks", async () => {
      await execute(`
        history:learn("gone", { address = "192.0.2.7", country = "NL", asn = 5 }, ${T})
        history:learn("gone", { address = "192.0.2.8", country = "NL" }, ${T + 1})
        getStringStatsDB("one"):twAdd("gone", "n", 1)
        runCustomWebHook("hook", '{"login":"gone"}')
        runCustomWebHook("hook", '{"logins":["x","g\\\\u006fne"]}')
        runCustomWebHook("hook", '{"message":"gone for good"}')`);
      expect(
        await execute('local e = history:export("gone") return #e.rows .. " " .. entries(e.profile.address)'),
      ).toBe(`0 string:192.0.2.8 1 ${T + 1}-${T + 1}, string:192.0.2.7 1 ${T}-${T}`);
      expect(await execute("showLogin('gone')")).toContain(
        'country: 1 value\n  "NL" 2 times, 2026-03-01 00:00:00 to 2026-03-01 00:00:01',
      );
      const forgotten = await execute(`
        local f = history:forget("gone")
        return ("%d %d %d %d %d; %s"):format(f.rows, f.profiles, f.pairs, f.counters, f.webhooks, table.concat(f.not_reached, ", "))`);
      // Addresses, country and asn; with the first address asn and country, with the second the country.
      expect(forgotten).toMatch(/^0 4 3 1 [12]; logs, recordings, backups, what receivers hold$/);
      expect(await execute('local e = history:export("gone") return #e.rows .. tostring(next(e.profile))')).toBe(
        "0nil",
      );
      expect(await execute("showLogin('gone')")).toBe('nothing is known of "gone"');
      expect(await execute('return tostring(history:risk("gone", { country = "NL" }))')).toBe("nil");
    });

    test.each([
      ["history:learn('', {})", "bad argument #1 to 'learn' (login expected, got an empty string)"],
      ["history:risk('', {})", "bad argument #1 to 'risk' (login expected, got an empty string)"],
      ["history:forget('')", "bad argument #1 to 'forget' (login expected, got an empty string)"],
      ["history:learn('joe')", "bad argument #2 to 'learn' (table expected, got nil)"],
      [
        "history:learn('joe', { 'NL' })",
        "bad argument #2 to 'learn' (names of features must be strings, 1 is a number)",
      ],
      ["history:learn('joe', { [''] = 1 })", "bad argument #2 to 'learn' (a feature without a name)"],
      [
        "history:learn('joe', { country = print })",
        "bad argument #2 to 'learn' (country: string, number, boolean or address expected, got function)",
      ],
      [
        "history:learn('joe', { asn = 0/0 })",
        "bad argument #2 to 'learn' (asn: string, number, boolean or address expected, got number)",
      ],
      ["history:learn('joe', {}, 'soon')", "bad argument #3 to 'learn' (number expected, got string)"],
      [
        "local t = {} for i = 1, 65 do t['f' .. i] = i end history:learn('joe', t)",
        "bad argument #2 to 'learn' (more than 64 features)",
      ],
      ["history:known('joe', ('x'):rep(65))", "bad argument #2 to 'known' (a feature's name has more than 64 bytes)"],
      ["history:known('joe')", "bad argument #2 to 'known' (string expected, got nil)"],
      ["history.learn(5, 'joe', {})", "calling 'learn' on bad self"],
    ])("refuse %s", async (chunk, problem) => {
      expect(await execute(chunk)).toContain(problem);
    });
  });
}

test.skipIf(noPostgres !== "")(
  "several daemons add to the same profiles, and lose none",
  async () => {
    await using server = await PostgresServer.start();
    const url = await server.database();
    await using first = await startDaemon(configuration(url));
    await using second = await startDaemon(configuration(url));
    const run = ({ daemon }: TestDaemon, chunk: string): Promise<string> =>
      daemon.execute(toByteString(chunk)).then((answer) => toText(answer).trimEnd());
    // The same logins and values in opposite orders, many batches of them.
    const learn = (from: number, to: number, step: number): string =>
      `for round = 1, 5 do
      for i = ${from}, ${to}, ${step} do
        history:learn("user" .. i % 7, { address = "192.0.2." .. i, country = "C" .. i % 5, asn = i % 11 }, ${T} + i)
      end
      history:known("user1", "country")
    end`;
    await Promise.all([run(first, learn(1, 60, 1)), run(second, learn(60, 1, -1))]);
    const count = `local sum = 0 for i = 0, 6 do for _, e in ipairs(history:known("user" .. i, "country")) do sum = sum + e.count end end return sum`;
    expect([await run(first, count), await run(second, count)]).toEqual(["600", "600"]);
    // Everybody's counts are the same for both, too: so are the scores.
    const risk = 'return tostring(history:risk("user1", { address = "192.0.2.8", asn = 8, country = "C3" }))';
    const [one, other] = [await run(first, risk), await run(second, risk)];
    expect(Number(one)).toBeGreaterThan(0);
    expect(other).toBe(one);
    // One forgets, the other knows nothing any more.
    await run(first, 'history:forget("user1")');
    expect(await run(second, 'return #history:known("user1", "country")')).toBe("0");
  },
  60_000,
);
