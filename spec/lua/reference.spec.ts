/** conf/reference.lua names exactly what exists: each function, method and module beyond those of Lua 5.4 itself. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { disk } from "../../lib/lua/disk.ts";
import { LuaState } from "../../lib/lua/state.ts";
import { Tasks } from "../../lib/lua/tasks.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { startDaemon } from "../support/daemon.ts";

const REFERENCE = readFileSync(join(import.meta.dir, "..", "..", "conf", "reference.lua"), "utf8");

/** What the reference calls its examples, by class. */
const EXAMPLES: Record<string, string> = {
  ca: "ComboAddress",
  mask: "Netmask",
  group: "NetmaskGroup",
  db: "GeoIP2DB",
  counts: "StringStatsDB",
  history: "History",
};

/** Chunk: every global, and every entry of a global table, a line each. */
const LIST_NAMES = `
  local names = {}
  for name, value in pairs(_G) do
    names[#names + 1] = name
    if type(value) == "table" and name ~= "_G" then
      for entry in pairs(value) do names[#names + 1] = name .. "." .. tostring(entry) end
    end
  end
  return table.concat(names, "\\n")`;

/** Runs a chunk that returns one string. */
/** On a busy machine the task may be cut in slices, so that its answer comes later. */
async function evaluate(state: LuaState, tasks: Tasks, source: string): Promise<string[]> {
  const prepare = (L: number): number => {
    state.pushChunk(L, toByteString(source), "=spec");
    return 0;
  };
  const text = (await tasks.run("console", prepare, (L) => state.bytes(L, 1))) as ByteString;
  return text.split("\n").toSorted();
}

function documented(): string[] {
  const names: string[] = [];
  for (const line of REFERENCE.split("\n")) {
    const [, example, name] = /^(?:local \w+ = )?(?:(\w+):)?([\w.]+)(?:\(| = )/.exec(line) ?? [];
    if (name && name !== "local") names.push(example === undefined ? name : `${EXAMPLES[example]}:${name}`);
  }
  return names;
}

test("the reference parses", async () => {
  const state = await LuaState.open(systemClock, { directory: "/", files: disk });
  expect(() => state.pushChunk(state.main, toByteString(REFERENCE), "@reference.lua")).not.toThrow();
  state.close();
});

test("documented names are exactly the names that exist", async () => {
  const plain = await LuaState.open(systemClock, { directory: "/", files: disk });
  const standard = new Set(await evaluate(plain, new Tasks(plain), LIST_NAMES));
  plain.close();

  await using daemon = await startDaemon(`newHistory("sqlite::memory:")`);
  const { state, tasks } = daemon.loaded.engine;
  const methods = await evaluate(
    state,
    tasks,
    `local lines = {}
     local examples = { newCA("::"), newNetmask("::/0"), newNetmaskGroup(), getGeoIP2DB("none"), getStringStatsDB("none"), getHistory() }
     for _, example in ipairs(examples) do
       for name in pairs(debug.getmetatable(example).__index) do lines[#lines + 1] = getmetatable(example) .. ":" .. name end
     end
     return table.concat(lines, "\\n")`,
  );
  const own = (await evaluate(state, tasks, LIST_NAMES)).filter((name) => !standard.has(name));
  // Libraries of our own count by their functions; what a module has is listed with the module.
  const exist = own.filter((name) => name !== "bit" && name !== "jit" && !/^package\.(loaded|preload)\b/.test(name));
  expect([...exist, ...methods].toSorted()).toEqual([...new Set(documented())].toSorted());
});
