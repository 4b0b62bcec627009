import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { toByteString, toText } from "../../lib/text/byte-string.ts";
import { startEngine, type TestEngine } from "../support/engine.ts";
import { property, type Random } from "../support/random.ts";

let lua: TestEngine;
let input = "";
let output = "";
beforeAll(async () => {
  lua = await startEngine();
  lua.engine.define({ name: "take", body: () => toByteString(input) });
  lua.engine.define({ name: "give", body: (call) => void (output = toText(call.bytes(1))) });
  await lua.run("cjson = require 'cjson' safe = require 'cjson.safe'");
});
afterAll(() => lua[Symbol.dispose]());
const values = (source: string): Promise<string[]> => lua.values(source);

describe("encode", () => {
  test.each([
    ["nil", "null"],
    ["cjson.null", "null"],
    ["true", "true"],
    ["1", "1"],
    ["1.0", "1"],
    ["-0.5", "-0.5"],
    ["1/3", "0.33333333333333"],
    ["1e15", "1e+15"],
    ["math.maxinteger", "9223372036854775807"],
    ["{}", "{}"],
    ["{1, 2, {}}", "[1,2,{}]"],
    ["{[1] = 1, [3] = 3}", "[1,null,3]"],
    ["{[1.0] = 'x'}", '["x"]'],
    ["{[0] = 1}", '{"0":1}'],
    ["{[1.5] = 1}", '{"1.5":1}'],
    ["{a = {b = 'c'}}", '{"a":{"b":"c"}}'],
    ["cjson.empty_array", "[]"],
    ["setmetatable({}, cjson.empty_array_mt)", "[]"],
    ["setmetatable({x = 1}, cjson.array_mt)", "[]"],
    ["setmetatable({1, 2}, cjson.array_mt)", "[1,2]"],
    [`'/ " \\\\ \\b\\f\\n\\r\\t\\0\\1\\127'`, String.raw`"\/ \" \\ \b\f\n\r\t\u0000\u0001\u007f"`],
  ])("%s", async (source, json) => {
    expect(await values(`answer(cjson.encode(${source}))`)).toEqual([json]);
  });

  test.each([
    ["{r = newCA('10.0.0.1:25')}", '{"r":"10.0.0.1"}'],
    ["{newCA('2001:db8::1'), {newCA('::ffff:1.2.3.4')}}", '["2001:db8::1",["::ffff:1.2.3.4"]]'],
    ["newCA('127.0.0.1')", '"127.0.0.1"'],
    ["setmetatable({1}, {__metatable = 'locked'})", "[1]"],
    ["setmetatable({1}, {__metatable = 'ComboAddress', __tostring = print})", "[1]"],
  ])("%s is an address as text, and other tables as ever", async (source, json) => {
    expect(await values(`answer(cjson.encode(${source}))`)).toEqual([json]);
  });

  test.each([
    ["{newNetmask('10.0.0.0/8')}", "userdata"],
    ["{x = newNetmaskGroup()}", "userdata"],
    ["getGeoIP2DB('none')", "userdata"],
    ["{require('socket').tcp()}", "userdata"],
    ["{print}", "function"],
    ["{coroutine.create(print)}", "thread"],
    ["{io.stdout}", "userdata"],
  ])("of %s fails, for it has no text", async (source, type) => {
    expect(await values(`answer(safe.encode(${source}))`)).toEqual([
      "nil",
      `Cannot serialise ${type}: type not supported`,
    ]);
  });

  test("passes bytes that are not UTF-8", async () => {
    expect(await values("answer(cjson.encode('\\xff\\xc3') == '\"\\xff\\xc3\"')")).toEqual(["true"]);
  });

  test.each([
    ["print", "Cannot serialise function: type not supported"],
    ["{[100] = 1}", "Cannot serialise table: excessively sparse array"],
    ["{[{}] = 1}", "Cannot serialise table: table key must be a number or string"],
    ["0/0", "Cannot serialise number: must not be NaN or Inf"],
    ["{-math.huge}", "Cannot serialise number: must not be NaN or Inf"],
    ["(function() local t = {} t[1] = t return t end)()", "Cannot serialise, excessive depth (1001)"],
    ["", "bad argument #1 to 'encode' (expected 1 argument)"],
  ])("of %s fails", async (source, message) => {
    const [raised] = await values(`answer(select(2, pcall(function() cjson.encode(${source}) end)))`);
    expect(raised).toBe(`spec.conf:1: ${message}`);
    if (source) expect(await values(`answer(safe.encode(${source}))`)).toEqual(["nil", message]);
  });
});

describe("decode", () => {
  test.each([
    ["1", "1", "integer"],
    ["-1.0", "-1", "integer"],
    ["1e3", "1000", "integer"],
    ["9007199254740993", "9.007199254741e+15", "float"],
    ["-0", "-0", "float"],
    ["0x10", "16", "integer"],
    ["1.5", "1.5", "float"],
    ["Infinity", "inf", "float"],
  ])("%s is a number", async (json, text, type) => {
    expect(await values(`local n = cjson.decode('${json}') answer(n, math.type(n))`)).toEqual([text, type]);
  });

  test("null is one value, which survives, and equals that of every instance", async () => {
    const source = `
      local t = cjson.decode('{"a": null, "b": [null]}')
      answer(t.a == cjson.null, t.b[1] == safe.null, cjson.new().null == cjson.null, type(cjson.null), cjson.encode(t.b))`;
    expect(await values(source)).toEqual(["true", "true", "true", "userdata", "[null]"]);
  });

  test.each([
    ["", "Expected value but found T_END at character 1"],
    ["x", "Expected value but found invalid token at character 1"],
    [" nul", "Expected value but found invalid token at character 2"],
    ["{", "Expected object key string but found T_END at character 2"],
    ["{1:2}", "Expected object key string but found T_NUMBER at character 2"],
    ['{"a" 1}', "Expected colon but found T_NUMBER at character 6"],
    ['{"a":1 "b"}', "Expected comma or object end but found T_STRING at character 8"],
    ["[1 true]", "Expected comma or array end but found T_BOOLEAN at character 4"],
    ["[1,]", "Expected value but found T_ARR_END at character 4"],
    ["1 2", "Expected the end but found T_NUMBER at character 3"],
    ["-", "Expected value but found invalid number at character 1"],
    ['"abc', "Expected value but found unexpected end of string at character 5"],
    [String.raw`"a\x"`, "Expected value but found invalid escape code at character 3"],
    [String.raw`"\ud800"`, "Expected value but found invalid unicode escape code at character 2"],
    ["[".repeat(1001), "Found too many nested data structures (1001) at character 1001"],
  ])("of %p fails", async (json, message) => {
    input = json;
    const [raised] = await values("answer(select(2, pcall(function() cjson.decode(take()) end)))");
    expect(raised).toBe(`spec.conf:1: ${message}`);
    expect(await values("answer(safe.decode(take()))")).toEqual(["nil", message]);
  });

  test("of other things than strings fails", async () => {
    expect(await values("answer(safe.decode({})) answer(pcall(cjson.decode)) answer(safe.decode('a\\0'))")).toEqual([
      "nil",
      "bad argument #1 to 'decode' (string expected, got table)",
      "false",
      "bad argument #1 to 'decode' (expected 1 argument)",
      "nil",
      "JSON parser does not support UTF-16 or UTF-32",
    ]);
  });
});

describe("settings", () => {
  test("have the defaults of lua-cjson, and belong to their instance", async () => {
    const source = `
      local c = cjson.new()
      answer(c.encode_sparse_array()) answer(c.encode_max_depth(), c.decode_max_depth(), c.encode_number_precision())
      answer(c.encode_invalid_numbers(), c.decode_invalid_numbers(), c.encode_keep_buffer())
      answer(c.encode_max_depth(5), cjson.encode_max_depth())`;
    expect(await values(source)).toEqual([
      "false",
      "2",
      "10",
      "1000",
      "1000",
      "14",
      "false",
      "true",
      "true",
      "5",
      "1000",
    ]);
  });

  test("have their effects", async () => {
    const source = `
      local c = require('cjson.safe').new()
      c.encode_sparse_array(true) answer(c.encode({[100] = 1}))
      c.encode_sparse_array(false, 0) answer(#c.encode({[100] = 1}))
      c.encode_max_depth(1) answer(c.encode({{}}))
      c.decode_max_depth(1) answer(c.decode('[[]]'))
      c.encode_number_precision(3) answer(c.encode(1/3))
      c.encode_invalid_numbers(true) answer(c.encode(0/0), c.encode(-math.huge))
      c.encode_invalid_numbers('null') answer(c.encode(0/0), (c.encode_invalid_numbers()))
      c.decode_invalid_numbers(false) answer(c.decode('01')) answer(c.decode('nan'))
      c.encode_empty_table_as_object(false) answer(c.encode({}))
      c.decode_array_with_array_mt(true) answer(c.encode(c.decode('[]')))
      c.encode_escape_forward_slash(false) answer(c.encode('/'))`;
    expect(await values(source)).toEqual(
      ['{"100":1}', "498", "nil", "Cannot serialise, excessive depth (2)", "nil"].concat(
        ["Found too many nested data structures (2) at character 2", "0.333", "NaN", "-Infinity", "null", "null"],
        ["nil", "Expected value but found invalid number at character 1"],
        ["nil", "Expected value but found invalid token at character 1", "[]", "[]", '"/"'],
      ),
    );
  });

  test("wrong ones are blamed on the caller", async () => {
    const source = `
      for _, f in ipairs{function() cjson.encode_max_depth(0) end, function() cjson.encode_sparse_array('x') end,
        function() cjson.encode_sparse_array(true, -1) end, function() cjson.encode_number_precision(1.5) end} do
        answer(select(2, pcall(f)))
      end`;
    expect(await values(source)).toEqual([
      "spec.conf:2: bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)",
      "spec.conf:2: bad argument #1 to 'encode_sparse_array' (invalid option 'x')",
      "spec.conf:3: bad argument #2 to 'encode_sparse_array' (expected integer between 0 and 2147483647)",
      "spec.conf:3: bad argument #1 to 'encode_number_precision' (expected integer between 1 and 17)",
    ]);
  });
});

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

function randomJson(random: Random, depth = 0): Json {
  switch (random.below(depth > 4 ? 4 : 6)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return random.below(2_000_001) - 1_000_000;
    case 2:
      return (random.below(2_000_001) - 1_000_000) / 2 ** random.below(12);
    case 3:
      return random.text(20);
    case 4:
      // An empty list cannot be told from an empty object in Lua.
      return [randomJson(random, depth + 1), ...random.list(5, () => randomJson(random, depth + 1))];
    default:
      return Object.fromEntries(random.list(5, () => [`k${random.text(5)}`, randomJson(random, depth + 1)]));
  }
}

property("random documents survive decode and encode", 100, async (random) => {
  const value = randomJson(random);
  input = JSON.stringify(value, null, random.pick([0, 1, "\t"]));
  await lua.run("give(cjson.encode(cjson.decode(take())))");
  expect(JSON.parse(output)).toEqual(value);
});

property(
  "what JSON.parse refuses is refused or one of lua-cjson's liberties, and nothing else breaks",
  100,
  async (random) => {
    input = random.mutate(JSON.stringify(randomJson(random)), '[]{}",:\\u0truefalsn-.eE');
    output = "";
    await lua.run(
      "local v, m = safe.decode(take()) give(v == nil and 'refused: ' .. m or safe.encode(v) or 'infinite')",
    );
    expect(output).not.toBe("");
    let valid = true;
    try {
      JSON.parse(input);
    } catch {
      valid = false;
    }
    if (valid) expect(output).not.toStartWith("refused: Expected");
  },
);

test("works when a policy has replaced the globals before it is first required", async () => {
  using own = await startEngine();
  await own.run(
    "string.format, table.concat, math.floor, type, next = nil; local r = require; string.find = nil j = r 'cjson'",
  );
  expect(await own.values("answer(j.encode(j.decode('[1,{\"a\":2.5}]')))")).toEqual(['[1,{"a":2.5}]']);
});
