/** The fixtures of the project, each a test of its policy: all of fixtures/ that ends in .replay.yaml. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { DeviceParser } from "../../lib/device/device.ts";
import { readFixture } from "../../lib/replay/fixture.ts";
import { replay } from "../../lib/replay/program.ts";

const FIXTURES = join(import.meta.dir, "..", "..", "fixtures");
const devices = new DeviceParser();
/** Milliseconds, for a busy machine. Replays set the zone of the process: none must run on while another one begins. */
const TIMEOUT = 60_000;

const files = readdirSync(FIXTURES, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".replay.yaml"),
);
for (const file of files.map((name) => join(FIXTURES, name))) {
  test(
    readFixture(file).name,
    async () => {
      const lines: string[] = [];
      const print = (line: string): void => void lines.push(line);
      const code = await replay([file], { parseDevice: (...id) => devices.parse(...id), print, printAside: print });
      expect({ code, lines: code === 0 ? "" : lines.join("\n") }).toEqual({ code: 0, lines: "" });
    },
    TIMEOUT,
  );
}
