import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { startEngine, type TestEngine } from "../support/engine.ts";
import { closedPort, startRaw, startWeb, type WebServer } from "../support/web.ts";

let web: WebServer;
let lua: TestEngine;
beforeAll(async () => {
  web = startWeb();
  lua = await startEngine(join(import.meta.dir, "../../fixtures/lua/luasoap"));
  await lua.run(`origin = '${web.origin}' cjson = require 'cjson' ltn12 = require 'ltn12' mime = require 'mime'
    socket, http, https, url = require 'socket', require 'socket.http', require 'ssl.https', require 'socket.url'
    function echo(r) local into, t = ltn12.sink.table() r.sink = into r.url = r.url or origin .. '/echo'
      local ok, code = http.request(r) assert(ok, code) return cjson.decode(table.concat(t)) end`);
});
afterAll(() => {
  lua[Symbol.dispose]();
  web[Symbol.dispose]();
});
const values = (source: string): Promise<string[]> => lua.values(source);

test("socket: gettime, sleep, try, protect, skip", async () => {
  const source = `
    answer(socket.gettime() > 1.7e9, pcall(socket.sleep, 0.001))
    socket.sleep(-1)
    local closed = 0
    local try = socket.newtry(function() closed = closed + 1 end)
    local f = socket.protect(function(...) socket.sleep(0.001) return try(...) end)
    answer(f(1, 2)) answer(f(nil, 'broken')) answer(closed)
    answer(pcall(socket.protect(function() error('other', 0) end)))
    answer(socket.skip(1, 'a', 'b'))`;
  expect(await values(source)).toEqual(["true", "true", "1", "2", "nil", "broken", "1", "false", "other", "b"]);
});

describe("http.request", () => {
  test("of a URL answers body, code, headers and status line", async () => {
    const source = "local b, c, h, s = http.request(origin .. '/status/418') answer(b, c, h['content-length'], s)";
    expect(await values(source)).toEqual(["status 418", "418", "10", "HTTP/1.1 418 I'm a Teapot"]);
  });

  test("of a URL and a body posts a form", async () => {
    const source = `
      local got = cjson.decode((http.request(origin .. '/echo', 'a=1')))
      answer(got.method, mime.unb64(got.body), got.headers['content-type'], got.headers['user-agent'])`;
    expect(await values(source)).toEqual(["POST", "a=1", "application/x-www-form-urlencoded", "LuaSocket 3.0.0"]);
  });

  test("of a table takes source, sink, headers, user and password", async () => {
    const source = `
      local got = echo{method = 'PUT', source = ltn12.source.string(('x'):rep(5000)), user = 'me', password = 'p:w',
        headers = {['Content-Length'] = 5000, ['X-A'] = 'b'}}
      answer(got.method, #mime.unb64(got.body), got.headers['x-a'], got.headers.authorization)
      answer(echo{url = origin:gsub('//', '//a%%40:b@') .. '/echo'}.headers.authorization)
      answer(http.request{url = origin .. '/status/200', sink = ltn12.sink.error('full')})
      answer(http.request{url = origin .. '/echo', source = ltn12.source.error('no file')})
      answer((select(2, http.request{host = '127.0.0.1', port = ${web.port}, path = '/status/201'})))`;
    expect(await values(source)).toEqual([
      "PUT",
      "5000",
      "b",
      `Basic ${btoa("me:p:w")}`,
      `Basic ${btoa("a@:b")}`,
      "nil",
      "full",
      "nil",
      "no file",
      "201",
    ]);
  });

  test("gives the body to the sink in one chunk, and none after HEAD and 204", async () => {
    const source = `
      local calls = 0
      local function sink(chunk) calls = calls + 1 if chunk then size = #chunk end return 1 end
      http.request{url = origin .. '/large?bytes=100000', sink = sink} answer(calls, size)
      http.request{url = origin .. '/status/200', method = 'HEAD', sink = sink}
      http.request{url = origin .. '/status/204', sink = sink} answer(calls)`;
    expect(await values(source)).toEqual(["2", "100000", "2"]);
  });

  test("follows redirects of GET and HEAD, up to five", async () => {
    const source = `
      answer((select(2, http.request(origin .. '/redirect?to=/status/202&code=301'))))
      answer((select(2, http.request{url = origin .. '/redirect?to=/status/202', redirect = false})))
      answer((select(2, http.request(origin .. '/redirect?to=/status/202', 'body'))))
      answer((select(2, http.request(origin .. '/redirect?to=ftp://x/'))))
      local _, code, headers = http.request(origin .. '/loop?0') answer(code, headers.location)`;
    expect(await values(source)).toEqual(["202", "302", "302", "302", "302", "/loop?6"]);
  });

  test("keeps credentials from another server", async () => {
    using other = startWeb();
    const source = `
      local login = {Authorization = 'secret', Cookie = 'c', ['X-A'] = 'b'}
      local h = echo{url = origin .. '/redirect?to=${other.origin}/echo', headers = login}.headers
      answer(h.authorization, h.cookie, h['x-a'])
      answer(echo{url = origin:gsub('//', '//a:b@') .. '/redirect?to=${other.origin}/echo'}.headers.authorization)
      answer(echo{url = origin .. '/redirect?to=/echo', headers = login}.headers.authorization)`;
    expect(await values(source)).toEqual(["nil", "nil", "b", "nil", "secret"]);
  });

  test("answers nil and a message for what fails", async () => {
    using raw = await startRaw("");
    const source = `
      answer(http.request('http://127.0.0.1:${await closedPort()}/'))
      answer(http.request('${raw.origin}'))
      http.TIMEOUT = 0.05 answer(http.request(origin .. '/hang')) http.TIMEOUT = nil
      answer(http.request('http:///x')) answer(http.request('ftp://x/')) answer(http.request(''))
      answer(http.request{url = origin, proxy = 'http://x'}) answer(http.request{url = origin, create = print})
      answer(http.request{url = origin, headers = {a = 'b\\r\\nc: d'}})
      answer(http.request{url = origin, method = 'A B'})
      answer(https.request('${web.origin.replace("http", "https")}') == nil)`;
    expect(await values(source)).toEqual(
      ["nil", "connection refused", "nil", "connection closed", "nil", "timeout"].concat(
        ["nil", "invalid host 'nil'", "nil", "unknown scheme 'ftp'", "nil", "invalid url"],
        ["nil", "proxy not supported", "nil", "create function not permitted"],
        ["nil", 'headers: the value of "a" has a control character', "nil", "method: not the name of a method", "true"],
      ),
    );
  });

  test("works in coroutines and under pcall, and blames the caller for wrong arguments", async () => {
    const source = `
      answer(select(3, pcall(http.request, origin .. '/status/201')))
      answer((select(2, coroutine.wrap(function() return http.request(origin .. '/status/202') end)())))
      answer(select(2, pcall(function() http.request() end)))
      answer((select(2, pcall(string.gsub, 'x', '.', function() http.request(origin) end)):match('cannot wait inside.*calls')))`;
    const all = await values(source);
    expect(all[0]).toBe("201");
    expect(all.slice(-3)).toEqual([
      "202",
      "spec.conf:4: bad argument #1 to 'request' (string or table expected, got no value)",
      "cannot wait inside a function that C calls",
    ]);
  });
});

describe("url", () => {
  test("parses and builds", async () => {
    const whole = "http://me:pw@[::1]:8080/a;p?q=1#f";
    const source = `
      local p = url.parse('${whole}')
      answer(p.scheme, p.authority, p.user, p.password, p.host, p.port, p.path, p.params, p.query, p.fragment, url.build(p))
      answer(url.parse('')) answer(url.parse('/x', {host = 'h'}).host)
      answer(url.build{scheme = 'http', host = 'h', port = 9200, path = 'x'})
      answer(url.escape('/#?; ü_'), url.unescape('%2f%C3%bc%'))
      local path = url.parse_path('/a%20b/c/') answer(#path, path[1], path.is_absolute, path.is_directory, url.build_path(path))`;
    expect(await values(source)).toEqual(
      ["http", "me:pw@[::1]:8080", "me", "pw", "::1", "8080", "/a", "p", "q=1", "f", whole].concat(
        ["nil", "invalid url", "h", "http://h:9200/x", "%2f%23%3f%3b%20%c3%bc_", "/ü%"],
        ["2", "a b", "1", "1", "/a%20b/c/"],
      ),
    );
  });

  // The examples of RFC 3986, 5.4, but for those on which LuaSocket, which follows RFC 2396, differs.
  test.each([
    ["g:h", "g:h"],
    ["g", "http://a/b/c/g"],
    ["./g", "http://a/b/c/g"],
    ["g/", "http://a/b/c/g/"],
    ["/g", "http://a/g"],
    ["//g", "http://g"],
    ["g?y", "http://a/b/c/g?y"],
    ["g#s", "http://a/b/c/g#s"],
    ["g;x", "http://a/b/c/g;x"],
    [".", "http://a/b/c/"],
    ["..", "http://a/b/"],
    ["../g", "http://a/b/g"],
    ["../..", "http://a/"],
    ["../../../g", "http://a/g"],
  ])("resolves %s", async (relative, absolute) => {
    expect(await values(`answer(url.absolute('http://a/b/c/d;p?q', '${relative}'))`)).toEqual([absolute]);
  });
});

/**
 * LuaSOAP is a published library that knows nothing of this project: its client sends and takes documents through
 * socket.http and ltn12. Its parser is a C library (lxp), for which a few lines stand in here.
 */
test("LuaSOAP's client talks to a server", async () => {
  const folder = join(import.meta.dir, "../../fixtures/lua/luasoap");
  expect(readFileSync(join(folder, "NOTICE"), "utf8")).toContain("Permission is hereby granted");
  const received: { action: string | null; body: string }[] = [];
  const server = Bun.serve({
    port: 0,
    async fetch(request) {
      const body = await request.text();
      received.push({ action: request.headers.get("soapaction"), body });
      if (body.includes("Fail")) return new Response("fault", { status: 500 });
      return new Response(
        `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:AddResponse xmlns:m="urn:sum"><sum>42</sum></m:AddResponse></s:Body></s:Envelope>`,
      );
    },
  });
  const source = `
    package.path = './?.lua;' .. package.path
    package.preload['lxp.lom'] = function() return { parse = function(text)
      local stack = { {} }
      for close, tag, attributes, content in text:gmatch('<(/?)([%w:]+)([^>]*)>([^<]*)') do
        if close == '' then
          local node = { tag = tag, attr = {} }
          for name, value in attributes:gmatch('([%w:]+)="([^"]*)"') do node.attr[name] = value end
          if content ~= '' then node[1] = content end
          table.insert(stack[#stack], node) stack[#stack + 1] = node
        else stack[#stack] = nil end
      end
      return stack[1][1]
    end } end
    local client = require 'soap.client'
    local call = { url = 'http://127.0.0.1:${server.port}/', soapaction = 'urn:sum#Add', method = 'Add', namespace = 'urn:sum',
      entries = { { tag = 'a', '40' }, { tag = 'b', '2 & <more>' } } }
    local namespace, method, entries = client.call(call)
    answer(namespace, method, entries[1].tag, entries[1][1])
    call.method = 'Fail'
    answer((select(2, pcall(client.call, call)):match('Error on request: .*')))`;
  expect(await values(source)).toEqual(["urn:sum", "AddResponse", "sum", "42", "Error on request: 1\n\nfault"]);
  expect(received[0]!.action).toBe('"urn:sum#Add"');
  expect(received[0]!.body).toContain("<b>2 &amp; &lt;more&gt;</b>");
  await server.stop(true);
});
