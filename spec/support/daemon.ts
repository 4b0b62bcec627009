/** Runs daemons for specs: in this process on a port of the system's choice, with the log lines kept. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { loadConfig, type Loaded } from "../../lib/configuration/load-config.ts";
import { DeviceParser } from "../../lib/device/device.ts";
import { Log } from "../../lib/log/log.ts";
import type { ParseDevice } from "../../lib/login-tuple.ts";
import { Daemon } from "../../lib/program/daemon.ts";
import { type Clock, systemClock } from "../../lib/time/clock.ts";

export const PASSWORD = "super";

/** What most configurations begin with. */
export const PREAMBLE = `addListener("127.0.0.1:0", false, "", "", {}) setWebserverPassword("${PASSWORD}")\n`;

export const AUTHORIZATION = { authorization: `Basic ${btoa(`any:${PASSWORD}`)}` };

export interface TestDaemon extends AsyncDisposable {
  loaded: Loaded;
  daemon: Daemon;
  logs: string[];
  folder: string;
  url(path: string): string;
  /** POSTs with the right password; strings and bytes as they are, everything else as JSON. */
  post(path: string, body: unknown): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

/** An empty folder that is removed when it goes out of scope. */
export function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "trackalert-spec-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Loads and serves a configuration given as text. Stops it when it goes out of scope. */
export async function startDaemon(
  configuration: string,
  files: Record<string, string> = {},
  clock: Clock = systemClock,
  luaMemory?: number,
): Promise<TestDaemon> {
  const folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder.path, name), content);
  writeFileSync(file, configuration);
  const logs: string[] = [];
  const devices = new DeviceParser();
  const parseDevice: ParseDevice = (protocol, id) => devices.parse(protocol, id);
  const log = new Log({ sink: (line) => logs.push(line) });
  const loaded = await loadConfig(file, { clock, log, luaMemory });
  const daemon = await Daemon.start(loaded, { clock, log, parseDevice });
  const [address] = daemon.addresses;
  const url = (path: string): string => `http://${address?.hostname}:${address?.port}${path}`;
  return {
    loaded,
    daemon,
    logs,
    folder: folder.path,
    url,
    post: (path, body) =>
      fetch(url(path), {
        method: "POST",
        headers: AUTHORIZATION,
        body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
      }),
    get: (path, headers = AUTHORIZATION) => fetch(url(path), { headers }),
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      folder[Symbol.dispose]();
    },
  };
}

/** Calls a custom endpoint that answers true and a table, and gives the table. */
export async function callEndpoint(
  daemon: TestDaemon,
  name: string,
  attrs: object = {},
): Promise<Record<string, string>> {
  const response = await daemon.post(`/command/${name}`, { attrs });
  const body = (await response.json()) as { r_attrs?: Record<string, string>; reason?: string };
  if (!body.r_attrs) throw new Error(`${name} answered ${response.status}: ${body.reason}`);
  return body.r_attrs;
}
