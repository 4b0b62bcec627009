/**
 * What the Lua of the reference answers, LuaJIT: tables that it made (fixtures/lua/luajit/make.lua says how) against this
 * engine.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { startEngine, type TestEngine } from "../support/engine.ts";

function table<Row>(name: string): Row[] {
  const file = join(import.meta.dir, "../../fixtures/lua/luajit", name);
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
}

let lua: TestEngine;
beforeAll(async () => {
  lua = await startEngine();
  await lua.run("cjson = require 'cjson'");
});
afterAll(() => lua[Symbol.dispose]());
const values = (source: string): Promise<string[]> => lua.values(source);

describe("numbers as text", () => {
  const numbers = table<{ number: string; text: string }>("numbers.jsonl");

  /** Pairs of an expression and its text, the ones made here and those of LuaJIT. */
  async function expectTexts(made: (number: string) => string, text = (known: string) => known): Promise<void> {
    expect(numbers.length).toBeGreaterThan(300);
    const given = await values(numbers.map(({ number }) => `answer(${made(`(${number})`)})`).join("\n"));
    expect(numbers.map(({ number }, i) => [number, given[i]])).toEqual(
      numbers.map((known) => [known.number, text(known.text)]),
    );
  }

  test("by tostring", () => expectTexts((number) => `tostring${number}`));
  test("by ..", () => expectTexts((number) => `'' .. ${number}`));
  test("by string.format", () => expectTexts((number) => `('%s'):format(${number})`));
  test("by table.concat", () =>
    expectTexts(
      (number) => `table.concat({'<', ${number}})`,
      (text) => `<${text}`,
    ));
  test("as keys", () =>
    expectTexts((number) => `({[tostring(${number})] = true})[${number} .. ''] and ${number} .. ''`));
  test("as lengths", () =>
    expectTexts(
      (number) => `#tostring(${number})`,
      (text) => String(text.length),
    ));
  // -0 is a whole number here, and those have no sign at zero.
  test("and back", () =>
    expectTexts(
      (number) => `tostring(tonumber(tostring(${number})) or tostring(${number}))`,
      (text) => (text === "-0" ? "0" : text),
    ));

  test("by print", async () => {
    const { tasks, output } = lua.engine;
    expect(tasks.current).toBeUndefined();
    const printed = await lua.engine.runConsole(numbers.map(({ number }) => `print(${number})`).join("\n") as never);
    expect(printed.trimEnd().split("\n")).toEqual(numbers.map(({ text }) => text));
    output.end(0);
  });

  test("in JSON", async () => {
    const finite = numbers.filter(({ text }) => !text.includes("inf"));
    const given = await values(finite.map(({ number }) => `answer(cjson.encode({${number}}))`).join("\n"));
    expect(given).toEqual(finite.map(({ text }) => `[${text}]`));
  });

  test("in the log", async () => {
    const before = lua.logs.length;
    await lua.run(numbers.map(({ number }) => `infoLog('', {n = ${number}})`).join("\n"));
    expect(lua.logs.slice(before).map((line) => /n="(.*)"/.exec(line)![1])).toEqual(numbers.map(({ text }) => text));
  });

  test("nothing but the text changes", async () => {
    const source = `answer(math.type(60/1), math.type(60), ('%d'):format(60/1), ('%q'):format(0.5), 60/1 == 60,
      math.tointeger(60/1), math.tointeger(1.5), math.tointeger('1.5'), math.tointeger({}), 7 // 2, 7.0 // 2)`;
    expect(await values(source)).toEqual([
      "float",
      "integer",
      "60",
      "0x1p-1",
      "true",
      "60",
      "nil",
      "nil",
      "nil",
      "3",
      "3",
    ]);
  });
});

test("calls", async () => {
  const calls = table<{ call: string; results: string[] }>("calls.jsonl");
  expect(calls.length).toBeGreaterThan(90);
  const given: [string, string[]][] = [];
  for (const { call } of calls) given.push([call, await values(`answer(${call})`)]);
  expect(given).toEqual(calls.map(({ call, results }) => [call, results]));
});

describe("dates", () => {
  const zone = process.env["TZ"];
  afterEach(() => {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  });

  test("in UTC %s is the time all the same, as `date -u` has it, where glibc takes the fields for local time", async () => {
    process.env["TZ"] = "Europe/Berlin";
    expect(await values("answer(os.date('!%s', 1720000000))")).toEqual(["1720000000"]);
  });

  test.each([
    ["MSK-3", "MSK +0300"],
    ["CET-1CEST,M3.5.0,M10.5.0/3", "CEST +0200"],
    ["<+0545>-5:45", "+0545 +0545"],
    ["No/Such", "UTC +0000"],
  ])("in TZ=%s", async (zone, text) => {
    process.env["TZ"] = zone;
    expect(await values("answer(os.date('%Z %z', 1720000000))")).toEqual([text]);
  });

  const dates = table<{ zone: string; time: number; format: string; text: string }>("dates.jsonl");
  test.each([...new Set(dates.map((date) => date.zone))])("in %s", async (zone) => {
    process.env["TZ"] = zone;
    const known = dates.filter((date) => date.zone === zone);
    const calls = known.map(({ format, time }) => `answer(os.date(${JSON.stringify(format)}, ${time}))`);
    const given = await values(calls.join("\n"));
    const row = ({ time, format }: (typeof known)[number], text: string | undefined): unknown[] => [time, format, text];
    expect(known.map((date, i) => row(date, given[i]))).toEqual(known.map((date) => row(date, date.text)));
  });
});
