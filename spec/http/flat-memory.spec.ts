import { expect, test } from "bun:test";
import { join } from "node:path";

import { loadConfig } from "../../lib/configuration/load-config.ts";
import { Commands } from "../../lib/http/commands.ts";
import { routeOf } from "../../lib/http/route.ts";
import { LogFlood } from "../../lib/log/log-flood.ts";
import { Log } from "../../lib/log/log.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { temporaryFolder } from "../support/daemon.ts";

const START = Date.UTC(2026, 2, 1);
const CALLS = 100_000;
/** Bytes that a quarter of the calls may leave: 80 for each. */
const SLACK = 2 * 1024 * 1024;

test("100,000 different endpoint calls a second apart, to one that is there and to names that are not, leave nothing", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  await Bun.write(file, `setCustomEndpoint("own", function(args) return true, { got = args.attrs.n } end)`);
  const clock = new VirtualClock(START);
  const log = new Log({ sink: () => {} });
  const loaded = await loadConfig(file, { clock, log });
  const commands = new Commands({
    ...loaded,
    clock,
    log,
    flood: new LogFlood({ clock, log }),
    parseDevice: () => [],
    record: undefined,
    ready: () => true,
  });

  async function call(from: number, to: number): Promise<void> {
    for (let n = from; n < to; n++) {
      await clock.advanceTo(START + n * 1000);
      expect(commands.find("POST", routeOf(`http://127.0.0.1/?command=name${n}`))).toBeUndefined();
      const request = new Request(`http://127.0.0.1/command/own?${n}`, {
        method: "POST",
        headers: { "content-length": "25" },
        body: `{"attrs":{"n":"${String(n).padStart(9, "0")}"}}`,
      });
      const route = commands.find("POST", routeOf(request.url))!;
      route.calls!.add(clock.monotonic());
      const answer = await route.answer(request, {
        peer: "127.0.0.1",
        arrived: clock.monotonic(),
        wait: (running) => running,
      });
      expect(answer.status).toBe(200);
    }
  }
  /** What there is, whatever the numbers say. */
  const shape = async (): Promise<string> => (await loaded.metrics.format()).replace(/ [\d.e+-]+$/gm, "");
  const heap = (): number => {
    Bun.gc(true);
    return process.memoryUsage().heapUsed;
  };

  await call(0, 5000);
  const before = { shape: await shape(), lua: loaded.engine.state.api.memory.buffer.byteLength };
  const heaps = [heap()];
  for (let quarter = 0; quarter < 4; quarter++) {
    await call(5000 + (quarter * CALLS) / 4, 5000 + ((quarter + 1) * CALLS) / 4);
    heaps.push(heap());
  }
  expect(await shape()).toBe(before.shape);
  expect(loaded.engine.state.api.memory.buffer.byteLength).toBe(before.lua);
  // What other specs of this process leave behind comes and goes; a leak would show in each quarter.
  expect(Math.min(...heaps.slice(1).map((size, i) => size - heaps[i]!))).toBeLessThan(SLACK);
  expect(loaded.stats.commands.recent()).toContainEqual(["own", expect.any(Number)]);
  expect(clock.pending).toBe(0);
  loaded.engine.close();
}, 60_000);
