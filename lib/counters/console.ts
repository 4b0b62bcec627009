/** What the console shows of counters, as text. */
import { escapeControls } from "../log/log.ts";
import type { Counters } from "./counters.ts";

/** Each db with its keys, their bound, and the memory in use. */
export function formatDbs({ dbs }: Counters): string {
  const row = (name: string, keys: string, bound: string, memory: string): string =>
    `${name.padEnd(30)} ${keys.padStart(11)} ${bound.padStart(11)} ${memory.padStart(11)}\n`;
  let text = row("Name", "Keys", "Bound", "Memory");
  for (const [name, db] of dbs) {
    text += row(escapeControls(name), String(db.size), String(db.maxKeys), formatMemory(db.memory));
  }
  return text;
}

const formatMemory = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
