/**
 * The Lua engine: the state with its prelude and host functions, and the ways to run Lua in it.
 */
import { type ByteString, fromBytes, toByteString } from "../byte-string.ts";
import type { Clock } from "../clock.ts";
import { GeoIPDatabases } from "../geoip-databases.ts";
import type { Log } from "../log.ts";
import type { Attributes, LoginTuple } from "../login-tuple.ts";
import { type HostFunction, pushHostFunction } from "./call.ts";
import { Codec } from "./codec.ts";
import { addressFunctions } from "./functions/address.ts";
import { geoipLookups, geoipReloads } from "./functions/geoip.ts";
import { logFunctions } from "./functions/log.ts";
import { lua51Functions, moduleFunctions, systemFunctions } from "./functions/lua51.ts";
import { type WaitingFunction, waitingFunctions } from "./functions/wait.ts";
import addressPrelude from "./prelude/address.lua" with { type: "text" };
import bitPrelude from "./prelude/bit.lua" with { type: "text" };
import coroutinePrelude from "./prelude/coroutine.lua" with { type: "text" };
import finalizersPrelude from "./prelude/finalizers.lua" with { type: "text" };
import geoipPrelude from "./prelude/geoip.lua" with { type: "text" };
import loginTuplePrelude from "./prelude/login-tuple.lua" with { type: "text" };
import lua51Prelude from "./prelude/lua51.lua" with { type: "text" };
import modulesPrelude from "./prelude/modules.lua" with { type: "text" };
import systemPrelude from "./prelude/system.lua" with { type: "text" };
import { LuaState, type Reference } from "./state.ts";
import { PolicyError, Tasks } from "./tasks.ts";
import { type LuaThread, Type } from "./wasm.ts";

/** What a custom endpoint answers. */
export interface EndpointResult {
  success: boolean;
  attributes: [name: string, value: string][];
}

type MaybePromise<T> = T | Promise<T>;

export interface EngineOptions {
  clock: Clock;
  log: Log;
  /** What relative paths in Lua are relative to. */
  directory: string;
}

/** Lua cuts the names of chunks to this many bytes. */
const LONGEST_CHUNK_NAME = 59;
/** U+FEFF in UTF-8, as a byte string. */
const BYTE_ORDER_MARK = /^\xef\xbb\xbf/;

/** The name of a file as Lua's messages will have it: whole, or without its folder where that is too long. */
export const shortChunkName = (file: string): string =>
  Buffer.byteLength(file) > LONGEST_CHUNK_NAME ? file.slice(file.lastIndexOf("/") + 1) : file;

export class Engine {
  readonly tasks: Tasks;
  readonly geoip: GeoIPDatabases;
  private readonly codec: Codec;
  private readonly ignored = new Set<string>();
  private runReportDriver!: Reference;
  private runEndpointDriver!: Reference;

  private constructor(
    readonly state: LuaState,
    private readonly log: Log,
  ) {
    this.tasks = new Tasks(state);
    this.geoip = new GeoIPDatabases(log);
    this.codec = new Codec(state);
  }

  static async create({ clock, log, directory }: EngineOptions): Promise<Engine> {
    const engine = new Engine(await LuaState.open(clock, directory), log);
    engine.installPrelude(clock);
    for (const definition of [...logFunctions(log), ...geoipReloads(engine.geoip)]) engine.define(definition);
    return engine;
  }

  /** Frees the state. Tasks that still wait are dropped. */
  close(): void {
    this.tasks.close();
    this.state.close();
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
      body: (call) => {
        const kind = this.tasks.current;
        if (kind === "configuration" || kind === "console") return body(call);
        if (!this.ignored.has(name)) {
          this.ignored.add(name);
          this.log.error(
            `${name}() has no effect in a ${kind} function: call it from the configuration or the console`,
          );
        }
      },
    });
  }

  /**
   * Runs a file of Lua, such as the configuration.
   * @param source its bytes
   * @param name the file's name in messages
   * @throws {LuaError} for a syntax error, {@link PolicyError} for one raised
   */
  async runFile(source: Uint8Array, name: string): Promise<void> {
    const { state } = this;
    // As Lua's own loader does: a byte order mark is skipped, and a first line that begins with # is a comment, which stays
    // for the line numbers.
    const bytes = fromBytes(source).replace(BYTE_ORDER_MARK, "").replace(/^#/, "--#") as ByteString;
    const prepare = (L: LuaThread): number => {
      state.pushChunk(L, bytes, `@${shortChunkName(name)}`);
      return 0;
    };
    await this.tasks.run("configuration", prepare, () => {});
  }

  /** Runs a report function. Resolved when it has returned; at once if it did not wait. */
  runReport(report: Reference, tuple: LoginTuple): MaybePromise<void> {
    const { state } = this;
    return this.tasks.run(
      "report",
      (L) => {
        state.pushReference(L, this.runReportDriver);
        state.pushReference(L, report);
        this.codec.pushLoginTuple(L, tuple);
        return 2;
      },
      () => {},
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
        state.pushReference(L, this.runEndpointDriver);
        state.pushReference(L, endpoint);
        this.codec.pushAttributes(L, args);
        return 2;
      },
      (L) => this.readEndpointResult(L),
    );
  }

  /** @throws {PolicyError} when the values are not a boolean and, perhaps, a table of strings, numbers and booleans */
  private readEndpointResult(L: LuaThread): EndpointResult {
    const { state } = this;
    const { api } = state;
    if (api.lua_type(L, 1) !== Type.boolean) {
      throw new PolicyError(`a custom endpoint must return a boolean first, not ${state.typeName(L, 1)}`, "");
    }
    const success = api.lua_toboolean(L, 1) !== 0;
    const attributes: [string, string][] = [];
    const second = api.lua_type(L, 2);
    if (second !== Type.table && second > Type.nil) {
      throw new PolicyError(`a custom endpoint must return a table second, not ${state.typeName(L, 2)}`, "");
    }
    if (second === Type.table) {
      state.eachPair(L, 2, () => {
        const name = state.scalarText(L, -2) ?? state.typeName(L, -2);
        const value = state.scalarText(L, -1);
        if (value === undefined) {
          const problem = `a custom endpoint's values must be strings, numbers or booleans; '${name}' is a ${state.typeName(L, -1)}`;
          throw new PolicyError(problem, "");
        }
        attributes.push([name, value]);
      });
    }
    return { success, attributes };
  }

  private installPrelude(clock: Clock): void {
    const [makeWaiting] = this.runPrelude("coroutine", coroutinePrelude, [{ was_cut: this.tasks.wasCut }]);
    for (const waiting of waitingFunctions(clock)) this.defineWaiting(waiting, makeWaiting!);
    const [blamed] = this.runPrelude("lua51", lua51Prelude, [lua51Functions()]);
    this.runPrelude("bit", bitPrelude, []);
    this.runPrelude("modules", modulesPrelude, [moduleFunctions(this.tasks)]);
    this.runPrelude("system", systemPrelude, [systemFunctions(clock), blamed!]);
    const addressParts = this.runPrelude("address", addressPrelude, [addressFunctions(this.log)]);
    const [makeAddress, ...classChecks] = addressParts;
    this.runPrelude("geoip", geoipPrelude, [geoipLookups(this.geoip, this.log), ...classChecks]);
    const drivers = this.runPrelude("login-tuple", loginTuplePrelude, [makeAddress!]);
    this.runPrelude("finalizers", finalizersPrelude, []);
    [this.runReportDriver, this.runEndpointDriver] = drivers as [Reference, Reference];
  }

  /** Runs a chunk of the prelude with tables of host functions, or Lua values, as arguments. */
  private runPrelude(name: string, source: string, args: (Record<string, HostFunction> | Reference)[]): Reference[] {
    const { state } = this;
    const { api } = state;
    const prepare = (L: LuaThread): number => {
      state.pushChunk(L, toByteString(source), `=[${name}]`);
      for (const arg of args) {
        if (typeof arg === "number") {
          state.pushReference(L, arg);
          continue;
        }
        api.lua_createtable(L, 0, 0);
        for (const [key, definition] of Object.entries(arg)) {
          pushHostFunction(state, L, definition);
          api.lua_setfield(L, -2, state.constant(key));
        }
      }
      return args.length;
    };
    const takeAll = (L: LuaThread, count: number): Reference[] => {
      const references = Array.from({ length: count }, () => state.reference(L));
      return references.reverse();
    };
    // The prelude never waits, so the result is there at once.
    return this.tasks.run("configuration", prepare, takeAll) as Reference[];
  }

  private defineWaiting({ name, begin }: WaitingFunction, makeWaiting: Reference): void {
    const { state } = this;
    const functions = this.tasks.waitingFunctions(name, begin);
    const prepare = (L: LuaThread): number => {
      state.pushReference(L, makeWaiting);
      pushHostFunction(state, L, functions.begin);
      pushHostFunction(state, L, functions.take);
      return 2;
    };
    this.tasks.run("configuration", prepare, (L) => state.api.lua_setglobal(L, state.constant(name)));
  }
}
