/** Metrics of the Lua engine. */
import { Gauge, LabelledGauge } from "../stats/metric.ts";
import type { Metrics } from "../stats/metrics.ts";
import type { Engine } from "./engine.ts";

/** Shows what the Lua engine and the GeoIP databases hold. */
export function addEngineMetrics(metrics: Metrics, { state, geoip }: Engine): void {
  const memory = "Bytes that the Lua engine has taken: grows when its values need more, and never shrinks.";
  metrics.add(new Gauge("trackalert_lua_memory_bytes", memory, () => state.api.memory.buffer.byteLength));
  const built = "When the makers of the open GeoIP databases built them, since 1970.";
  metrics.add(
    new LabelledGauge("trackalert_geoip_build_time_seconds", built, "database", () =>
      [...geoip.all].flatMap(([name, { database }]) => (database ? [[name, database.built.getTime() / 1000]] : [])),
    ),
  );
}
