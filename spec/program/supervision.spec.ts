/** The program under a supervisor: what systemd is told, what reaches syslog and the journal, and SIGHUP. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { AUTHORIZATION, PREAMBLE, temporaryFolder } from "../support/daemon.ts";
import { type Program, startProgram } from "../support/program.ts";
import { NO_RECEIVER, startReceiver, type UnixReceiver } from "../support/unix-receiver.ts";

const GEOIP = join(import.meta.dir, "..", "..", "fixtures", "geoip");
const LISTENING = /listening on (\S+)\n/;

/** Replaces /dev in a namespace of the program's own by one in which $SOCKET is /dev/log, then runs the program. */
const WITH_DEV_LOG = `
  mkdir "$FOLDER/dev" && mount --rbind /dev "$FOLDER/dev" && mount -t tmpfs none /dev || exit 100
  for name in null zero random urandom full fd; do ln -s "$FOLDER/dev/$name" "/dev/$name"; done
  ln -s "$SOCKET" /dev/log && exec "$@"`;
const NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"];

function whyNoNamespace(): string | undefined {
  if (NO_RECEIVER) return NO_RECEIVER;
  using folder = temporaryFolder();
  const env = { ...process.env, FOLDER: folder.path, SOCKET: "x" };
  const tried = Bun.which("unshare") && Bun.spawnSync([...NAMESPACE, "sh", "-c", WITH_DEV_LOG, "sh", "true"], { env });
  return tried && tried.exitCode === 0 ? undefined : "no namespace of mounts can be made here";
}
const NO_NAMESPACE = whyNoNamespace();
const skipped = (why: string | undefined): string => (why ? ` (skipped: ${why})` : "");

interface Supervised extends AsyncDisposable {
  program: Program;
  folder: string;
  /** Takes the place of NOTIFY_SOCKET or /dev/log. */
  receiver: UnixReceiver;
}

/** @param launcher given the path of the socket and of a folder */
function start(
  configuration: string,
  launcher: (socket: string, folder: string) => string[],
  args: string[] = ["-s"],
): Supervised {
  const temporary = temporaryFolder();
  const folder = temporary.path;
  const [file, socket] = [join(folder, "spec.conf"), join(folder, "socket")];
  copyFileSync(join(GEOIP, "GeoIP2-Country-Test.mmdb"), join(folder, "db.mmdb"));
  writeFileSync(file, configuration);
  const receiver = startReceiver(socket);
  const program = startProgram([...args, "-C", file], "index.ts", folder, launcher(socket, folder));
  return {
    program,
    folder,
    receiver,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      receiver[Symbol.dispose]();
      temporary[Symbol.dispose]();
    },
  };
}

const notified =
  (...more: string[]) =>
  (socket: string): string[] => ["env", `NOTIFY_SOCKET=${socket}`, ...more];

describe.skipIf(NO_RECEIVER !== undefined)(`the service manager${skipped(NO_RECEIVER)}`, () => {
  test("hears when the daemon listens and when it stops", async () => {
    await using setup = start(PREAMBLE, notified());
    expect(await setup.receiver.waitFor(/READY/)).toEqual(["READY=1"]);
    const [, address] = await setup.program.waitFor(LISTENING);
    expect((await fetch(`http://${address}/readyz`)).status).toBe(200);
    setup.program.kill("SIGTERM");
    expect((await setup.program.ended).code).toBe(0);
    expect(setup.receiver.read()).toEqual(["STOPPING=1"]);
  });

  test("hears nothing of a start that fails", async () => {
    await using setup = start('addListener("192.0.2.1:1", false, "", "", {})', notified());
    expect((await setup.program.ended).code).toBe(1);
    expect(setup.receiver.read()).toEqual([]);
  });

  test("hears again and again that the daemon is alive", async () => {
    await using setup = start(PREAMBLE, notified("WATCHDOG_USEC=20000"));
    const [ready] = await setup.receiver.waitFor(/WATCHDOG/);
    expect(ready).toBe("READY=1");
    expect((await setup.receiver.waitFor(/WATCHDOG/))[0]).toBe("WATCHDOG=1");
  });

  test("hears nothing from a daemon that has detached", async () => {
    await using setup = start(`${PREAMBLE} shutdown()`, notified(), ["-d"]);
    await setup.program.ended;
    expect(setup.receiver.read()).toEqual([]);
  });
});

describe("SIGHUP", () => {
  const LOOKUP = `${PREAMBLE} newGeoIP2DB("db", "db.mmdb")
    setCustomEndpoint("isp", function() return true, { isp = getGeoIP2DB("db"):lookupISP(newCA("89.160.20.112")) } end)`;

  async function isp(address: string): Promise<string> {
    const response = await fetch(`http://${address}/command/isp`, {
      method: "POST",
      headers: AUTHORIZATION,
      body: "{}",
    });
    return ((await response.json()) as { r_attrs: { isp: string } }).r_attrs.isp;
  }

  test.skipIf(NO_RECEIVER !== undefined)("opens GeoIP databases anew, and systemd hears of it", async () => {
    await using setup = start(LOOKUP, notified());
    await setup.receiver.waitFor(/READY/);
    const [, address] = await setup.program.waitFor(LISTENING);
    expect(await isp(address!)).toBe("");
    copyFileSync(join(GEOIP, "GeoIP2-ISP-Test.mmdb"), join(setup.folder, "db.mmdb"));
    setup.program.kill("SIGHUP");
    expect(await setup.receiver.waitFor(/READY/)).toEqual(["RELOADING=1", "READY=1"]);
    expect(await isp(address!)).toBe("Bredband2 AB");
    expect(setup.program.output()).toEndWith("reloaded: the log, 1 of 1 GeoIP databases, 0 of 0 certificates\n");

    writeFileSync(join(setup.folder, "db.mmdb"), "broken");
    setup.program.kill("SIGHUP");
    await setup.receiver.waitFor(/READY/);
    expect(await isp(address!)).toBe("Bredband2 AB");
    await setup.program.waitFor(/GeoIP database db: .*; the former one stays in use\nreloaded: .* 0 of 1 .*\n/);
  });

  test("harms neither a start nor a stop, however often it comes", async () => {
    using folder = temporaryFolder();
    const go = join(folder.path, "go");
    const wait = `print("starts") while not io.open("${go}") do sleep(0.01) end`;
    await using setup = start(
      `${PREAMBLE} ${wait} setReport(function() print("waits") while not io.open("${go}2") do sleep(0.01) end end)`,
      () => [],
    );
    const { program } = setup;
    const hangUp = (): void => {
      for (let i = 0; i < 20; i++) program.kill("SIGHUP");
    };
    await program.waitFor(/starts\n/);
    hangUp();
    writeFileSync(go, "");
    const [, address] = await program.waitFor(LISTENING);
    hangUp();
    await program.waitFor(/reloaded/);
    const options = { method: "POST", headers: AUTHORIZATION, body: "{}" };
    const answer = fetch(`http://${address}/?command=report`, options);
    await program.waitFor(/waits\n/);
    program.kill("SIGTERM");
    await program.waitFor(/waiting for 1 request\n/);
    hangUp();
    writeFileSync(`${go}2`, "");
    expect((await answer).status).toBe(200);
    const { code, output, errors } = await program.ended;
    expect([code, errors]).toEqual([0, ""]);
    expect(output).toMatch(/waiting for 1 request\nstopped\n$/);
  });
});

describe.skipIf(NO_NAMESPACE !== undefined)(`/dev/log${skipped(NO_NAMESPACE)}`, () => {
  const LINES = `${PREAMBLE} errorLog("E", { login = "joe\\n<0>forged" }) infoLog("I") debugLog("D")`;
  const withDevLog = (command: string) => (socket: string, folder: string) => [
    ...NAMESPACE,
    "env",
    `SOCKET=${socket}`,
    `FOLDER=${folder}`,
    "sh",
    "-c",
    command,
    "sh",
  ];
  const texts = (lines: string[]): string[] => lines.map((line) => line.replace(/^(<\d+>).*?\]: /, "$1"));

  test("gets each line, under the facility of -f, whatever -l says", async () => {
    await using setup = start(LINES, withDevLog(WITH_DEV_LOG), ["-D", "-l3", "-f", "local3"]);
    const lines = await setup.receiver.waitFor(/listening/);
    expect(lines[0]).toMatch(
      /^<155>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d trackalert\[\d+\]: E: login="joe\\n<0>forged"$/,
    );
    expect(texts(lines.slice(1))).toEqual(["<158>I", expect.stringMatching(/^<157>listening on /)]);
    setup.program.kill("SIGTERM");
    const { output } = await setup.program.ended;
    expect(output).toMatch(/^\[[^\]]+\] E: login="joe\\n<0>forged"\n$/);
    expect(texts(setup.receiver.read())).toEqual(["<157>SIGTERM received, stopping", "<157>stopped"]);
  });

  test("does not stop the daemon when it is not read", async () => {
    const many = `${PREAMBLE} for i = 1, 20000 do infoLog("line " .. i .. string.rep(".", 200)) end shutdown()`;
    await using setup = start(many, withDevLog(WITH_DEV_LOG), ["-s", "-l3"]);
    expect((await setup.program.ended).code).toBe(0);
    expect(setup.receiver.read()[0]).toContain("line 1...");
  });

  test("is not needed; a debug line says that nobody listens", async () => {
    const launcher = (_: string, folder: string): string[] => withDevLog(WITH_DEV_LOG)("/no/such/socket", folder);
    await using setup = start(PREAMBLE, launcher, ["-sv"]);
    await setup.program.waitFor(/nothing goes to syslog: no socket takes datagrams at \/dev\/log\n/);
    setup.program.kill("SIGHUP");
    await setup.program.waitFor(/reloaded/);
    setup.program.kill("SIGTERM");
    expect((await setup.program.ended).code).toBe(0);
  });

  test("gets nothing when standard output is the journal, which gets each line's level instead", async () => {
    const stream = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/1)\n";
    await using setup = start(LINES, withDevLog(stream + WITH_DEV_LOG), ["-s", "-f", "local3"]);
    await setup.program.waitFor(LISTENING);
    const [warning, ...lines] = setup.program.output().split("\n");
    expect(warning).toBe("<4>-f has no effect under the journal: set SyslogFacility= in the unit");
    expect(lines.join("\n")).toMatch(/^<3>E: login="joe\\n<0>forged"\n<6>I\n<5>listening on \S+\n$/);
    expect(setup.receiver.read()).toEqual([]);
  });
});
