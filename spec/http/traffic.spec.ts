/** The reports that a real wforce posted go in over HTTP; what Lua sees must be what was sent, byte for byte. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { PREAMBLE, startDaemon } from "../support/daemon.ts";

const TRAFFIC = join(import.meta.dir, "..", "..", "fixtures", "traffic", "wforce-reports.jsonl");

/** Writes one line a report: every field, strings in hexadecimal, tables sorted by name. */
const ECHO = `${PREAMBLE}
local out = assert(io.open("echo.txt", "w"))
local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function sorted(t, show)
  local names, parts = {}, {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = hex(name) .. "=" .. show(t[name]) end
  return table.concat(parts, ",")
end
local function list(values)
  local parts = {}
  for i, value in ipairs(values) do parts[i] = hex(value) end
  return "[" .. table.concat(parts, ";") .. "]"
end
setReport(function(lt)
  out:write(table.concat({
    ("%.17g"):format(lt.t), hex(lt.remote:tostring()), hex(lt.login), hex(lt.pwhash), tostring(lt.success),
    tostring(lt.policy_reject), tostring(lt.tls), hex(lt.fail_type), hex(lt.protocol), hex(lt.device_id),
    hex(lt.session_id), sorted(lt.attrs, hex), sorted(lt.attrs_mv, list), sorted(lt.device_attrs, hex),
  }, " "), "\\n")
  out:flush()
end)`;

interface Report {
  t: number;
  attrs: Record<string, string | string[]>;
  device_attrs: Record<string, string>;
  [field: string]: unknown;
}

const hex = (text: unknown): string => Buffer.from(String(text), "utf8").toString("hex");

/** What the policy must write for a body, behind `t`. */
function expectedLine(body: string): string {
  const report = JSON.parse(body) as Report;
  const sorted = (entries: [string, string | string[]][], show: (value: never) => string): string =>
    entries
      .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([name, value]) => `${hex(name)}=${show(value as never)}`)
      .join(",");
  const attrs = Object.entries(report.attrs);
  return [
    hex(report["remote"]),
    hex(report["login"]),
    hex(report["pwhash"]),
    report["success"],
    report["policy_reject"],
    report["tls"],
    hex(report["fail_type"]),
    hex(report["protocol"]),
    hex(report["device_id"]),
    hex(report["session_id"]),
    sorted(
      attrs.filter(([, value]) => typeof value === "string"),
      hex,
    ),
    sorted(
      attrs.filter(([, value]) => Array.isArray(value)),
      (values: string[]) => `[${values.map(hex).join(";")}]`,
    ),
    sorted(Object.entries(report.device_attrs), hex),
  ].join(" ");
}

test("all recorded reports come out in Lua as they went in over HTTP", async () => {
  await using daemon = await startDaemon(ECHO);
  const bodies = readFileSync(TRAFFIC, "utf8").trimEnd().split("\n");
  expect(bodies).toHaveLength(535);
  for (const body of bodies) expect((await daemon.post("/?command=report", body)).status).toBe(200);
  const lines = readFileSync(join(daemon.folder, "echo.txt"), "utf8").split("\n").slice(0, -1);
  expect(lines).toHaveLength(bodies.length);
  for (const [i, line] of lines.entries()) {
    const space = line.indexOf(" ");
    expect(Number(line.slice(0, space))).toBe((JSON.parse(bodies[i]!) as Report).t);
    expect(line.slice(space + 1)).toBe(expectedLine(bodies[i]!));
  }
});
