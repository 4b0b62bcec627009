/**
 * The Lua engine: the state with its prelude and host functions, and the ways to run Lua in it.
 */
import { resolve } from "node:path";

import type { Alerts } from "../alerts/alerts.ts";
import type { AlertChannels } from "../alerts/channels.ts";
import type { Counters } from "../counters/counters.ts";
import { GeoIPDatabases } from "../geoip/geoip-databases.ts";
import type { History } from "../history/history.ts";
import type { Log } from "../log/log.ts";
import type { Attributes, LoginTuple } from "../login-tuple.ts";
import type { HttpClient } from "../net/http-client.ts";
import type { TcpNetwork } from "../net/tcp.ts";
import { type ByteString, fromBytes, toByteString, withoutByteOrderMark } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { type HostFunction, pushHostFunction } from "./call.ts";
import { Codec } from "./codec.ts";
import { Complaints } from "./complaints.ts";
import { runConsoleChunk } from "./console-chunk.ts";
import { ConsoleOutput } from "./console-output.ts";
import { disk, type HostFileSystem } from "./disk.ts";
import { type EndpointResult, readEndpointResult } from "./endpoint-result.ts";
import type { AlertAccess } from "./functions/alerts.ts";
import { geoipReloads } from "./functions/geoip.ts";
import type { Forget, HistoryAccess } from "./functions/history.ts";
import { TcpSockets } from "./functions/tcp.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { type Drivers, installPrelude } from "./prelude.ts";
import { PrintedLines } from "./printed-lines.ts";
import { LuaError, LuaState, type Reference } from "./state.ts";
import { Tasks } from "./tasks.ts";
import type { LuaThread } from "./wasm.ts";

type MaybePromise<T> = T | Promise<T>;

interface EngineOptions {
  clock: Clock;
  log: Log;
  counters: Counters;
  /** What relative paths in Lua are relative to. */
  directory: string;
  /** How policies reach HTTP servers. */
  http: HttpClient;
  /** How policies reach other servers. */
  tcp: TcpNetwork;
  /** What it opens; the disk unless given. */
  files?: HostFileSystem | undefined;
  /** What it prints goes nowhere, or, a line at a time, into the log; to the process's own streams unless given. */
  prints?: "nothing" | "to the log" | undefined;
  /** Whether a task that computes for long lets others run; true unless given. */
  sliced?: boolean;
  /** Bytes of memory that Lua may take; 2 GiB, which is all that there is, unless given. */
  memory?: number | undefined;
  /** Takes what each file of Lua compiles to, in Lua's own format, before it runs. */
  onCompiled?: ((chunk: ByteString) => void) | undefined;
}

/** Lua cuts the names of chunks to this many bytes. */
const LONGEST_CHUNK_NAME = 59;

/** What is printed is told when it is printed: C's library would keep it until it has more. */
const UNBUFFERED = 'io.stdout:setvbuf("no")';

/** The name of a file as Lua's messages will have it: whole, or without its folder where that is too long. */
export const shortChunkName = (file: string): string =>
  Buffer.byteLength(file) > LONGEST_CHUNK_NAME ? file.slice(file.lastIndexOf("/") + 1) : file;

export class Engine {
  readonly tasks: Tasks;
  readonly geoip: GeoIPDatabases;
  /** Where console commands print. */
  readonly output: ConsoleOutput;
  /** Where functions tell of mistakes that the policy goes on after. */
  readonly complaints: Complaints;
  /** What else than the history knows logins, by its name. */
  readonly elsewhere = new Map<string, Forget>();
  /** Set by newHistory(). */
  history: History | undefined;
  /** Where alerts are raised. */
  alerts: Alerts | undefined;
  /** Where they go, unless nothing may leave. */
  channels: AlertChannels | undefined;
  readonly memory: MemoryWatch;
  private readonly log: Log;
  private readonly sockets: TcpSockets;
  private readonly codec: Codec;
  private readonly ignored = new Set<string>();
  private readonly drivers: Drivers;
  private readonly onCompiled: EngineOptions["onCompiled"];

  private constructor(
    readonly state: LuaState,
    { clock, log, counters, http, tcp, directory, sliced = true, onCompiled }: EngineOptions,
    private readonly printed: PrintedLines | undefined,
  ) {
    this.log = log;
    this.onCompiled = onCompiled;
    this.tasks = new Tasks(state, { sliced });
    this.memory = new MemoryWatch(state, { clock, log });
    this.tasks.onRest = this.memory.check;
    this.geoip = new GeoIPDatabases(log);
    this.codec = new Codec(state);
    this.output = new ConsoleOutput(this.tasks);
    this.complaints = new Complaints(log, this.output);
    this.sockets = new TcpSockets(tcp, clock, this.tasks);
    const { tasks, geoip, output, complaints } = this;
    this.drivers = installPrelude({
      state,
      tasks,
      clock,
      log,
      geoip,
      counters,
      http,
      sockets: this.sockets,
      directory,
      output,
      complaints,
      onCompiled,
      history: this.historyAccess(clock, directory, sliced),
      alerts: this.alertAccess(clock, sliced),
      allowed: (name) => this.acts(name),
    });
    for (const definition of geoipReloads(geoip, output)) this.define(definition);
  }

  static async create(options: EngineOptions): Promise<Engine> {
    const { clock, directory, log, files = disk, prints, memory } = options;
    const printed = prints === "to the log" ? new PrintedLines(log) : undefined;
    const print = prints === "nothing" ? (): void => {} : printed?.write;
    const engine = new Engine(await LuaState.open(clock, { directory, files, print }, memory), options, printed);
    if (printed) await engine.runFile(Buffer.from(UNBUFFERED), "unbuffered");
    return engine;
  }

  /** Frees the state. Tasks that still wait are dropped. */
  close(): void {
    this.tasks.close();
    this.sockets.close();
    this.state.close();
    this.printed?.flush();
  }

  /** Makes a host function a global of Lua. */
  define(definition: HostFunction): void {
    const { api, main } = this.state;
    pushHostFunction(this.state, main, definition);
    api.lua_setglobal(main, this.state.constant(definition.name));
  }

  /**
   * Makes a host function a global that only acts in the configuration and on the console; called from another task it
   * has no effect, and says so once.
   */
  defineForConfiguration(definition: HostFunction): void {
    const { name, body } = definition;
    this.define({
      ...definition,
      body: (call) => (this.acts(name) ? body(call) : undefined),
    });
  }

  /** Whether a function that only acts in the configuration and on the console may; if not, that is said once. */
  private acts(name: string): boolean {
    const kind = this.tasks.current;
    if (kind === "configuration" || kind === "console") return true;
    if (!this.ignored.has(name)) {
      this.ignored.add(name);
      this.log.error(`${name}() has no effect in a ${kind} function: call it from the configuration or the console`);
    }
    return false;
  }

  private historyAccess(clock: Clock, directory: string, sliced: boolean): HistoryAccess {
    return {
      clock,
      history: () => {
        if (this.history) return this.history;
        throw new LuaError("no history (newHistory)");
      },
      resolve: (path) => resolve(directory, path),
      elsewhere: this.elsewhere,
      alerts: () => this.alerts!,
      beside: () => sliced && this.asksBeside,
    };
  }

  private alertAccess(clock: Clock, sliced: boolean): AlertAccess {
    return {
      clock,
      alerts: () => {
        if (this.alerts && this.tasks.current !== "configuration") return this.alerts;
        throw new LuaError(
          "alerts are raised by policy functions and from the console, not by the configuration itself",
        );
      },
      channels: () => this.channels,
      reportTime: () => this.tasks.reportTime,
      beside: () => sliced && this.asksBeside,
    };
  }

  /** Whether what runs may not hold up reports with its questions. In a replay nobody is held up, and order counts. */
  private get asksBeside(): boolean {
    return this.tasks.current === "background" || this.tasks.current === "console";
  }

  /** What stands for the history in Lua. */
  get historyObject(): Reference {
    return this.drivers.history;
  }

  /** Makes a host function a global that acts in the configuration alone: what it sets is opened at the start. */
  defineForStart(definition: HostFunction): void {
    const { name, body } = definition;
    this.defineForConfiguration({
      ...definition,
      body: (call) => {
        if (this.tasks.current === "configuration") return body(call);
        throw new LuaError(`${name}: only the configuration can do this: change it there and restart`);
      },
    });
  }

  /**
   * Runs a file of Lua, such as the configuration.
   * @param source its bytes
   * @param name the file's name in messages
   * @throws {PolicyError}
   */
  async runFile(source: Uint8Array, name: string): Promise<void> {
    const { state } = this;
    // As Lua's own loader does: a byte order mark is skipped, and a first line that begins with # is a comment, which stays
    // for the line numbers.
    const bytes = withoutByteOrderMark(fromBytes(source)).replace(/^#/, "--#") as ByteString;
    const prepare = (L: LuaThread): number => {
      state.pushChunk(L, bytes, `@${shortChunkName(name)}`);
      this.onCompiled?.(state.dump(L));
      return 0;
    };
    await this.tasks.run("configuration", prepare, () => {});
  }

  /** Whether a global, or a field of one, is there. */
  async isDefined(name: string, field?: string): Promise<boolean> {
    const { state } = this;
    return this.tasks.run(
      "configuration",
      (L) => {
        state.pushReference(L, this.drivers.isDefined);
        state.pushBytes(L, toByteString(name));
        state.push(L, field === undefined ? undefined : toByteString(field));
        return 2;
      },
      (L) => state.api.lua_toboolean(L, 1) !== 0,
    );
  }

  /** Runs a report function. Resolved when it has returned; at once if it did not wait. */
  runReport(report: Reference, tuple: LoginTuple): MaybePromise<void> {
    const { state } = this;
    return this.tasks.run(
      "report",
      (L) => {
        state.pushReference(L, this.drivers.runReport);
        state.pushReference(L, report);
        this.codec.pushLoginTuple(L, tuple);
        return 2;
      },
      () => {},
      tuple.t,
    );
  }

  /** Runs a background function. Resolved when it has returned; at once if it did not wait. */
  runBackground(background: Reference): MaybePromise<void> {
    const prepare = (L: LuaThread): number => {
      this.state.pushReference(L, background);
      return 0;
    };
    return this.tasks.run("background", prepare, () => {});
  }

  /** Runs a custom endpoint. */
  runEndpoint(endpoint: Reference, args: Attributes): MaybePromise<EndpointResult> {
    const { state } = this;
    return this.tasks.run(
      "endpoint",
      (L) => {
        state.pushReference(L, this.drivers.runEndpoint);
        state.pushReference(L, endpoint);
        this.codec.pushAttributes(L, args);
        return 2;
      },
      (L) => readEndpointResult(state, L),
    );
  }

  /** See {@link runConsoleChunk}. */
  runConsole(chunk: ByteString): Promise<ByteString> {
    const { state, tasks, output, drivers } = this;
    return runConsoleChunk(chunk, { state, tasks, output, driver: drivers.runConsole });
  }
}
