import { describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { AUTHORIZATION, callEndpoint, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";
import { JumpingClock } from "../support/jumping-clock.ts";

/** A policy that shows its last report through the endpoint `last`. */
const SHOW_LAST = `${PREAMBLE}
setReport(function(lt) last = lt end)
setCustomEndpoint("last", function()
  local shown = {}
  for k, v in pairs(last) do
    if type(v) ~= "table" then shown[k] = math.type(v) or v end
    if k == "t" then shown.t_text = tostring(v) end
  end
  for k, v in pairs(last.attrs) do shown["attrs." .. k] = v end
  for k, v in pairs(last.attrs_mv) do shown["attrs_mv." .. k] = #v .. ":" .. table.concat(v, ",") end
  for k, v in pairs(last.device_attrs) do shown["device_attrs." .. k] = v end
  shown.remote, shown.port = tostring(last.remote), last.remote:port()
  return true, shown
end)`;

const EMPTY = {
  login: "",
  pwhash: "",
  protocol: "",
  device_id: "",
  fail_type: "",
  session_id: "",
  success: "false",
  policy_reject: "false",
  tls: "false",
  remote: "0.0.0.0",
  port: "0",
};

async function lastOf(daemon: TestDaemon, body: unknown): Promise<Record<string, string>> {
  const response = await daemon.post("/?command=report", body);
  expect([response.status, await response.text()]).toEqual([200, '{"status":"ok"}']);
  return callEndpoint(daemon, "last");
}

/** Sends bytes as they are, and gives what comes until the server closes or `until` has come. */
function exchange(daemon: TestDaemon, bytes: string | Uint8Array, until: RegExp): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { hostname, port } = daemon.daemon.addresses[0]!;
  let received = "";
  const socket = connect(port, hostname, () => void socket.write(bytes));
  socket.on("data", (data) => {
    received += data.toString("latin1");
    if (until.test(received)) socket.end();
  });
  socket.on("close", () => resolve(received));
  socket.on("error", reject);
  return promise;
}

const basic = AUTHORIZATION.authorization;

describe("a login tuple", () => {
  test("has every field as it came", async () => {
    await using daemon = await startDaemon(SHOW_LAST);
    const body = {
      login: "joe",
      pwhash: "cc04",
      protocol: "imap",
      device_id: "id",
      fail_type: "credentials",
      session_id: "s1",
      success: true,
      policy_reject: true,
      tls: true,
      remote: "192.0.2.1:993",
      t: 1234.5,
      attrs: { cos: "basic", groups: ["a", 1, null, "b"], number: 5, object: {}, flag: true },
      device_attrs: { "os.family": "Linux", ignored: ["x"] },
    };
    expect(await lastOf(daemon, body)).toEqual({
      login: "joe",
      pwhash: "cc04",
      protocol: "imap",
      device_id: "id",
      fail_type: "credentials",
      session_id: "s1",
      success: "true",
      policy_reject: "true",
      tls: "true",
      remote: "192.0.2.1",
      port: "993",
      t: "float",
      t_text: "1234.5",
      "attrs.cos": "basic",
      "attrs_mv.groups": "4:a,,,b",
      "device_attrs.os.family": "Linux",
    });
  });

  test("takes defaults for what is missing or of another type", async () => {
    await using daemon = await startDaemon(SHOW_LAST);
    const wrong = Object.fromEntries(
      Object.keys(EMPTY).map((name) => [
        name,
        name === "success" || name === "tls" || name === "policy_reject" ? "yes" : 5,
      ]),
    );
    for (const body of [
      {},
      wrong,
      { attrs: "x", attrs_mv: { a: [] }, device_attrs: [1] },
      { remote: "", attrs: null },
    ]) {
      const { t, t_text, ...rest } = await lastOf(daemon, body);
      expect(rest).toEqual(EMPTY);
      expect(Math.abs(Number(t_text) - Date.now() / 1000)).toBeLessThan(60);
    }
  });

  test("has a whole t without a fraction", async () => {
    await using daemon = await startDaemon(SHOW_LAST);
    expect(await lastOf(daemon, { t: 1795329293 })).toMatchObject({ t: "integer", t_text: "1795329293" });
    expect(await lastOf(daemon, '{"t": 1.795329293e9}')).toMatchObject({ t_text: "1795329293" });
  });

  test("takes the time of receipt for a t beyond all numbers", async () => {
    await using daemon = await startDaemon(SHOW_LAST);
    const { t_text } = await lastOf(daemon, '{"t": 1e999}');
    expect(Math.abs(Number(t_text) - Date.now() / 1000)).toBeLessThan(60);
  });

  test.each([
    ["2001:DB8::1", "2001:db8::1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["[2001:db8::1]:25", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
  ])("has remote %s as %s", async (remote, text) => {
    await using daemon = await startDaemon(SHOW_LAST);
    expect(await lastOf(daemon, { remote })).toMatchObject({ remote: text });
  });

  test.each([
    ["UTF-8", "jürgen ☃ 😀"],
    ["NUL and controls", 'a\0b\u0001\n\t"\\'],
    ["65,000 characters", "x".repeat(65_000)],
  ])("keeps %s in every string", async (_, text) => {
    await using daemon = await startDaemon(SHOW_LAST);
    const shown = await lastOf(daemon, { login: text, attrs: { [text]: text, list: [text] } });
    expect(shown["login"]).toBe(text);
    expect(shown[`attrs.${text}`]).toBe(text);
  });

  test("keeps escapes and bytes that are no UTF-8 side by side", async () => {
    const show = `${PREAMBLE} setReport(function(lt) last = lt.login end)
      setCustomEndpoint("bytes", function() return true, { bytes = last:gsub(".", function(c) return ("%02x"):format(c:byte()) end) } end)`;
    await using daemon = await startDaemon(show);
    const bytes = Buffer.concat([
      Buffer.from('{"login": "\\u00fc\\ud83d\\ude00\\u0000\\\\u00fc'),
      Buffer.from([0xfc, 0xff]),
      Buffer.from('"}'),
    ]);
    await daemon.post("/command/report", new Uint8Array(bytes));
    const expected = `${Buffer.from("ü😀\0\\u00fc").toString("hex")}fcff`;
    expect(await callEndpoint(daemon, "bytes")).toEqual({ bytes: expected });
  });

  test("keeps what a policy puts into it, and has no more fields than it shows", async () => {
    await using daemon = await startDaemon(`${PREAMBLE}
      setReport(function(lt)
        lt.attrs = { own = "kept" }
        result = { mv = lt.attrs_mv.list[1], own = lt.attrs.own, given = tostring(lt.attrs.given), size = #lt, dev = lt.device_attrs.d }
        local names = {} for name in pairs(lt) do names[#names + 1] = name end table.sort(names)
        result.names = table.concat(names, " ")
      end)
      setCustomEndpoint("result", function() return true, result end)`);
    await daemon.post("/?command=report", { attrs: { given: "x", list: ["y"] }, device_attrs: { d: "z" } });
    expect(await callEndpoint(daemon, "result")).toEqual({
      mv: "y",
      own: "kept",
      given: "nil",
      size: "0",
      dev: "z",
      names:
        "attrs attrs_mv device_attrs device_id fail_type login policy_reject protocol pwhash remote session_id success t tls",
    });
  });

  test("may have attributes named as JavaScript's own", async () => {
    await using daemon = await startDaemon(SHOW_LAST);
    const shown = await lastOf(daemon, '{"attrs": {"__proto__": "a", "constructor": "b", "toString": ["c"]}}');
    expect(shown).toMatchObject({ "attrs.constructor": "b", "attrs_mv.toString": "1:c" });
    expect(Object.entries(shown)).toContainEqual(["attrs.__proto__", "a"]);
  });
});

describe("a body that is refused", () => {
  test.each([
    ["nothing", "", "a value expected at byte 1, the body ends"],
    ["no JSON", "{bad", "a name or '}' expected at byte 2, got \"bad\""],
    ["half of it", '{"login":"a"', "',' or '}' expected at byte 13, the body ends"],
    ["a missing value", '{"a":}', "a value expected at byte 6"],
    ["single quotes", "{'a':1}", "expected at byte 2"],
    ["a leading zero", '{"a":01}', "',' or '}' expected at byte 7"],
    ["a bad escape", '{"a":"\\x"}', "a value expected at byte 6"],
    [
      "a raw control character",
      '{"a":"\u0001"}',
      "a control character, U+0001, in a string at byte 7: it is written \\u0001",
    ],
    ["something behind it", "{} {}", "nothing more expected at byte 4"],
    ["a comma too many", '{"a":1,}', "a name expected at byte 8"],
    ["a byte order mark", "\ufeff{}", "a value expected at byte 1"],
    ["null", "null", "must be a JSON object, not null"],
    ["a list", "[]", "must be a JSON object, not an array"],
    ["a string", '"x"', "must be a JSON object, not a string"],
    ["a number", "1", "must be a JSON object, not a number"],
    ["a boolean", "true", "must be a JSON object, not a boolean"],
    ["a remote that is no address", '{"remote":"1.2.3"}', 'remote: not an IP address: "1.2.3"'],
    ["a remote with quotes", '{"remote":"\\"\\n"}', 'remote: not an IP address: "\\"\\n"'],
  ])("%s is a 400 that says where, and nothing runs", async (_, body, reason) => {
    await using daemon = await startDaemon(`${PREAMBLE} setReport(function() ran = true end)
      setCustomEndpoint("ran", function() return true, { ran = tostring(ran) } end)`);
    const response = await daemon.post("/?command=report", body);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toStartWith("application/json");
    const answer = (await response.json()) as { status: string; reason: string };
    expect(answer.status).toBe("failure");
    expect(answer.reason).toContain(reason);
    expect(await callEndpoint(daemon, "ran")).toEqual({ ran: "nil" });
    expect(await (await daemon.get("/command/stats")).json()).toMatchObject({ reports: 0 });
    expect(await (await daemon.get("/metrics")).text()).toMatch(
      /^trackalert_reports_rejected_total\{reason="\w+"\} 1$/m,
    );
  });

  test("200,000 open brackets are a 400", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    for (const open of ["[", '{"a":']) {
      const response = await daemon.post("/?command=report", open.repeat(200_000));
      expect([response.status, ((await response.json()) as { status: string }).status]).toEqual([400, "failure"]);
    }
  });
});

describe("size", () => {
  const report = (size: number): string => JSON.stringify({ login: "x".repeat(size - '{"login":""}'.length) });

  test("a body of 1 MiB is taken, one byte more is a 413", async () => {
    await using daemon = await startDaemon(SHOW_LAST);
    expect((await lastOf(daemon, report(1_048_576)))["login"]).toHaveLength(1_048_576 - 12);
    const refused = await daemon.post("/?command=report", report(1_048_577));
    expect(refused.status).toBe(413);
    expect(await refused.json()).toEqual({ status: "failure", reason: "the body is larger than 1048576 bytes" });
    expect(await (await daemon.get("/command/stats")).json()).toMatchObject({ reports: 1 });
  });

  test("holds for chunked bodies too, which are not read to their end", async () => {
    await using daemon = await startDaemon(SHOW_LAST);
    const head = `POST /?command=report HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
    const small = `${head}${chunk('{"login":')}${chunk('"chunks"}')}0\r\n\r\n`;
    expect(await exchange(daemon, small, /ok/)).toContain('{"status":"ok"}');
    expect(await callEndpoint(daemon, "last")).toMatchObject({ login: "chunks" });
    const endless = head + chunk("x".repeat(1_048_577));
    expect(await exchange(daemon, endless, /larger/)).toStartWith("HTTP/1.1 413");
  });

  test("10,000 bytes of headers are taken, 20,000 are refused, and the daemon goes on", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const padded = (size: number): Promise<Response> =>
      daemon.get("/command/stats", { ...AUTHORIZATION, "x-pad": "x".repeat(size) });
    expect((await padded(10_000)).status).toBe(200);
    expect((await padded(20_000)).status).toBe(431);
    expect((await padded(1)).status).toBe(200);
  });
});

describe("the report function", () => {
  test("that raises is logged with traceback and counted; the answer is 200, for the report has arrived", async () => {
    await using daemon = await startDaemon(`${PREAMBLE}setReport(function(lt)\n  error("boom " .. lt.login)\nend)`);
    const response = await daemon.post("/?command=report", { login: "joe\nforged" });
    expect([response.status, await response.text()]).toEqual([200, '{"status":"ok"}']);
    const [first, ...rest] = daemon.logs.filter((line) => !line.startsWith("listening"));
    expect(first).toEndWith("spec.conf:3: boom joe\\nforged");
    expect(first).toStartWith("report function failed: ");
    expect(rest[0]).toBe("  stack traceback:");
    expect(daemon.logs.every((line) => !line.includes("\n"))).toBe(true);
    expect(await (await daemon.get("/command/stats")).json()).toMatchObject({ reports: 1 });
    expect(await (await daemon.get("/metrics")).text()).toContain('trackalert_lua_errors_total{function="report"} 1\n');
  });

  test("that loops for ever is stopped, while others are served", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setReportTimeout(1)
      setReport(function(lt) if lt.login == "stuck" then while true do end end served = (served or 0) + 1 end)
      setCustomEndpoint("served", function() return true, { served = served or 0 } end)`);
    let ended = false;
    const stuck = daemon.post("/?command=report", { login: "stuck" }).finally(() => (ended = true));
    for (let i = 0; i < 10; i++) await daemon.post("/?command=report", { login: "joe" });
    expect(ended).toBe(false);
    expect(await callEndpoint(daemon, "served")).toEqual({ served: "10" });
    expect((await stuck).status).toBe(200);
    expect(daemon.logs.join("\n")).toContain("stopped after 1 s on the processor (setReportTimeout)");
    expect((await daemon.post("/?command=report", { login: "joe" })).status).toBe(200);
  });

  test("that waits 100 ms for each of 200 simultaneous reports is done in well under a second for all", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setReport(function() sleep(0.1) end)`);
    const started = performance.now();
    const responses = await Promise.all(Array.from({ length: 200 }, () => daemon.post("/?command=report", {})));
    expect(responses.every(({ status }) => status === 200)).toBe(true);
    // One after the other would be 20 s; the bound leaves room for a slow machine.
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("may be absent: reports are counted", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    expect((await daemon.post("/?command=report", {})).status).toBe(200);
    expect(await (await daemon.get("/command/stats")).json()).toMatchObject({ reports: 1 });
  });

  test("cannot call what configures the daemon by way of an error's __tostring either", async () => {
    await using daemon = await startDaemon(`${PREAMBLE}
      setReport(function() error(setmetatable({}, { __tostring = function() setMetricsNoPassword() return "shown" end })) end)`);
    await daemon.post("/?command=report", {});
    expect((await daemon.get("/metrics", {})).status).toBe(401);
    expect(daemon.logs.join("\n")).toContain("report function failed: shown");
  });

  test("cannot call what configures the daemon: no effect, one error a name", async () => {
    await using daemon = await startDaemon(
      `${PREAMBLE} setReport(function() setWebserverPassword("changed") setACL({}) end)`,
    );
    for (let i = 0; i < 3; i++) expect((await daemon.post("/?command=report", {})).status).toBe(200);
    const errors = daemon.logs.filter((line) => line.includes("has no effect"));
    expect(errors.map((line) => line.split("(")[0])).toEqual(["setWebserverPassword", "setACL"]);
  });
});

describe("a client that goes away", () => {
  test("in the middle of its body leaves no trace in the log", async () => {
    await using daemon = await startDaemon(PREAMBLE);
    const { hostname, port } = daemon.daemon.addresses[0]!;
    const head = `POST /?command=report HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic}\r\nContent-Length: 100\r\n\r\n{"log`;
    await new Promise<void>((resolve) => {
      const socket = connect(port, hostname, () => socket.write(head, () => socket.destroy()));
      socket.on("close", () => resolve());
    });
    expect((await daemon.get("/command/stats")).status).toBe(200);
    expect(daemon.logs.filter((line) => line.includes("error"))).toEqual([]);
  });
});

describe("values of another type than their field's", () => {
  test("are ignored, counted, and told once a minute with the sender", async () => {
    const clock = new JumpingClock(Date.UTC(2026, 2, 1));
    await using daemon = await startDaemon(SHOW_LAST, {}, clock);
    const body = {
      ...{ success: "true", login: 5, t: "now", tls: null, remote: 7, device_attrs: [] },
      attrs: { number: 1, null: null, list: ["a", 2, 3], fine: "x" },
    };
    const { success, login, tls } = await lastOf(daemon, body);
    expect({ success, login, tls }).toEqual({ success: "false", login: "", tls: "false" });
    await lastOf(daemon, { attrs: [] });
    await lastOf(daemon, { login: "joe", success: true, attrs: {}, unknown: 5 });
    const lines = (await daemon.loaded.metrics.format())
      .split("\n")
      .filter((line) => line.startsWith("trackalert_fields"));
    expect(lines.toSorted()).toEqual([
      'trackalert_fields_ignored_total{field="attrs",type="array"} 1',
      'trackalert_fields_ignored_total{field="attrs",type="number"} 2',
      'trackalert_fields_ignored_total{field="device_attrs",type="array"} 1',
      'trackalert_fields_ignored_total{field="login",type="number"} 1',
      'trackalert_fields_ignored_total{field="remote",type="number"} 1',
      'trackalert_fields_ignored_total{field="success",type="string"} 1',
      'trackalert_fields_ignored_total{field="t",type="string"} 1',
    ]);
    const said = (): string[] => daemon.logs.filter((line) => line.includes("ignored"));
    expect(said()).toHaveLength(1);
    await clock.advanceTo(clock.monotonic() + 60_000);
    expect(said()[1]).toMatch(/^report of 127\.0\.0\.1: \w+ is ignored where it is of type \w+ \(7 more\)$/);
  });
});

describe("JSON from a peer", () => {
  test.each(["/command/report", "/command/last"])("that is nested 200,000 deep is 400 for %s", async (path) => {
    await using daemon = await startDaemon(SHOW_LAST);
    const deep = `{"attrs":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    const response = await daemon.post(path, deep);
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining("deeper than 100 levels"),
    ] as never);
  });
});
