import { afterAll, beforeAll, expect, test } from "bun:test";

import { fromBytes } from "../../lib/text/byte-string.ts";
import { startEngine, type TestEngine } from "../support/engine.ts";
import { property } from "../support/random.ts";

let lua: TestEngine;
let input = fromBytes(new Uint8Array());
let output: string[] = [];
beforeAll(async () => {
  lua = await startEngine();
  lua.engine.define({ name: "take", body: () => input });
  lua.engine.define({ name: "give", body: (call) => void output.push(call.bytes(1)) });
  await lua.run("mime = require 'mime' ltn12 = require 'ltn12'");
});
afterAll(() => lua[Symbol.dispose]());

test.each([
  ["mime.b64('diego:password')", ["ZGllZ286cGFzc3dvcmQ=", "nil"]],
  ["mime.b64('a', 'bcd')", ["YWJj", "d"]],
  ["mime.b64('ab', '')", ["", "ab"]],
  ["mime.b64('')", ["nil", "nil"]],
  ["mime.b64(nil)", ["nil", "nil"]],
  ["mime.unb64('ZGllZ286cGFzc3dvcmQ=')", ["diego:password", "nil"]],
  ["mime.unb64('YW', 'JjZA')", ["abc", "ZA"]],
  ["mime.unb64('YW\\r\\nJj -_')", ["abc", "nil"]],
  ["mime.unb64('YQ==Yg==')", ["ab", "nil"]],
  ["mime.unb64('====')", ["nil", "nil"]],
])("%s", async (source, results) => {
  expect(await lua.values(`answer(${source})`)).toEqual(results);
});

test("wrong arguments are blamed on the caller", async () => {
  const source =
    "answer(select(2, pcall(function() mime.b64({}) end)), select(2, pcall(function() mime.encode('qp') end)))";
  expect(await lua.values(source)).toEqual([
    "spec.conf:1: bad argument #1 to 'b64' (string expected, got table)",
    "spec.conf:1: unknown key (qp)",
  ]);
});

property("random bytes survive, whole and as a stream of pieces", 50, async (random) => {
  const bytes = random.bytes(random.below(200));
  input = fromBytes(bytes);
  output = [];
  await lua.run(`
    local function through(name, text)
      local into, t = ltn12.sink.table()
      local list, size = {}, ${1 + random.below(7)}
      for i = 1, #text, size do list[#list + 1] = text:sub(i, i + size - 1) end
      ltn12.pump.all(ltn12.source.chain(ltn12.source.table(list), name), into)
      return table.concat(t)
    end
    give(mime.b64(take()) or '') give(mime.unb64(mime.b64(take())) or '')
    local coded = through(mime.encode('base64'), take())
    give(coded) give(through(mime.decode('base64'), coded))`);
  const base64 = Buffer.from(bytes).toString("base64");
  expect(output).toEqual([base64, input, base64, input]);
});
