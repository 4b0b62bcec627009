/** Metrics of the Lua engine. */
import { Gauge, LabelledGauge, ReadCounter } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { Engine } from "./engine.ts";

/** Shows what the Lua engine and the GeoIP databases hold. */
export function addEngineMetrics(metrics: Metrics, { state, geoip, memory }: Engine): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    void metrics.add(new Gauge(`trackalert_lua_memory_${name}`, help, read));
  gauge(
    "bytes",
    "Bytes that the Lua engine has taken: grows when its values need more, and never shrinks.",
    () => state.api.memory.buffer.byteLength,
  );
  gauge("used_bytes", "Bytes of Lua's values, those that wait to be collected included.", () => state.usedMemory);
  gauge("limit_bytes", "Bytes that Lua's values can take: at the end functions fail.", () => state.mostMemory);
  const warnings = "Warnings that Lua's memory is nearly used up, one a minute at most.";
  metrics.add(new ReadCounter("trackalert_lua_memory_warnings_total", warnings, () => memory.warnings));
  const built = "When the makers of the open GeoIP databases built them, since 1970.";
  metrics.add(
    new LabelledGauge("trackalert_geoip_build_time_seconds", built, "database", () =>
      [...geoip.all].flatMap(([name, { database }]) => (database ? [[name, database.built.getTime() / 1000]] : [])),
    ),
  );
}
