/** `GET /?command=alerts`: who may ask, what is found, page by page, and what is refused. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { AlertJson } from "../../lib/alerts/alert.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import { AUTHORIZATION, PASSWORD, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";

/** 2026-03-01T00:00:00Z */
const START = 1_772_323_200;

interface Page {
  alerts: AlertJson[];
  next: string | null;
}

/** 30 alerts, four of each time, and one whose login is no UTF-8. */
const RAISE = `
  for i = 0, 29 do
    alert { type = i % 2 == 0 and "even" or "odd", login = "user" .. i % 3, remote = newCA("192.0.2." .. i % 5),
      severity = i % 7 == 0 and "critical" or "low", t = ${START} + math.floor(i / 4) * 60 + 0.25, key = "k" .. i,
      evidence = { n = i } }
  end
  alert { type = "bytes", login = "a+b \\xff", t = ${START} - 86400 }
  alert { type = "bytes", login = "a+b \\xff", t = ${START} - 86000 }`;

async function ask(daemon: TestDaemon, query: string): Promise<Page> {
  const response = await daemon.get(`/?command=alerts${query}`);
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${body}`);
  return JSON.parse(body) as Page;
}

async function refusal(daemon: TestDaemon, query: string): Promise<string> {
  const response = await daemon.get(`/?command=alerts&${query}`);
  expect(response.status).toBe(400);
  return ((await response.json()) as { reason: string }).reason;
}

const NOWHERE = `newHistory("postgres://nobody@127.0.0.1:1/none")`;

describe.each([
  ["SQLite", `newHistory("sqlite::memory:", { retention = "3650d" })`],
  ["memory alone", ""],
  ["a database that is away", NOWHERE],
])("with %s", (_, history) => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startDaemon(PREAMBLE + history);
    await daemon.daemon.execute(toByteString(RAISE));
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  const numbers = ({ alerts }: Page): unknown[] => alerts.map(({ evidence }) => (evidence as { n: number })?.n);
  const where = (test: (i: number) => boolean): number[] => Array.from({ length: 30 }, (_, i) => i).filter(test);
  const sorted = (found: unknown[]): unknown[] => found.toSorted((a, b) => Number(a) - Number(b));

  test("an alert is as the contract has it", async () => {
    const { alerts, next } = await ask(daemon, "&type=bytes");
    expect(next).toBeNull();
    expect(alerts).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
        type: "bytes",
        severity: "medium",
        login: "a+b \ufffd",
        message: "bytes: a+b \ufffd",
        count: 2,
        first: "2026-02-28T00:00:00.000Z",
        last: "2026-02-28T00:06:40.000Z",
        host: expect.any(String),
        version: 1,
      },
    ]);
  });

  test("what a query names is found", async () => {
    expect(sorted(numbers(await ask(daemon, "&type=odd")))).toEqual(where((i) => i % 2 === 1));
    expect(sorted(numbers(await ask(daemon, "&severity=critical&remote=192.0.2.0")))).toEqual([0]);
    expect(sorted(numbers(await ask(daemon, "&login=user2&type=even")))).toEqual(where((i) => i % 6 === 2));
    expect((await ask(daemon, "&login=a%2Bb+%FF")).alerts).toHaveLength(1);
    expect((await ask(daemon, "&login=a%2bb%20%ff")).alerts).toHaveLength(1);
    expect((await ask(daemon, "&login=a%2Bb+%EF%BF%BD")).alerts).toEqual([]);
    expect((await ask(daemon, "&since=1s")).alerts).toEqual([]);
  });

  test("times are durations, seconds, or ISO 8601", async () => {
    const found = where((i) => i >= 4 && i < 12);
    for (const [since, before] of [
      [`${START + 60}`, `${START + 180}`],
      [`${START + 60.25}`, `${START + 180.25}`],
      ["2026-03-01T00:01:00Z", "2026-03-01T00:03:00.25Z"],
      ["2026-03-01T01:01:00%2B01:00", "2026-03-01T01:03:00+01:00"],
    ]) {
      expect(sorted(numbers(await ask(daemon, `&since=${since}&before=${before}`)))).toEqual(found);
    }
    expect((await ask(daemon, "&before=2026-03-01")).alerts).toHaveLength(1);
    const days = Math.ceil((Date.now() / 1000 - START) / 86_400) + 1;
    expect((await ask(daemon, `&since=${days - 1}d`)).alerts.length).toBeLessThanOrEqual(31);
    expect((await ask(daemon, `&since=${days}d`)).alerts).toHaveLength(31);
  });

  test("pages hold each alert once, whatever their size, where several are of one time", async () => {
    const all = (await ask(daemon, "&limit=1000")).alerts.map(({ id }) => id);
    expect(new Set(all).size).toBe(31);
    for (const limit of [1, 2, 3, 7, 30, 31]) {
      const paged: string[] = [];
      let before = "";
      for (let next: string | null = ""; next !== null; before = `&before=${next}`) {
        const page = await ask(daemon, `&limit=${limit}${before}`);
        expect(page.alerts.length).toBe(Math.min(limit, 31 - paged.length));
        paged.push(...page.alerts.map(({ id }) => id));
        ({ next } = page);
      }
      expect(paged).toEqual(all);
    }
    const firsts = (await ask(daemon, "")).alerts.map(({ first }) => first);
    expect(firsts).toEqual(firsts.toSorted().toReversed());
  });

  test("both spellings, HEAD, and the count of calls", async () => {
    const calls = async (): Promise<number> =>
      ((await (await daemon.get("/?command=stats")).json()) as { commandstats: Record<string, number> }).commandstats[
        "alerts"
      ]!;
    const before = await calls();
    expect((await daemon.get("/command/alerts?type=odd&limit=1")).status).toBe(200);
    const head = await fetch(daemon.url("/?command=alerts"), { method: "HEAD", headers: AUTHORIZATION });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(await calls()).toBe(before + 2);
    const text = await (await daemon.get("/metrics")).text();
    expect(text).toContain(`trackalert_alerts_total{type="odd",severity="low"} `);
    expect(text).toContain(`trackalert_alerts_folded_total{type="bytes"} 1\n`);
  });
});

describe("a query that cannot be answered", () => {
  let daemon: TestDaemon;
  beforeAll(async () => void (daemon = await startDaemon(PREAMBLE)));
  afterAll(() => daemon[Symbol.asyncDispose]());

  test.each([
    ["type=", 'type: letters, digits and _, 64 at most expected, got ""'],
    ["type=a%20b", 'type: letters, digits and _, 64 at most expected, got "a b"'],
    ["login=", 'login: a login expected, got ""'],
    ["login", 'login: a login expected, got ""'],
    ["severity=urgent", 'severity: one of low, medium, high, critical expected, got "urgent"'],
    ["limit=0", 'limit: a whole number of 1 to 1000 expected, got "0"'],
    ["limit=1001", 'limit: a whole number of 1 to 1000 expected, got "1001"'],
    ["limit=1e2", 'limit: a whole number of 1 to 1000 expected, got "1e2"'],
    ["limit=-1", 'limit: a whole number of 1 to 1000 expected, got "-1"'],
    ["limit=5&limit=5", "limit is given more than once: one value expected"],
    ["command=alerts", "command is given more than once: one value expected"],
    ["n=5", 'unknown parameter "n": there are type, login, remote, severity, since, before, limit'],
    ["%ff=5", 'unknown parameter "\ufffd": there are type, login, remote, severity, since, before, limit'],
    ["__proto__=5", 'unknown parameter "__proto__": there are'],
    ["since=yesterday", "since: duration such as 30s, 15m, 24h or 90d back from now, seconds since 1970, or ISO 8601"],
    ["since=-1", 'ISO 8601 expected, got "-1"'],
    ["since=1e9", 'ISO 8601 expected, got "1e9"'],
    ["since=2026-02-30", 'got "2026-02-30"'],
    ["since=1~ab", 'got "1~ab"'],
    ["before=1~AB", 'or "next" of another answer expected, got "1~AB"'],
    ["before=~", 'got "~"'],
    [`severity=${"x".repeat(5000)}`, `got "${"x".repeat(64)}"`],
  ])("%s", async (query, reason) => {
    expect(await refusal(daemon, query)).toContain(reason);
  });

  test("needs the password, a peer in the ACL, and GET", async () => {
    expect((await daemon.get("/?command=alerts", {})).status).toBe(401);
    const wrong = { authorization: `Basic ${btoa(`any:${PASSWORD}x`)}` };
    expect((await daemon.get("/command/alerts", wrong)).status).toBe(401);
    expect((await daemon.post("/?command=alerts", {})).status).toBe(404);
    await using closed = await startDaemon(`${PREAMBLE} setACL({ "192.0.2.0/24" })`);
    const response = await closed.get("/?command=alerts");
    expect([response.status, await response.text()]).toEqual([401, expect.stringContaining("not in ACL")]);
  });

  test("a configuration of the reference keeps an endpoint of that name: it is called by POST", async () => {
    await using other = await startDaemon(
      `${PREAMBLE} setCustomEndpoint("alerts", function(args) return true, { mine = "yes" } end)`,
    );
    expect(await (await other.post("/?command=alerts", {})).json()).toEqual({
      success: true,
      r_attrs: { mine: "yes" },
    });
    expect(await (await other.get("/?command=alerts")).json()).toEqual({ alerts: [], next: null });
  });
});
