/**
 * Replays the exchanges that were recorded with the reference (fixtures/golden/http.jsonl) against this daemon on the same
 * configuration. Where the answers differ, the difference is one of those we chose: each is named here.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { startDaemon, type TestDaemon } from "../support/daemon.ts";

interface Exchange {
  m: string;
  p: string;
  h: Record<string, string>;
  b?: string;
  /** "stats" and "metrics" bodies hold numbers that differ from run to run. */
  norm?: "stats" | "metrics";
  status: number;
  headers: Record<string, string>;
  body: string;
  id: number;
}

const GOLDEN = join(import.meta.dir, "..", "..", "fixtures", "golden");
const exchanges = readFileSync(join(GOLDEN, "http.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Exchange);

const DATABASES = join(GOLDEN, "..", "geoip");

/** The configuration as it was, but for ports and folders of this machine. */
const configuration = (receiver: string): string =>
  readFileSync(join(GOLDEN, "golden.conf"), "utf8")
    .replaceAll("127.0.0.1:18386", receiver)
    .replace("127.0.0.1:18385", "127.0.0.1:0")
    .replaceAll(/"(GeoIP2-\w+-Test\.mmdb)"/g, `"${DATABASES}/$1"`);

/** The rows of contract/differences.md that show in these exchanges, and which answer is ours. */
const DIFFERENCES: { why: string; when: (exchange: Exchange) => boolean; status: number; body?: object }[] = [
  {
    why: "error bodies that are not valid JSON; 500 for bad JSON → valid JSON, 400",
    when: ({ status, p }) => status === 500 && !p.includes("ret_"),
    status: 400,
  },
  {
    why: "a body that is JSON but no object is answered ok → 400 (http.md, report)",
    when: ({ p, b }) => p.endsWith("report") && /^(\[\]|"x"|1|true)$/.test(b ?? ""),
    status: 400,
  },
  {
    why: "a report with a bad `remote` answers ok and is dropped → 400",
    when: ({ b }) => b?.includes('"remote":"1.2.3"') ?? false,
    status: 400,
  },
  {
    why: "PATCH 405 and OPTIONS 403 on `/?command=` → 404 like every wrong method",
    when: ({ m }) => m === "PATCH",
    status: 404,
    body: { status: "failure", reason: "Not found" },
  },
  {
    why: "`/livez`, `/readyz` only under `/command` → served at both, `/?command=readyz` without a password too",
    when: ({ p }) => /(readyz|livez)$/.test(p) && !p.startsWith("/command/"),
    status: 200,
  },
  {
    why: "durations such as 1:2:3 give 0 or odd values → strict, minutes and seconds below 60",
    when: ({ b }) => b?.includes('"d":"1:90"') ?? false,
    status: 200,
    body: { success: true, r_attrs: { s: "0" } },
  },
  {
    why: "a custom endpoint that returns only `true` answers 500 → the missing table is empty",
    when: ({ p }) => p.endsWith("ret_bool"),
    status: 200,
    body: { success: true, r_attrs: {} },
  },
  {
    why: "error bodies that are not valid JSON → valid JSON, without traceback (http.md, custom endpoints)",
    when: ({ p }) => p.endsWith("ret_err"),
    status: 500,
    body: { success: false, reason: expect.stringMatching(/spec\.conf:\d+: custom failed$/) },
  },
];

interface Received {
  method: string;
  path: string;
  headers: Headers;
  body: string;
}

let daemon: TestDaemon;
let receiver: Bun.Server<undefined>;
const received: Received[] = [];
beforeAll(async () => {
  receiver = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const path = new URL(request.url).pathname;
      received.push({ method: request.method, path, headers: request.headers, body: await request.text() });
      return new Response(null, { status: path === "/status500" ? 500 : 200 });
    },
  });
  daemon = await startDaemon(configuration(`127.0.0.1:${receiver.port}`));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await receiver.stop(true);
});

const send = ({ m, p, h, b }: Exchange): Promise<Response> =>
  fetch(daemon.url(p), { method: m, headers: h, ...(b === undefined ? {} : { body: b }) });

describe("golden exchanges", () => {
  test.each(
    exchanges.map(
      (exchange) => [exchange.id, exchange.m, exchange.p, (exchange.b ?? "").slice(0, 60), exchange] as const,
    ),
  )("%d: %s %s %s", async (_id, _m, _p, _b, exchange) => {
    const response = await send(exchange);
    const text = await response.text();
    const difference = DIFFERENCES.find(({ when }) => when(exchange));
    // A difference that does not show would hide what it should tell.
    if (difference) expect([response.status, text]).not.toEqual([exchange.status, exchange.body]);
    expect(response.status).toBe(difference?.status ?? exchange.status);
    // `JSON sent as text/html` → application/json, whatever the status.
    if (text !== "" && exchange.norm !== "metrics") {
      expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
      JSON.parse(text);
    }
    // `basic realm="wforce"` → `Basic realm="trackalert"`.
    const challenge = response.status === 401 ? 'Basic realm="trackalert"' : null;
    expect(response.headers.get("www-authenticate")).toBe(challenge);
    if (difference?.body) expect(JSON.parse(text)).toEqual(difference.body);
    else if (difference)
      expect(text === "" ? {} : JSON.parse(text)).toEqual(difference.status === 400 ? refusalOf(exchange) : {});
    else if (exchange.norm === "stats" && exchange.status === 200) expectStats(text, exchange);
    else if (exchange.status === 200 && exchange.body !== "")
      expect(JSON.parse(text)).toEqual(JSON.parse(exchange.body));
    else expect(text).toBe(exchange.body);
  });

  test("show each named difference, so that the list is no longer than it must be", () => {
    const unseen = DIFFERENCES.filter(({ when }) => !exchanges.some(when));
    expect(unseen.map(({ why }) => why)).toEqual([]);
  });
});

/** What a body that is refused is answered with. */
const refusalOf = ({ p }: Exchange): object =>
  p.endsWith("report")
    ? { status: "failure", reason: expect.stringMatching(/./) }
    : { success: false, reason: expect.stringMatching(/./) };

/** The fields that the reference has too, with its types. */
function expectStats(text: string, { m, body }: Exchange): void {
  if (m === "HEAD") return expect(text).toBe("");
  const stats = JSON.parse(text) as Record<string, unknown>;
  for (const name of ["reports", "user-msec", "sys-msec", "uptime"]) expect(stats[name]).toBeNumber();
  const recorded = JSON.parse(body) as { perfstats: Record<string, number> };
  expect(Object.keys(stats["perfstats"] as object).toSorted()).toEqual(Object.keys(recorded.perfstats).toSorted());
}

test("the golden webhook requests are sent as they were", async () => {
  const golden = JSON.parse(readFileSync(join(GOLDEN, "webhooks.json"), "utf8")) as (Omit<Received, "headers"> & {
    headers: Record<string, string>;
  })[];
  received.length = 0;
  for (const login of ["hook", "auth", "fail"]) await daemon.post("/?command=report", { login, remote: "1.2.3.4" });
  while (received.length < golden.length) await Bun.sleep(1);
  for (const expected of golden) {
    const event = expected.headers["x-wforce-event"];
    const request = received.find(({ headers }) => headers.get("x-wforce-event") === event)!;
    const date = new Date().toISOString().slice(0, 10);
    expect(request).toMatchObject({
      method: "POST",
      path: expected.path.replace("2026-11-22", date),
      body: expected.body,
    });
    for (const [name, value] of Object.entries(expected.headers)) {
      const ours = request.headers.get(name);
      if (name === "host") expect(ours).toBe(`127.0.0.1:${receiver.port}`);
      else if (name === "x-wforce-delivery") expect(Buffer.from(ours!, "base64")).toHaveLength(32);
      else expect([name, ours]).toEqual([name, value]);
    }
    expect(request.headers.has("x-wforce-signature")).toBe("x-wforce-signature" in expected.headers);
  }
});
