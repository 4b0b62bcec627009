/** A control socket whose Lua is a function of the spec, and a folder with a configuration for its clients. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Execute } from "../../lib/console/answer.ts";
import { ControlServer } from "../../lib/control/server.ts";
import { LogFlood } from "../../lib/log/log-flood.ts";
import { Log } from "../../lib/log/log.ts";
import { SHOWS_NIL } from "../../lib/lua/console-commands.ts";
import { formatListener } from "../../lib/net/listener.ts";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { temporaryFolder } from "./daemon.ts";

export const KEY = Buffer.from("spec key of 32 bytes, not random").toString("base64");

interface ControlSocket extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  address: string;
  /** A configuration that names the socket and the key. */
  file: string;
  folder: string;
  /** What the clients have sent, without what tells that somebody is at a terminal. */
  chunks: string[];
  server: ControlServer;
}

/** @param answer what a chunk is answered; without one, the chunk */
export async function openControlSocket(
  answer: (chunk: string) => string | Promise<string> = (chunk) => chunk,
): Promise<ControlSocket> {
  const chunks: string[] = [];
  const run: Execute = async (chunk) => {
    const text = Buffer.from(chunk, "latin1").toString().replace(SHOWS_NIL, "");
    if (text.startsWith("local path, word = ")) return "" as ByteString; // Tab asks
    chunks.push(text);
    return toByteString(await answer(text)) as ByteString;
  };
  const clock = systemClock;
  const log = new Log({ sink: () => {} });
  const key = new Uint8Array(Buffer.from(KEY, "base64"));
  const server = new ControlServer({ clock, log, flood: new LogFlood({ clock, log }), key: () => key, run });
  server.listen({ hostname: "127.0.0.1", port: 0 });
  const address = formatListener(server.address!);
  const folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  writeFileSync(file, `controlSocket("${address}") setKey("${KEY}")\n`);
  return {
    address,
    file,
    folder: folder.path,
    chunks,
    server,
    async [Symbol.asyncDispose]() {
      server.cut();
      folder[Symbol.dispose]();
    },
  };
}
