import { describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { AUTHORIZATION, callEndpoint, PASSWORD, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

const NOT_FOUND = '{"status":"failure", "reason":"Not found"}';

describe("access", () => {
  test("a peer outside the ACL is refused by name, before anything else, and its connection closed", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setACL({"192.0.2.0/24"})`);
    for (const path of ["/command/stats", "/readyz", "/no/such", "/"]) {
      const response = await daemon.get(path);
      expect(response.status).toBe(401);
      expect(response.headers.get("connection")).toBe("close");
      expect(response.headers.get("www-authenticate")).toBeNull();
      expect(await response.text()).toBe(
        '{"status":"failure", "reason":"Source IP Address not in ACL", "ip":"127.0.0.1"}',
      );
    }
  });

  test("an exclusion keeps a peer out of a larger network", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} addACL("!127.0.0.1/32")`);
    expect((await daemon.get("/readyz")).status).toBe(401);
  });

  test("a wrong password is refused and logged with path and peer, never with the credentials", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const secret = btoa("joe:hunter2");
    const response = await daemon.get("/command/stats", { authorization: `Basic ${secret}` });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Basic realm="trackalert"');
    const lines = daemon.logs.filter((line) => line.includes("unauthorized"));
    expect(lines).toEqual(["unauthorized request for /command/stats from 127.0.0.1"]);
  });

  test("what peers without a password cause is a line a minute with a count, and counted", async () => {
    const clock = new JumpingClock(Date.UTC(2026, 2, 1));
    await using daemon = await startDaemon(PREAMBLE, {}, clock);
    for (let i = 0; i < 50; i++) await daemon.get("/command/stats", { authorization: `Basic ${btoa(`x:${i}`)}` });
    daemon.loaded.config.acl = ["192.0.2.0/24"];
    for (let i = 0; i < 5; i++) await daemon.get("/command/stats");
    const caused = (): string[] => daemon.logs.filter((line) => /unauthorized|ACL/.test(line));
    expect(caused()).toEqual([
      "unauthorized request for /command/stats from 127.0.0.1",
      "request of 127.0.0.1, which is not in the ACL",
    ]);
    await clock.advanceTo(clock.monotonic() + 60_000);
    expect(caused().slice(2)).toEqual([
      "unauthorized request for /command/stats from 127.0.0.1 (49 more)",
      "request of 127.0.0.1, which is not in the ACL (4 more)",
    ]);
    expect(await daemon.loaded.metrics.format()).toContain("trackalert_acl_denied_total 5\n");
  });

  test("without a password whatever needs one is refused, and the start says so", async () => {
    await using daemon = await startDaemon(`addListener("127.0.0.1:0", false, "", "", {})`);
    expect((await daemon.get("/command/stats")).status).toBe(401);
    expect((await daemon.get("/readyz")).status).toBe(200);
    expect(daemon.logs.join("\n")).toContain("no password");
  });

  test("metrics need no password after setMetricsNoPassword()", async () => {
    await using open = await startDaemon(`${PREAMBLE} setMetricsNoPassword()`);
    const response = await open.get("/metrics", {});
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    await using closed = await startDaemon(PREAMBLE);
    expect((await closed.get("/metrics", {})).status).toBe(401);
  });
});

describe("webserver()", () => {
  test("still opens a listener with a password, and says what to use instead", async () => {
    await using daemon = await startDaemon(`webserver("127.0.0.1:0", "${PASSWORD}")`);
    expect((await daemon.get("/command/stats")).status).toBe(200);
    expect(daemon.logs).toContain("webserver() is deprecated: use addListener() and setWebserverPassword()");
  });
});

describe("routes", () => {
  test("unknown names and wrong methods are 404 before any password is asked for", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const requests = [
      ["GET", "/command/report"],
      ["PUT", "/command/stats"],
      ["POST", "/command/Report"],
      ["POST", "/command/report/"],
      ["GET", "/?command=nosuch"],
      ["GET", "/command/metrics"],
      ["POST", "/readyz"],
      ["OPTIONS", "/?command=report"],
      ["GET", "/command/__proto__"],
    ] as const;
    for (const [method, path] of requests) {
      const response = await fetch(daemon.url(path), { method });
      expect([method, path, response.status, await response.text()]).toEqual([method, path, 404, NOT_FOUND]);
    }
  });

  test("readyz and livez are empty, in all their spellings", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    for (const name of ["readyz", "livez"]) {
      for (const path of [`/${name}`, `/command/${name}`, `/?command=${name}`]) {
        const response = await daemon.get(path, {});
        expect([path, response.status, await response.text()]).toEqual([path, 200, ""]);
      }
    }
  });

  test("HEAD is answered as GET, without the body, everywhere", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    for (const path of ["/livez", "/command/readyz", "/?command=livez", "/metrics", "/command/stats", "/"]) {
      const [get, head] = await Promise.all(
        ["GET", "HEAD"].map((method) => fetch(daemon.url(path), { method, headers: AUTHORIZATION })),
      );
      expect([path, head!.status, await head!.text()]).toEqual([path, get!.status, ""]);
      expect(head!.headers.get("content-type")).toBe(get!.headers.get("content-type"));
    }
  });

  test("the root asks for the password and has nothing to show", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    expect((await daemon.get("/", {})).status).toBe(401);
    const response = await daemon.get("/");
    expect([response.status, await response.text()]).toEqual([404, NOT_FOUND]);
  });

  test("stats tell reports, processor time and uptime, to GET and HEAD", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const stats = (await (await daemon.get("/command/stats")).json()) as Record<string, number>;
    expect(stats).toMatchObject({ reports: 0, uptime: expect.any(Number) });
    expect(stats["user-msec"]).toBeGreaterThan(0);
    const head = await fetch(daemon.url("/?command=stats"), { method: "HEAD", headers: AUTHORIZATION });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });
});

describe("custom endpoints", () => {
  const endpoint = (body: string): string => `${PREAMBLE} setCustomEndpoint("own", function(args) ${body} end)`;

  test("get attrs and attrs_mv as a report does", async () => {
    const show = `local r = {} for k, v in pairs(args.attrs) do r[k] = v end
      for k, v in pairs(args.attrs_mv) do r[k] = #v .. ":" .. table.concat(v, "|") end return true, r`;
    await using daemon = await startDaemon(endpoint(show));
    const attrs = { text: "ü", list: ["a", 5, "b"], empty: [], number: 5, object: { a: 1 } };
    expect(await callEndpoint(daemon, "own", attrs)).toEqual({ text: "ü", list: "3:a||b", empty: "0:" });
    for (const body of [{}, { attrs: 5 }, { attrs: null }]) {
      expect(await (await daemon.post("/?command=own", body)).json()).toEqual({ success: true, r_attrs: {} });
    }
  });

  test.each([
    ["return true", true, {}],
    ["return false, nil", false, {}],
    [
      "return true, { i = 5, f = 2.5, whole = 10 / 2, sum = 0.1 + 0.2, t = true, s = '' }",
      true,
      { i: "5", f: "2.5", whole: "5", sum: "0.3", t: "true", s: "" },
    ],
    ["return true, { 'x', 'y' }", true, { "1": "x", "2": "y" }],
    [
      "return true, { [2.5] = 1, [true] = 2, __proto__ = 3 }",
      true,
      JSON.parse('{"2.5": "1", "true": "2", "__proto__": "3"}'),
    ],
    ["return true, { bytes = '\\xff' }", true, { bytes: "\ufffd" }],
    ["sleep(0.01) return true, { waited = 'yes' }", true, { waited: "yes" }],
  ])("%s", async (body, success, attributes) => {
    await using daemon = await startDaemon(endpoint(body));
    const response = await daemon.post("/?command=own", {});
    expect(await response.json()).toEqual({ success, r_attrs: attributes });
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  });

  test.each([
    ["error('\"quoted\"')", /spec\.conf:2: "quoted"$/],
    ["error({})", /^table: 0x/],
    ["", /must return a boolean first, not no value$/],
    ["return 1", /must return a boolean first, not number$/],
    ["return true, 5", /must return a table second, not number$/],
    ["return true, { a = {} }", /'a' is a table$/],
    ["return true, { a = print }", /'a' is a function$/],
  ])("%s is a 500 whose reason is valid JSON, with the traceback in the log only", async (body, reason) => {
    await using daemon = await startDaemon(endpoint(body));
    const response = await daemon.post("/?command=own", {});
    expect([response.status, await response.json()]).toEqual([
      500,
      { success: false, reason: expect.stringMatching(reason) },
    ]);
    expect(daemon.logs.join("\n")).toContain("custom endpoint own failed: ");
    expect(await (await daemon.get("/metrics")).text()).toContain(
      'trackalert_lua_errors_total{function="endpoint:own"} 1\n',
    );
  });

  test("a body that is no JSON object is a 400, one too large a 413", async () => {
    await using daemon = await startDaemon(endpoint("return true"));
    for (const [body, status] of [
      ["", 400],
      ["bad", 400],
      ["null", 400],
      ["[]", 400],
      ["x".repeat(1_048_577), 413],
    ] as const) {
      const response = await daemon.post("/?command=own", body);
      expect([response.status, await response.json()]).toEqual([
        status,
        { success: false, reason: expect.any(String) },
      ]);
    }
  });

  test("may be replaced, and may have any name that is not built in", async () => {
    await using daemon =
      await startDaemon(`${endpoint("return true")} setCustomEndpoint("own", function() return false end)
      setCustomEndpoint("ä b/c", function() return true, { found = 1 } end)`);
    expect(await (await daemon.post("/command/own", {})).json()).toEqual({ success: false, r_attrs: {} });
    for (const path of ["/?command=%C3%A4+b/c", "/?command=%C3%A4%20b%2Fc", "/command/%C3%A4%20b%2Fc"]) {
      expect(await (await daemon.post(path, {})).json()).toEqual({ success: true, r_attrs: { found: "1" } });
    }
  });
});

describe("too many requests", () => {
  const LIMITED = `${PREAMBLE} setMaxWebserverConns(3)
    setReport(function() while not go do sleep(0.01) end end)
    setCustomEndpoint("wait", function() while not go do sleep(0.01) end return true end)`;

  async function refusals(daemon: TestDaemon): Promise<number> {
    const text = await (await daemon.get("/metrics")).text();
    return Number(/^trackalert_requests_refused_total (\d+)$/m.exec(text)?.[1]);
  }

  /** Sends requests one by one, and hangs up on each as soon as it runs or has been refused. */
  async function hangUp(daemon: TestDaemon, path: string, count: number): Promise<void> {
    const { metrics, stats } = daemon.loaded;
    const calls = (): number => stats.commands.recent().reduce((sum, [, calls]) => sum + calls, 0);
    for (let i = 0; i < count; i++) {
      const before = calls() + metrics.refusedRequests.get();
      const client = new AbortController();
      const request = fetch(daemon.url(path), {
        method: "POST",
        headers: AUTHORIZATION,
        body: "{}",
        signal: client.signal,
      });
      while (calls() + metrics.refusedRequests.get() === before) await Bun.sleep(1);
      client.abort();
      await request.catch(() => {});
    }
  }

  const letGo = (daemon: TestDaemon): Promise<void> =>
    daemon.loaded.engine.runFile(Buffer.from("go = true"), "spec.conf");

  test("are answered 503 with Retry-After and counted, and those in flight go on", async () => {
    await using daemon = await startDaemon(LIMITED);
    const waiting = [1, 2, 3].map(() => daemon.post("/?command=report", {}));
    while (daemon.loaded.metrics.reports.get() < 3) await Bun.sleep(1);
    expect(await refusals(daemon)).toBe(0);
    const report = await daemon.post("/?command=report", {});
    expect([report.status, report.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await report.json()).toEqual({ status: "failure", reason: "Too many requests" });
    const endpoint = await daemon.post("/?command=wait", {});
    expect([endpoint.status, endpoint.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await endpoint.json()).toEqual({ success: false, reason: "Too many requests" });
    expect((await daemon.get("/command/stats")).status).toBe(503);
    expect(await refusals(daemon)).toBe(3);
    await letGo(daemon);
    for (const response of await Promise.all(waiting)) expect(response.status).toBe(200);
    expect((await daemon.get("/command/stats")).status).toBe(200);
  });

  test("do not keep orchestrators and Prometheus from their answers", async () => {
    await using daemon = await startDaemon(LIMITED);
    await hangUp(daemon, "/?command=report", 4);
    for (const path of ["/livez", "/readyz", "/command/livez", "/?command=readyz", "/metrics"]) {
      expect([path, (await daemon.get(path)).status]).toEqual([path, 200]);
    }
    await letGo(daemon);
  });

  test.each(["report", "wait"])("are those too whose client has gone while %s ran", async (name) => {
    await using daemon = await startDaemon(LIMITED);
    await hangUp(daemon, `/?command=${name}`, 20);
    expect(daemon.loaded.stats.commands.recent()).toContainEqual([name, 3]);
    expect(await refusals(daemon)).toBe(17);
    await letGo(daemon);
    while ((await daemon.get("/command/stats")).status === 503) await Bun.sleep(1);
    expect((await daemon.post(`/?command=${name}`, {})).status).toBe(200);
  });

  test("are not those whose body never came", async () => {
    await using daemon = await startDaemon(LIMITED);
    const { hostname, port } = daemon.daemon.addresses[0]!;
    const head = `POST /?command=wait HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZATION.authorization}\r\n`;
    const sockets = [
      "Content-Length: 100\r\n\r\n{",
      "Transfer-Encoding: chunked\r\n\r\n1\r\n{",
      "Content-Length: 9\r\n\r\n",
    ].map((rest) =>
      connect(port, hostname, function (this: Socket) {
        this.write(head + rest);
      })
        .on("error", () => {})
        .resume(),
    );
    while ((await daemon.get("/command/stats")).status === 200) await Bun.sleep(1);
    for (const socket of sockets) socket.destroy();
    while ((await daemon.get("/command/stats")).status === 503) await Bun.sleep(1);
  });
});
