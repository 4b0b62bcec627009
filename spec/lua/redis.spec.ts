/**
 * redis-lua, a published client in Lua alone that knows nothing of this project, against a real Redis: through
 * socket.tcp(), socket.url and what it expects of LuaJIT.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { startEngine, type TestEngine } from "../support/engine.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../support/redis.ts";

const FOLDER = join(import.meta.dir, "../../fixtures/lua/redis-lua");

test("redis-lua may be passed on", () => {
  expect(readFileSync(join(FOLDER, "NOTICE"), "utf8")).toContain("Permission is hereby granted");
});

describe.skipIf(NO_REDIS !== undefined)(`redis-lua${NO_REDIS ? ` (not run: ${NO_REDIS})` : ""}`, () => {
  let server: RedisServer;
  let lua: TestEngine;
  beforeAll(async () => {
    server = await startRedis();
    lua = await startEngine(FOLDER);
    await lua.run(`redis = require 'redis'
      function connect() return redis.connect{ host = '127.0.0.1', port = ${server.port}, timeout = 10 } end
      client = connect()`);
  });
  afterAll(async () => {
    lua[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });
  const values = (source: string): Promise<string[]> => lua.values(source);

  test("strings, numbers, lists, hashes, sets", async () => {
    const source = `
      answer(client:ping(), client:set('key', 'value'), client:get('key'), client:get('none'))
      answer(client:incr('n'), client:incrby('n', 60 / 6), client:expire('n', 3600 / 60), client:ttl('n'))
      client:rpush('list', 'a') client:rpush('list', 'b')
      answer(table.concat(client:lrange('list', 0, -1), ','))
      client:hmset('hash', { a = 1, b = 10 / 4 })
      local hash = client:hgetall('hash') answer(hash.a, hash.b)
      client:zadd('sorted', 2, 'two') client:zadd('sorted', 1, 'one')
      local sorted = client:zrange('sorted', 0, -1, 'withscores') answer(sorted[1][1], sorted[2][2])
      answer(client:sismember('set', 'x'), client:sadd('set', 'x'), client:sismember('set', 'x'))`;
    expect(await values(source)).toEqual([
      "true",
      "true",
      "value",
      "nil",
      "1",
      "11",
      "true",
      "60",
      "a,b",
      "1",
      "2.5",
      "one",
      "2",
      "false",
      "1",
      "true",
    ]);
  });

  test("values of any bytes, a megabyte long", async () => {
    const source = `
      local value = ('\\0\\r\\n\\255$5\\r\\n'):rep(100000)
      client:set('large', value) answer(#value, client:get('large') == value)`;
    expect(await values(source)).toEqual(["800000", "true"]);
  });

  test("pipelines and transactions", async () => {
    const source = `
      local replies = client:pipeline(function(p) p:set('p', 1) p:incr('p') p:get('p') end)
      answer(#replies, replies[2], replies[3])
      replies = client:transaction(function(t) t:set('q', 'x') t:get('q') end) answer(replies[2])`;
    expect(await values(source)).toEqual(["3", "2", "2", "x"]);
  });

  test("errors of the server and of the connection are errors", async () => {
    const source = `
      client:set('text', 'x') answer((select(2, pcall(client.incr, client, 'text')):match('ERR.*')))
      local other = connect() other:quit() answer((select(2, pcall(other.get, other, 'x')):match('closed$')))
      local ok, problem = pcall(redis.connect, { host = '127.0.0.1', port = 1 })
      answer(ok, (problem:match('could not connect to .*')))`;
    expect(await values(source)).toEqual([
      "ERR value is not an integer or out of range",
      "closed",
      "false",
      "could not connect to 127.0.0.1:1 [connection refused]",
    ]);
  });

  test("a URL, and a channel", async () => {
    const source = `
      local other = redis.connect('redis://127.0.0.1:${server.port}?tcp_nodelay=1')
      for message, abort in other:pubsub{ subscribe = { 'news' } } do
        if message.kind == 'subscribe' then client:publish('news', 'hello') else answer(message.payload) abort() end
      end`;
    expect(await values(source)).toEqual(["hello"]);
  });

  test("one client for all: tasks that wait in the middle get their own answers, in turn", async () => {
    await lua.run(`
      for i = 1, 50 do client:set('turn' .. i, i) end
      setting = {}
      function take(i)
        local first = client:get('turn' .. i)
        sleep(i % 3 == 0 and 0.002 or 0)
        setting[i] = first .. '=' .. client:get('turn' .. i)
      end`);
    const chunks = Array.from({ length: 50 }, (_, i) => lua.run(`take(${i + 1})`));
    await Promise.all(chunks);
    const expected = Array.from({ length: 50 }, (_, i) => `${i + 1}=${i + 1}`);
    expect(await values("answer(unpack(setting))")).toEqual(expected);
  });
});
