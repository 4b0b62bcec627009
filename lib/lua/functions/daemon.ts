/** Functions that configure the daemon: listeners, access, control socket, limits. */
import { resolve } from "node:path";

import { formatAddress, parseAddress, unmapAddress } from "../../address/address.ts";
import { readGroupMask } from "../../address/netmask-group.ts";
import type { Config } from "../../config.ts";
import { KEY_BYTES, parseKey } from "../../control/key.ts";
import type { Log } from "../../log/log.ts";
import type { Listener } from "../../net/listener.ts";
import { TlsError } from "../../net/tls-library.ts";
import { readTlsOptions } from "../../net/tls-options.ts";
import type { Tls, TlsFiles } from "../../net/tls.ts";
import { toText } from "../../text/byte-string.ts";
import { quoted } from "../../text/quoted.ts";
import type { Call, HostFunction } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import { LuaError, type LuaValue } from "../state.ts";

const DEFAULT_CONTROL_PORT = 4004;

/** The most tasks of a kind that may be asked for. */
const MOST_TASKS = 1_000_000;

interface StartOptions {
  log: Log;
  complaints: Complaints;
  /** What relative paths are relative to. */
  directory: string;
}

/** What is opened at the start, and stays as it is. */
export function startFunctions(config: Config, { log, complaints, directory }: StartOptions): HostFunction[] {
  return [
    {
      name: "setStateDir",
      body(call) {
        const path = call.text(1);
        if (path === "") throw call.wrong(1, "path expected, got an empty string");
        config.stateDir = resolve(directory, path);
      },
    },
    {
      name: "addListener",
      body(call) {
        const listener = readEndpoint(call, 1);
        const secure = call.boolean(2);
        if (call.has(3)) call.text(3);
        if (call.has(4)) call.text(4);
        if (call.has(5)) call.table(5);
        config.listeners.push(secure ? { ...listener, tls: readTls(call, directory, log) } : listener);
      },
    },
    {
      name: "webserver",
      body(call) {
        const listener = readEndpoint(call, 1);
        config.webserverPassword = call.bytes(2);
        config.listeners.push(listener);
        log.warn("webserver() is deprecated: use addListener() and setWebserverPassword()");
      },
    },
    {
      name: "controlSocket",
      body: (call) => void (config.controlSocket = readEndpoint(call, 1, DEFAULT_CONTROL_PORT)),
    },
    {
      name: "setKey",
      body(call) {
        const key = parseKey(call.text(1));
        if (key) config.key = key;
        else complaints.tell((config.keyProblem = `${call.where()}setKey: not the base64 of ${KEY_BYTES} bytes`));
        return key !== undefined;
      },
    },
  ];
}

/** What may change while the daemon runs. */
export function daemonFunctions(config: Config): HostFunction[] {
  let [workers, reporters] = [0, 0];
  const setReportTasks = (): void => void (config.reportTasks = Math.max(workers, reporters));
  return [
    {
      name: "setNumWorkerThreads",
      body(call) {
        workers = call.integer(1, 1, MOST_TASKS);
        setReportTasks();
      },
    },
    {
      name: "setNumReportThreads",
      body(call) {
        reporters = call.integer(1, 1, MOST_TASKS);
        setReportTasks();
      },
    },
    {
      name: "setNumSchedulerThreads",
      body: (call) => void (config.backgroundTasks = call.integer(1, 1, MOST_TASKS)),
    },
    // There is one Lua state; the reference takes a number of them.
    { name: "setNumLuaStates", body: (call) => void call.integer(1, 1, MOST_TASKS) },
    { name: "setWebserverPassword", body: (call) => void (config.webserverPassword = call.bytes(1)) },
    { name: "setMetricsNoPassword", body: () => void (config.metricsNeedPassword = false) },
    { name: "setMaxWebserverConns", body: (call) => void (config.maxWebserverConns = call.integer(1, 1, 1e9)) },
    { name: "addACL", body: (call) => void (config.acl = [...config.acl, checkMask(call, call.text(1))]) },
    {
      name: "setACL",
      body(call) {
        const masks: string[] = [];
        for (const [key, mask] of call.table(1)) {
          if (typeof mask !== "string") throw call.wrong(1, `list of netmasks expected, entry ${key} is none`);
          masks.push(checkMask(call, toText(mask)));
        }
        config.acl = masks;
      },
    },
    {
      name: "setReportTimeout",
      body(call) {
        const seconds = call.number(1);
        if (!(seconds > 0)) throw call.wrong(1, `seconds above 0 expected, got ${seconds}`);
        config.reportTimeout = seconds;
      },
    },
  ];
}

/** An IP address and a port. */
function readEndpoint(call: Call, position: number, defaultPort?: number): Listener {
  const text = call.text(position);
  const address = parseAddress(text);
  const port = address?.port ?? defaultPort;
  if (!address || port === undefined) {
    const example = "an IP address and port such as 127.0.0.1:8084 or [::1]:8084";
    throw call.wrong(position, `${example} expected, got ${quoted(text)}`);
  }
  return { hostname: formatAddress(unmapAddress(address.bytes)), port };
}

/** Arguments 3 to 5 of addListener. @throws {LuaError} when nothing can be served with them */
function readTls(call: Call, directory: string, log: Log): Tls {
  const files: TlsFiles = { certificate: resolve(directory, call.text(3)), key: resolve(directory, call.text(4)) };
  const table = call.has(5) ? call.table(5) : [];
  const text = (value: LuaValue): string => (typeof value === "string" ? toText(value) : String(value));
  try {
    const { options, clientAuthorities, notes } = readTlsOptions(
      [...table].map(([name, value]) => [text(name), text(value)]),
    );
    if (clientAuthorities !== undefined) files.clientAuthorities = resolve(directory, clientAuthorities);
    const where = call.where();
    for (const note of notes) log.info(`${where}addListener: ${note}`);
    return { files, options, where };
  } catch (error) {
    if (error instanceof TlsError) throw new LuaError(`addListener: ${error.message}`);
    throw error;
  }
}

function checkMask(call: Call, text: string): string {
  try {
    readGroupMask(text);
    return text;
  } catch (error) {
    throw call.wrong(1, (error as Error).message);
  }
}
