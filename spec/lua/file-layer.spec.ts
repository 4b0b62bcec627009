/** Files that are changed in memory alone: Lua finds its changes, the disk does not. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { FileLayer } from "../../lib/lua/file-layer.ts";
import { startEngine } from "../support/engine.ts";
import { Random } from "../support/random.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trackalert-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const write = (name: string, content: string): void => writeFileSync(join(directory, name), content);

/** Everything below the folder, by name. */
const onDisk = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => [name, readFileSync(join(directory, name), "utf8")]),
  );

/** What a chunk answers over a layer, after which the disk is as it was. @returns the values, and how often a beginning was told */
async function values(source: string): Promise<string[]> {
  const before = onDisk();
  let began = 0;
  using lua = await startEngine(directory, new FileLayer(() => void began++));
  const answers = await lua.values(source);
  expect(onDisk()).toEqual(before);
  expect(began).toBeLessThanOrEqual(1);
  return answers;
}

/** For chunks: the whole of a file, and writing one. */
const HELP = `
  local function content(name) local f, problem = io.open(name) if not f then return problem end
    local text = f:read("a") f:close() return text end
  local function put(name, mode, text) local f = assert(io.open(name, mode)) f:write(text) f:close() end `;
const ENOENT = "No such file or directory";

describe("a file", () => {
  test("that is new is found, and not on the disk", async () => {
    const source = `${HELP} put("new", "w", "1\\n2\\n") answer(content("new")) for line in io.lines("new") do answer(line) end
      put("new", "a", "3") put("new", "r+", "x") answer(content("new")) put("new", "w", "") answer(content("new"))`;
    expect(await values(source)).toEqual(["1\n2\n", "1", "2", "x\n2\n3", ""]);
  });

  test("of the disk is emptied, extended and overwritten", async () => {
    write("log", "0123456789");
    const source = `${HELP} put("log", "a", "ab") answer(content("log")) put("log", "a", "c")
      local f = io.open("log", "r+") f:seek("set", 8) answer(f:read(4)) f:seek("set", 9) f:write("--") f:seek("set") answer(f:read("a"))
      f:seek("end", 3) f:write("!") f:close() answer((content("log"):gsub("%z", ".")))
      put("log", "w", "new") answer(content("log"))`;
    expect(await values(source)).toEqual(["0123456789ab", "89ab", "012345678--bc", "012345678--bc...!", "new"]);
  });

  test("that is large is appended to without being read", async () => {
    write("large", "");
    truncateSync(join(directory, "large"), 1024 ** 3);
    // Not compared: it is 1 GB of nothing.
    using lua = await startEngine(directory, new FileLayer(() => {}));
    const source = `local f = assert(io.open("large", "a+")) assert(f:write("end")) f:seek("end", -5)
      answer(f:read("a"), f:seek("end")) 
      local g = io.open("large", "r+") g:setvbuf("no") answer(select(2, g:write("x")))`;
    expect(await lua.values(source)).toEqual(["\0\0end", `${1024 ** 3 + 3}`, "No space left on device", "51"]);
  });

  test("that is open for reading shows what is written to it", async () => {
    write("log", "first\n");
    const source = `local r = io.open("log") answer(r:read()) local w = io.open("log", "a") w:write("second\\n") w:flush()
      r:seek("cur", 0) answer(r:read())`;
    expect(await values(source)).toEqual(["first", "second"]);
  });

  test("that is removed is gone, and can be made anew; who has it open goes on", async () => {
    write("a", "disk");
    const source = `${HELP} local r = io.open("a") answer(os.remove("a")) answer(content("a")) answer(os.remove("a"))
      answer(r:read("a")) put("a", "w", "mine") answer(content("a"))
      local f = io.open("b", "w+") f:write("x") os.remove("b") f:seek("set") answer(f:read("a")) answer(content("b"))`;
    expect(await values(source)).toEqual(
      ["true", `a: ${ENOENT}`, "nil", `a: ${ENOENT}`, "2", "disk", "mine", "x"].concat(`b: ${ENOENT}`),
    );
  });

  test("that is renamed has its content, also over another one", async () => {
    write("a", "of a");
    write("b", "of b");
    const source = `${HELP} answer(os.rename("a", "c")) answer(content("a")) answer(content("c")) put("c", "a", "!")
      answer(os.rename("c", "b")) answer(content("b")) answer(os.rename("b", "b")) answer(content("b"))
      answer(os.rename("none", "x"))`;
    expect(await values(source)).toEqual([
      "true",
      `a: ${ENOENT}`,
      "of a",
      "true",
      "of a!",
      "true",
      "of a!",
      "nil",
      ENOENT,
      "2",
    ]);
  });

  test("has the disk's failures", async () => {
    write("file", "");
    mkdirSync(join(directory, "folder"));
    const source = `answer(io.open("none/x", "w")) answer(io.open("file/x", "w")) answer(io.open("folder", "w"))
      answer(io.open("none", "r+")) answer(os.rename("file", "none/x")) answer(os.rename("file", "folder"))
      answer(io.open("/dev/full", "w")) answer(os.rename("folder", "other"))`;
    expect(await values(source)).toEqual(
      [
        "nil",
        `none/x: ${ENOENT}`,
        "2",
        "nil",
        "file/x: Not a directory",
        "20",
        "nil",
        "folder: Is a directory",
        "21",
      ].concat(
        ["nil", `none: ${ENOENT}`, "2", "nil", ENOENT, "2", "nil", "Is a directory", "21"],
        ["nil", "/dev/full: No such device or address", "6", "nil", "Cross-device link", "18"],
      ),
    );
  });

  test("is the one that a symbolic link leads to, wherever it is", async () => {
    write("target", "disk");
    mkdirSync(join(directory, "folder"));
    symlinkSync("target", join(directory, "link"));
    symlinkSync("later", join(directory, "dangling"));
    symlinkSync("folder", join(directory, "other"));
    symlinkSync("loop", join(directory, "loop"));
    const source = `${HELP} put("link", "a", "!") answer(content("target"), content("link"))
      put("dangling", "w", "made") answer(content("later"))
      put("other/x", "w", "deep") answer(content("folder/x"), content("folder/../folder/x"))
      answer(os.remove("link")) answer(content("target")) answer(content("link")) answer(content("loop"))`;
    expect(await values(source)).toEqual(
      ["disk!", "disk!", "made", "deep", "deep", "true", "disk!", `link: ${ENOENT}`].concat("loop: Symbolic link loop"),
    );
  });
});

test("an empty folder is removed, one with files is not", async () => {
  mkdirSync(join(directory, "folder"));
  writeFileSync(join(directory, "folder", "x"), "");
  const source = `local f = io.open("folder/y", "w") f:close() answer((os.remove("folder"))) os.remove("folder/x")
    answer((os.remove("folder"))) os.remove("folder/y") answer((os.remove("folder"))) answer(io.open("folder/z", "w"))`;
  expect(await values(source)).toEqual(["nil", "nil", "true", "nil", `folder/z: ${ENOENT}`, "2"]);
});

test("temporary files and names are in memory too", async () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith("lua_"));
  const source = `local f = io.tmpfile() f:write("abc") f:seek("set") answer(f:read("a"))
    local name = os.tmpname() local g = assert(io.open(name, "w")) g:write("x") g:close() answer(io.open(name):read("a"))`;
  expect(await values(source)).toEqual(["abc", "x"]);
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("lua_"))).toEqual(before);
});

test("modules that were written are found by require and dofile", async () => {
  write("m.lua", "return 'disk'");
  const source = `local f = io.open("m.lua", "w") f:write("return 'memory'") f:close() answer((require("m"))) answer(dofile("m.lua"))`;
  expect(await values(source)).toEqual(["memory", "memory"]);
});

test("the memory is bounded, and what is removed gives its part back", async () => {
  const source = `local part = ("x"):rep(50 * 2^20)
    local function fill(name) local f = assert(io.open(name, "w")) f:setvbuf("no") local ok, problem = f:write(part) f:close()
      return ok and "written" or problem end
    for i = 1, 6 do answer(fill("f" .. i)) end for i = 1, 6 do os.remove("f" .. i) end answer(fill("again"))`;
  const full = "No space left on device";
  expect(await values(source)).toEqual(["written", "written", "written", "written", "written", full, "written"]);
});

test("whatever is done to a file gives what the disk would give", async () => {
  const random = new Random(5);
  for (let round = 0; round < 12; round++) {
    const initial = "0123456789abcdef".repeat(random.below(5));
    const steps = Array.from({ length: 12 }, () => {
      const mode = random.pick(["a", "a+", "r+", "w", "w+", "r"]);
      const text = "XYZ".repeat(random.below(6));
      const seek = random.pick(["", `f:seek("set", ${random.below(71)})`, `f:seek("end", ${random.below(6)})`]);
      return `do local f = io.open("f", "${mode}") ${seek} answer(f:write("${text}") ~= nil, f:seek("cur"))
        answer(f:seek("set", ${random.below(41)}), f:read(7)) f:close() end`;
    });
    const source = `${steps.join("\n")} answer(io.open("f"):read("a"))`;
    write("f", initial);
    const inMemory = await values(source);
    using real = await startEngine(directory);
    expect(inMemory).toEqual(await real.values(source));
  }
});

test("what is appended on the disk meanwhile stays out of a file that was changed", async () => {
  write("log", "before\n");
  using lua = await startEngine(directory, new FileLayer(() => {}));
  await lua.run(`f = assert(io.open("log", "a")) f:write("mine\\n") f:flush()`);
  appendFileSync(join(directory, "log"), "of the daemon\n");
  expect(await lua.values(`answer(io.open("log"):read("a"))`)).toEqual(["before\nmine\n"]);
});
