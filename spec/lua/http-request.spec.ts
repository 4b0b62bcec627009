import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { startEngine, type TestEngine } from "../support/engine.ts";
import { closedPort, startRaw, startWeb, type WebServer } from "../support/web.ts";

let web: WebServer;
let lua: TestEngine;
beforeAll(async () => {
  web = startWeb();
  lua = await startEngine();
  await lua.run(`origin = '${web.origin}' cjson = require 'cjson'
    function echo(request) local r = assert(httpRequest(request)) return cjson.decode(r.body), r end`);
});
afterAll(() => {
  lua[Symbol.dispose]();
  web[Symbol.dispose]();
});

const values = (source: string): Promise<string[]> => lua.values(source);

async function message(source: string): Promise<string> {
  const error: Error | undefined = await lua.run(source).then(
    () => undefined,
    (error: Error) => error,
  );
  return error?.message ?? "no error";
}

describe("a request", () => {
  test("answers status, headers and body", async () => {
    const source =
      "local r = httpRequest{url = origin .. '/status/418'} answer(r.status, r.body, r.headers['content-type'])";
    expect(await values(source)).toEqual(["418", "status 418", "text/plain;charset=utf-8"]);
  });

  test("is a GET, and with a body a POST, unless a method is given", async () => {
    const source = `
      for _, r in ipairs{{}, {body = ''}, {method = 'DELETE'}, {method = 'PURGE'}} do
        r.url = origin .. '/echo' local got = echo(r) answer(got.method, got.body)
      end`;
    expect(await values(source)).toEqual(["GET", "", "POST", "", "DELETE", "", "PURGE", ""]);
  });

  test("may be a GET with a body", async () => {
    using raw = await startRaw("HTTP/1.1 204 No Content\r\n\r\n");
    expect(await values(`answer(httpRequest{url = '${raw.origin}', method = 'GET', body = 'x'}.status)`)).toEqual([
      "204",
    ]);
    expect(raw.received.join("")).toMatch(/^GET \/ HTTP\/1\.1\r\n[^]*Content-Length: 1\r\n[^]*\r\n\r\nx$/);
  });

  test("carries any bytes both ways", async () => {
    const source = `
      local all = {} for i = 0, 255 do all[#all + 1] = string.char(i) end
      local body = table.concat(all):rep(1000)
      answer(httpRequest{url = origin .. '/body', body = body}.body == body)`;
    expect(await values(source)).toEqual(["true"]);
  });

  test("sends the headers it is given, over its own, and frames the message itself", async () => {
    const source = `
      local h = echo{url = origin .. '/echo', body = 'four', headers = {['user-agent'] = 'me', ['X-N'] = 5,
        ['Content-Length'] = 99, ['Transfer-Encoding'] = 'chunked'}}.headers
      answer(h['user-agent'], h['x-n'], h['content-length'], h['transfer-encoding'])`;
    expect(await values(source)).toEqual(["me", "5", "4", "nil"]);
  });

  test("sends credentials of auth or of the URL", async () => {
    const source = `
      answer(echo{url = origin .. '/echo', auth = 'ann:s:t'}.headers.authorization)
      answer(echo{url = origin:gsub('//', '//b%%40b:p%%3aw@') .. '/echo'}.headers.authorization)`;
    expect(await values(source)).toEqual([`Basic ${btoa("ann:s:t")}`, `Basic ${btoa("b@b:p:w")}`]);
  });

  test("joins headers that are repeated", async () => {
    const source = "local h = httpRequest{url = origin .. '/headers'}.headers answer(h['x-twice'], h['set-cookie'])";
    expect(await values(source)).toEqual(["1, 2", "a=1, b=2"]);
  });

  test("does not follow redirects", async () => {
    const source = `
      local r = httpRequest{url = origin .. '/redirect?to=/echo'} answer(r.status, r.headers.location)`;
    expect(await values(source)).toEqual(["302", "/echo"]);
  });

  test("escapes bytes of a URL that are not ASCII", async () => {
    expect(await values("answer(echo{url = origin .. '/echo/\\xc3\\xbc\\xff?\\xe9'}.path)")).toEqual([
      "/echo/%c3%bc%ff?%e9",
    ]);
  });
});

describe("waiting", () => {
  test("works under pcall, in coroutines and iterators", async () => {
    const source = `
      local function get(n) return httpRequest{url = origin .. '/status/' .. n}.status end
      answer(select(2, pcall(get, 201)))
      answer(coroutine.wrap(function() return coroutine.wrap(get)(202) end)())
      for status in function(_, last) if not last then return get(203) end end do answer(status) end`;
    expect(await values(source)).toEqual(["201", "202", "203"]);
  });

  test("fifty tasks have a request each under way at the same time", async () => {
    // The server answers none before it has all.
    const waiting: ((response: Response) => void)[] = [];
    const server = Bun.serve({
      port: 0,
      fetch: () =>
        new Promise<Response>((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 50) waiting.forEach((answer, i) => answer(new Response(String(i))));
        }),
    });
    const task = `local body = httpRequest{url = 'http://127.0.0.1:${server.port}/'}.body sum = (sum or 0) + body`;
    await Promise.all(Array.from({ length: 50 }, () => lua.run(task)));
    expect(await values("answer(math.tointeger(sum))")).toEqual(["1225"]);
    await server.stop(true);
  });

  test("inside a callback of C it is an error that says so", async () => {
    const source = "('x'):gsub('.', function() httpRequest{url = origin} end)";
    expect(await message(source)).toStartWith("spec.conf:1: 'httpRequest' cannot wait inside a function that C calls");
  });
});

describe("failures are nil and a message", () => {
  const failure = (request: string): Promise<string[]> => values(`answer(httpRequest{${request}})`);

  test("nobody listens; the message has neither credentials nor query", async () => {
    const port = await closedPort();
    expect(await failure(`url = 'http://me:secret@127.0.0.1:${port}/path?token=1'`)).toEqual([
      "nil",
      `http://127.0.0.1:${port}/path: connection refused`,
    ]);
  });

  test("an unknown host", async () => {
    expect((await failure("url = 'http://no-such-host.invalid/'"))[1]).toBe(
      "http://no-such-host.invalid/: host not found",
    );
  });

  test("no answer, or only half of one, in time", async () => {
    expect(await failure("url = origin .. '/hang', timeout = 0.05")).toEqual([
      "nil",
      `${web.origin}/hang: timed out after 0.05 s`,
    ]);
    using half = await startRaw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false);
    expect((await failure(`url = '${half.origin}', timeout = 0.05`))[1]).toBe(
      `${half.origin}/: timed out after 0.05 s`,
    );
  });

  test.each([
    ["at once", "", "connection closed"],
    ["in the headers", "HTTP/1.1 200 OK\r\nContent-", "connection closed"],
    ["in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "closed"],
    ["in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", "closed"],
  ])("closed %s", async (_, answer, reason) => {
    using raw = await startRaw(answer);
    const [first, second] = await failure(`url = '${raw.origin}/x'`);
    expect(first).toBe("nil");
    expect(second).toStartWith(`${raw.origin}/x: `);
    expect(second).toContain(reason);
  });

  test("not HTTP, or not TLS", async () => {
    using raw = await startRaw("220 mail.example.org ESMTP\r\n\r\n");
    expect((await failure(`url = '${raw.origin}'`))[0]).toBe("nil");
    expect((await failure(`url = '${raw.origin.replace("http", "https")}'`))[0]).toBe("nil");
  });

  test("a body of more than 10 MiB; of 10 MiB it is taken", async () => {
    expect(await failure("url = origin .. '/large?bytes=10485761'")).toEqual([
      "nil",
      `${web.origin}/large: the response's body is larger than 10 MiB`,
    ]);
    expect(await values("answer(#httpRequest{url = origin .. '/large?bytes=10485760'}.body)")).toEqual(["10485760"]);
  });

  test("a certificate that is not trusted", async () => {
    const certificate = Bun.spawnSync(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout - -out - -days 2 -subj /CN=localhost".split(
        " ",
      ),
    ).stdout.toString();
    const server = Bun.serve({
      port: 0,
      tls: { key: certificate, cert: certificate.slice(certificate.indexOf("-----BEGIN CERT")) },
      fetch: () => new Response("x"),
    });
    const [first, second] = await failure(`url = 'https://127.0.0.1:${server.port}/'`);
    expect(first).toBe("nil");
    expect(second).toMatch(/certificate/i);
    await server.stop(true);
  });
});

describe("wrong arguments", () => {
  test.each([
    ["httpRequest()", "table expected, got no value"],
    ["httpRequest('http://x/')", "table expected, got string"],
    ["httpRequest{}", "url: string expected, got no value"],
    ["httpRequest{url = 5}", "url: string expected, got number"],
    ["httpRequest{url = 'nonsense'}", "url: not an absolute URL"],
    ["httpRequest{url = 'ftp://x/'}", "url: only http and https are supported, not ftp"],
    ["httpRequest{url = 'http://x/\\r\\nHost: y'}", "url: it has a control character"],
    [
      "httpRequest{url = 'http://x/', ulr = 1}",
      "unknown key 'ulr': url, method, headers, body, timeout, auth, tls are known",
    ],
    ["httpRequest{url = 'http://x/', method = 'GET /'}", "method: not the name of a method"],
    ["httpRequest{url = 'http://x/', method = 'CONNECT'}", "method: CONNECT is not supported"],
    ["httpRequest{url = 'http://x/', timeout = 0}", "timeout: seconds above 0 and up to 86400 expected, got 0"],
    ["httpRequest{url = 'http://x/', timeout = 0/0}", "timeout: seconds above 0 and up to 86400 expected, got NaN"],
    ["httpRequest{url = 'http://x/', timeout = '5'}", "timeout: number expected, got string"],
    ["httpRequest{url = 'http://x/', body = {}}", "body: string expected, got table"],
    ["httpRequest{url = 'http://x/', body = print}", "body: string expected, got function"],
    ["httpRequest{url = 'http://x/', auth = 'me'}", "auth: user:password expected"],
    ["httpRequest{url = 'http://x/', headers = 'x'}", "headers: table expected, got string"],
    ["httpRequest{url = 'http://x/', headers = {'x'}}", "headers: names must be strings, 1 is a number"],
    ["httpRequest{url = 'http://x/', headers = {a = true}}", "headers: string expected for 'a', got boolean"],
    ["httpRequest{url = 'http://x/', headers = {['a b'] = 'x'}}", 'headers: "a b" is not the name of a header'],
    [
      "httpRequest{url = 'http://x/', headers = {a = 'x\\r\\nb: y'}}",
      'headers: the value of "a" has a control character',
    ],
    ["httpRequest{url = 'http://x/', headers = {a = 'x\\0'}}", 'headers: the value of "a" has a control character'],
  ])("%s", async (source, problem) => {
    expect(await message(source)).toBe(`spec.conf:1: bad argument #1 to 'httpRequest' (${problem})`);
  });
});
