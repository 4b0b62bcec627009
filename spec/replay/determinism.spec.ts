/** Two replays of the same inputs print the same bytes, whatever the zone and the environment they run in. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "../support/daemon.ts";

const PROJECT = join(import.meta.dir, "..", "..");

/** Whatever in Lua could differ from run to run. */
const POLICY = `
addCustomWebHook("a", { url = "http://a/" })
local t = {}
for i = 1, 50 do t["key" .. i] = i end
for i = 1, 20 do t[{}] = i end
local function order()
  local values = {}
  for _, value in pairs(t) do values[#values + 1] = value end
  return table.concat(values, " ")
end
infoLog("loaded", { random = math.random(1e9), address = tostring(t), order = order(), now = os.date(), cpu = os.clock() })
setReport(function(lt)
  t["login" .. math.random(1e9)] = lt.t
  sleep(math.random() * 10)
  runCustomWebHook("a", require("cjson").encode({ at = os.date("%c %Z"), clock = os.clock(), random = math.random(), order = order(), f = tostring(print) }))
end)
setBackground("f", function() infoLog(os.date(), { order = order() }) sleep(1.5) end)
cronScheduleBackgroundFunc("*/5 2-3 * * *", "f")
intervalScheduleBackgroundFunc("00:00:07", "f")
`;

const FIXTURE = `
name: whatever could differ
config: spec.conf
tz: America/St_Johns
start: 2026-03-08T05:00:00Z
until: +30m
reports:
  - { file: spec.jsonl, shift: to-start }
  - { at: +1s, login: joe, remote: 192.0.2.1, repeat: 50, every: 3s }
expect: { webhooks: [], background: {} }
`;

test("two runs in two zones are equal byte for byte", () => {
  using folder = temporaryFolder();
  const lines = Array.from({ length: 50 }, (_, i) => JSON.stringify({ t: 1000 + i * 1.37, login: `user${i}` }));
  const files = { "spec.conf": POLICY, "spec.replay.yaml": FIXTURE, "spec.jsonl": lines.join("\n") };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder.path, name), content);
  const fixtures = [join(folder.path, "spec.replay.yaml"), join(PROJECT, "fixtures", "recorded-abuse.replay.yaml")];
  const run = (environment: Record<string, string>) =>
    ["--verbose", "--json"].map((output) => {
      const command = [process.execPath, join(PROJECT, "index.ts"), output, "--replay", ...fixtures];
      const { stdout, exitCode } = Bun.spawnSync(command, { cwd: PROJECT, env: { PATH: "/bin", ...environment } });
      expect(exitCode).toBe(1);
      return stdout.toString();
    });
  const first = run({ TZ: "Asia/Kathmandu" });
  const second = run({ TZ: "Pacific/Apia", HOME: "/elsewhere", A_VARIABLE: "x".repeat(5000) });
  expect(first[0]).toContain("webhook a {");
  expect(first[0]).toContain(' NST"');
  expect(second[0]!.length).toBe(first[0]!.length);
  expect(second).toEqual(first);
}, 60_000);
