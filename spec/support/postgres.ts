/** A PostgreSQL server of its own, on a Unix socket in a temporary folder. */
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "./daemon.ts";

/** Where Debian has them, newest first; others have them on the PATH. */
const DEBIAN = "/usr/lib/postgresql";
const newestFirst = (a: string, b: string): number => Number(b) - Number(a);
const folders = existsSync(DEBIAN)
  ? readdirSync(DEBIAN)
      .toSorted(newestFirst)
      .map((version) => join(DEBIAN, version, "bin"))
  : [];
const BIN = folders.find((folder) => existsSync(join(folder, "initdb"))) ?? onPath();

function onPath(): string | undefined {
  const found = Bun.which("initdb");
  return found === null ? undefined : join(found, "..");
}

const isRoot = process.getuid?.() === 0;

/** Why there is none: an empty text when there is. */
export const noPostgres = BIN === undefined ? " (not run: PostgreSQL is not installed)" : "";

/** It refuses to run as root. */
const asOrdinary = (command: string[]): string[] =>
  isRoot ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", ...command] : command;
/** Of nobody and nogroup. */
const NOBODY = 65_534;

export class PostgresServer implements AsyncDisposable {
  private readonly folder = temporaryFolder();
  private readonly data = join(this.folder.path, "data");
  /** The folder of its socket. */
  readonly socket = join(this.folder.path, "socket");
  private process: Bun.Subprocess | undefined;
  private databases = 0;
  /** Where it listens with TLS, if it does. */
  port = 0;

  private constructor() {
    for (const path of [this.data, this.socket]) mkdirSync(path);
    if (isRoot) for (const path of [this.folder.path, this.data, this.socket]) chownSync(path, NOBODY, NOBODY);
  }

  /** @param tls has it listen on 127.0.0.1, too, for TLS and passwords alone */
  static async start(tls?: { cert: string; key: string }): Promise<PostgresServer> {
    const server = new PostgresServer();
    const init = ["-D", server.data, "-U", "spec", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    await run(asOrdinary([join(BIN!, "initdb"), ...init]));
    if (tls) server.secure(tls);
    await server.resume();
    return server;
  }

  /** Starts it, again if it was killed. */
  async resume(): Promise<void> {
    const settings = [
      ...(this.port ? ["listen_addresses=127.0.0.1", `port=${this.port}`, "ssl=on"] : ["listen_addresses="]),
      `unix_socket_directories=${this.socket}`,
      "fsync=off",
      "shared_buffers=32MB",
    ];
    this.process = Bun.spawn(
      asOrdinary([join(BIN!, "postgres"), "-D", this.data, ...settings.flatMap((setting) => ["-c", setting])]),
      { stdout: "ignore", stderr: "ignore" },
    );
    const ready = asOrdinary([join(BIN!, "pg_isready"), "-q", "-h", this.socket, ...this.onPort, "-t", "1"]);
    while (this.process.exitCode === null && (await Bun.spawn(ready).exited) !== 0) await Bun.sleep(20);
    if (this.process.exitCode !== null) throw new Error("PostgreSQL ended at once");
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    this.process?.kill("SIGQUIT");
    await this.process?.exited;
  }

  /** Makes an empty database. @returns its url */
  async database(): Promise<string> {
    const name = `spec${++this.databases}`;
    await run([join(BIN!, "createdb"), "-h", this.socket, ...this.onPort, "-U", "spec", name]);
    return this.url(name);
  }

  url(database: string): string {
    const port = this.port ? `?port=${this.port}` : "";
    return `postgres://spec@${encodeURIComponent(this.socket)}/${database}${port}`;
  }

  private get onPort(): string[] {
    return this.port ? ["-p", String(this.port)] : [];
  }

  private secure({ cert, key }: { cert: string; key: string }): void {
    using free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    this.port = free.port;
    for (const [from, name] of [
      [cert, "server.crt"],
      [key, "server.key"],
    ] as const) {
      const to = join(this.data, name);
      copyFileSync(from, to);
      chmodSync(to, 0o600);
      if (isRoot) chownSync(to, NOBODY, NOBODY);
    }
    writeFileSync(join(this.data, "pg_hba.conf"), "local all all trust\nhostssl all all all scram-sha-256\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.folder[Symbol.dispose]();
  }
}

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) throw new Error(`${command[0]}: ${await new Response(child.stderr).text()}`);
}
