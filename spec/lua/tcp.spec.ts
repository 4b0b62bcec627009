/** socket.tcp() as LuaSocket documents it, between Lua and servers of the spec. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";

import { failure, startEngine, type TestEngine } from "../support/engine.ts";
import { Random } from "../support/random.ts";
import { runReplay } from "../support/replay.ts";
import { closedPort } from "../support/web.ts";

let lua: TestEngine;
beforeAll(async () => {
  lua = await startEngine();
  await lua.run("socket = require 'socket'");
});
afterAll(() => lua[Symbol.dispose]());
const values = (source: string): Promise<string[]> => lua.values(source);

const servers: Bun.TCPSocketListener<undefined>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

/** A server that answers each connection by `serve`, which may write more than there is room for. */
function serve(
  opened: (write: (text: string) => void, socket: Bun.Socket<undefined>) => unknown,
  got?: (text: string, socket: Bun.Socket<undefined>) => void,
): number {
  const waiting = new Map<Bun.Socket<undefined>, Buffer>();
  const flush = (socket: Bun.Socket<undefined>): void => {
    const bytes = waiting.get(socket)!;
    waiting.set(socket, bytes.subarray(Math.max(socket.write(bytes), 0)));
  };
  const server = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        waiting.set(socket, Buffer.alloc(0));
        opened((text) => {
          waiting.set(socket, Buffer.concat([waiting.get(socket)!, Buffer.from(text, "latin1")]));
          flush(socket);
        }, socket);
      },
      drain: flush,
      data: (socket, bytes) => got?.(bytes.toString("latin1"), socket),
    },
  });
  servers.push(server);
  return server.port;
}

const connected = (port: number): string => `local c = assert(socket.connect('127.0.0.1', ${port})) c:settimeout(10)\n`;

describe("receive", () => {
  test("by line, by count, with a prefix, and all to the end", async () => {
    const port = serve((write, socket) => {
      write("first\r\nse\rcond\n\n12345678rest of\nit");
      socket.end();
    });
    const source = `${connected(port)}
      answer(c:receive(), c:receive('*l'), c:receive('l'))
      answer(c:receive(3), c:receive(4, '>>'), c:receive(0), c:receive(1, 'ab'), c:receive('*a'))
      answer(c:receive('*a')) answer(c:receive()) answer(c:receive(1)) answer(c:close())`;
    expect(await values(source)).toEqual(
      ["first", "second", "", "123", ">>45", "", "ab", "678rest of\nit"].concat([
        "nil",
        "closed",
        "",
        "nil",
        "closed",
        "",
        "nil",
        "closed",
        "",
        "1",
      ]),
    );
  });

  test("of what never comes whole gives what came", async () => {
    const port = serve((write, socket) => {
      write("half");
      socket.end();
    });
    expect(await values(`${connected(port)} answer(c:receive('*l', 'a ')) answer(c:receive(3))`)).toEqual([
      "nil",
      "closed",
      "a half",
      "nil",
      "closed",
      "",
    ]);
  });

  test("waits no longer than it is told", async () => {
    const port = serve((write) => write("some"));
    const source = `${connected(port)}
      c:settimeout(0.01) answer(c:receive()) answer(c:receive(0)) c:settimeout(0, 't') answer(c:receive(1))
      c:settimeout(nil) c:settimeout(0.01, 't') answer(c:receive('*a'))`;
    expect(await values(source)).toEqual(["nil", "timeout", "some", "", "nil", "timeout", "", "nil", "timeout", ""]);
  });

  test.each([1, 2, 3, 4, 5])("gives the same however the bytes come (seed %d)", async (seed) => {
    const random = new Random(seed);
    const lines = Array.from({ length: 20 }, () => random.text(30).replace(/[\r\n]/g, ""));
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    const port = serve(async (write, socket) => {
      for (let at = 0; at < bytes.length;) {
        const size = 1 + random.below(40);
        write(bytes.toString("latin1", at, at + size));
        at += size;
        if (random.chance(0.5)) await Bun.sleep(0);
      }
      socket.end();
    });
    const given = await values(`${connected(port)} for i = 1, 20 do answer(c:receive()) end answer(c:receive())`);
    expect(given).toEqual([...lines, "nil", "closed", ""]);
  });

  test("a peer that sends more than is asked for is held up, and nothing is lost", async () => {
    const size = 12_000_000;
    let sent = 0;
    const chunk = Buffer.alloc(1 << 16, "x");
    const pump = (socket: Bun.Socket<undefined>): void => {
      while (sent < size) {
        const taken = socket.write(chunk.subarray(0, Math.min(chunk.length, size - sent)));
        if (taken <= 0) return;
        sent += taken;
      }
      socket.end();
    };
    const server = Bun.listen<undefined>({
      hostname: "127.0.0.1",
      port: 0,
      socket: { open: pump, drain: pump, data() {} },
    });
    servers.push(server);
    await lua.run(`${connected(server.port)} held = c answer(#c:receive(1000))`);
    // What the two systems keep in their buffers is taken, and little more.
    let before;
    do {
      before = sent;
      await Bun.sleep(50);
    } while (sent !== before);
    expect(sent).toBeLessThan(size);
    const source =
      "local total = 1000 repeat local d, _, part = held:receive(100000) total = total + #(d or part) until not d answer(total)";
    expect(await values(source)).toEqual(["12000000"]);
  });

  test("a line without an end is given up", async () => {
    const chunk = "x".repeat(1 << 20);
    const port = serve((write) => {
      for (let i = 0; i < 12; i++) write(chunk);
    });
    const [none, problem, size] = await values(`${connected(port)} local d, p, part = c:receive() answer(d, p, #part)`);
    expect([none, problem]).toEqual(["nil", "too long"]);
    expect(Number(size)).toBeGreaterThan(10 << 20);
  });
});

describe("send", () => {
  test("all or a part of a text, and answers where it ended", async () => {
    let got = "";
    const port = serve(
      () => {},
      (text, socket) => {
        got += text;
        if (got.endsWith("!")) socket.end("done\n");
      },
    );
    const source = `${connected(port)} answer(c:send('hello'), c:send('abcdef', 2, 3), c:send('xyz', -2), c:send('', 1), c:send(5), c:send('!'), c:receive())`;
    expect(await values(source)).toEqual(["5", "3", "3", "0", "1", "1", "done"]);
    expect(got).toBe("hellobcyz5!");
  });

  test("of more than there is room for waits for the peer", async () => {
    let got = 0;
    const port = serve(
      (_, socket) => void socket.pause(),
      (text) => (got += text.length),
    );
    const [result, problem, sent] = await values(
      `${connected(port)} held = c c:settimeout(0.05) answer(c:send(('x'):rep(12000000)))`,
    );
    expect([result, problem]).toEqual(["nil", "timeout"]);
    expect(Number(sent)).toBeGreaterThan(0);
    expect(Number(sent)).toBeLessThan(12_000_000);
  });

  test("after a shutdown or a close fails, and the rest can still be read", async () => {
    const port = serve(
      () => {},
      (_, socket) => void socket.write("answer\n"),
    );
    const source = `${connected(port)}
      c:send('x') answer(c:shutdown('send'), c:receive(), c:send('y')) c:close() answer(c:send('z')) answer(c:receive())
      answer(c:shutdown())`;
    expect(await values(source)).toEqual([
      "1",
      "answer",
      "nil",
      "closed",
      "0",
      "nil",
      "closed",
      "0",
      "nil",
      "closed",
      "",
      "nil",
      "closed",
    ]);
  });
});

describe("connect", () => {
  test("fails with LuaSocket's words", async () => {
    const source = `
      answer(socket.connect('127.0.0.1', ${await closedPort()})) answer(socket.connect('no.such.host.invalid', 1))
      answer(socket.tcp():receive())`;
    expect(await values(source)).toEqual(["nil", "connection refused", "nil", "host not found", "nil", "closed", ""]);
  });

  test("by name, tells both ends' names, and only once", async () => {
    const port = serve((write) => write("hi\n"));
    const source = `
      local t = socket.tcp() answer(t:getpeername()) answer(t:connect('localhost', ${port}))
      answer(t:getpeername()) answer(t:getsockname()) answer(t:connect('localhost', ${port})) answer(t:receive())
      answer(tostring(t):match('^tcp{client}'), t:setoption('tcp-nodelay', true), t:setoption('keepalive', true))`;
    const given = await values(source);
    expect(given.slice(0, 5)).toEqual(["nil", "closed", "1", "127.0.0.1", String(port)]);
    expect(given.slice(7)).toEqual(["nil", "already connected", "hi", "tcp{client}", "1", "1"]);
  });

  test("socket.dns.toip", async () => {
    const source = `
      local ip, all = socket.dns.toip('localhost') answer(ip, all.name, all.ip[1])
      answer(socket.dns.toip('no.such.host.invalid'))`;
    expect(await values(source)).toEqual(["127.0.0.1", "localhost", "127.0.0.1", "nil", "host not found"]);
  });

  test.each([
    ["socket.tcp():connect()", "bad argument #1 to 'connect' (string expected, got no value)"],
    ["socket.tcp():connect('h', 70000)", "bad argument #2 to 'connect' (a port from 1 to 65535 expected)"],
    ["socket.tcp():receive('x')", "bad argument #1 to 'receive' (invalid receive pattern)"],
    ["socket.tcp():receive(-1 / 0)", "bad argument #1 to 'receive' (invalid receive pattern)"],
    ["socket.tcp():settimeout(1, 'x')", "bad argument #2 to 'settimeout' (invalid timeout mode)"],
    ["socket.tcp():setoption('x')", "bad argument #1 to 'setoption' (unsupported option 'x')"],
    ["socket.tcp():shutdown('x')", "bad argument #1 to 'shutdown' (invalid option 'x')"],
    ["socket.tcp():send({})", "bad argument #1 to 'send' (string expected, got table)"],
    ["socket.tcp().send({}, 'x')", "calling 'send' on bad self (tcp{client} expected, got table)"],
  ])("%s is an error at its line", async (call, message) => {
    expect((await failure(lua, `\nlocal x = ${call}`)).message).toBe(`spec.conf:2: ${message}`);
  });
});

describe("tasks", () => {
  test("others go on while one waits, also in a coroutine and under pcall", async () => {
    const opened = Promise.withResolvers<(text: string) => void>();
    const port = serve((write) => opened.resolve(write));
    const waiting = lua.run(
      `${connected(port)} answer(coroutine.wrap(function() return select(2, pcall(c.receive, c)) end)())`,
    );
    expect(await values("answer('meanwhile')")).toEqual(["meanwhile"]);
    (await opened.promise)("late\n");
    await waiting;
  });

  test("who waits for a connection that another has waits no longer than it is told", async () => {
    const port = serve(() => {});
    await lua.run(`${connected(port)} shared = c shared:settimeout(0.02)`);
    const holder = lua.run("shared:send('x') sleep(0.2)");
    expect(await values("answer(shared:receive()) answer(shared:send('y'))")).toEqual([
      "nil",
      "timeout",
      "",
      "nil",
      "timeout",
      "0",
    ]);
    await holder;
  });

  test("one that closes a connection lets those go on that wait for it", async () => {
    const port = serve(() => {});
    await lua.run(`${connected(port)} shared = c`);
    const holder = lua.run("shared:send('x') sleep(0.02) shared:close()");
    expect(await values("answer(shared:receive())")).toEqual(["nil", "closed", ""]);
    await holder;
  });

  test("connections that nobody refers to any more are closed", async () => {
    let ended = 0;
    const server = Bun.listen<undefined>({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data() {}, close: () => void ended++ },
    });
    servers.push(server);
    await lua.run(`for i = 1, 20 do socket.connect('127.0.0.1', ${server.port}) end collectgarbage() collectgarbage()`);
    while (ended < 19) await Bun.sleep(5);
  });

  test("so many sockets and no more", async () => {
    using other = await startEngine();
    const source = `
      local socket, all = require 'socket', {}
      for i = 1, 1001 do local s, problem = socket.tcp() all[i] = s if not s then answer(i, problem) end end
      all[1]:close() answer(socket.tcp() ~= nil)`;
    expect(await other.values(source)).toEqual(["1001", "too many open sockets", "true"]);
  });
});

test("a replay reaches nobody, and tells what was asked for", async () => {
  using result = await runReplay({
    "spec.conf": `local socket = require "socket"
      setReport(function() infoLog("tried", { c = select(2, socket.connect("127.0.0.1", 6379)), d = select(2, socket.dns.toip("redis")) }) end)`,
    "spec.replay.yaml": `name: spec\nconfig: spec.conf\nstart: 2026-03-01T00:00:00Z\nreports:\n  - { at: +1s, login: joe, remote: 192.0.2.1 }\nexpect: { webhooks: [], logs: ["tried: c=.a replay reaches no other server"] }\n`,
  });
  expect(result.output).toContain("tcp 127.0.0.1:6379");
  expect(result.output).toContain("tcp redis");
});
