import { describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { AUTHORIZATION, PREAMBLE, temporaryFolder } from "../support/daemon.ts";
import { startCommand, startProgram } from "../support/program.ts";

const PROJECT = join(import.meta.dir, "..", "..");

/** A folder with a configuration named spec.conf. */
function configuration(text: string): { file: string; path: string } & Disposable {
  const folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  writeFileSync(file, text);
  return { file, path: folder.path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

const LISTENING = /listening on (\S+)\n/;

describe("the daemon", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "serves until %s, then answers what is in flight and exits 0",
    async (signal) => {
      using conf = configuration(`${PREAMBLE} setReport(function() sleep(0.2) infoLog("done") end)`);
      await using program = startProgram(["-s", "-C", conf.file]);
      const [, address] = await program.waitFor(LISTENING);
      const answer = fetch(`http://${address}/?command=report`, { method: "POST", headers: AUTHORIZATION, body: "{}" });
      const stats = async (): Promise<{ reports: number }> =>
        (await (await fetch(`http://${address}/command/stats`, { headers: AUTHORIZATION })).json()) as {
          reports: number;
        };
      while ((await stats()).reports === 0) await Bun.sleep(1);
      program.kill(signal);
      expect((await answer).status).toBe(200);
      const { code, output, errors } = await program.ended;
      expect([code, errors]).toEqual([0, ""]);
      expect(output).toContain(`${signal} received, stopping`);
      expect(output).toContain("done\n");
      expect(output).toEndWith("stopped\n");
    },
  );

  test("ends in good order on shutdown()", async () => {
    using conf = configuration(`${PREAMBLE} shutdown()`);
    await using program = startProgram(["-s", "-C", conf.file]);
    const { code, output } = await program.ended;
    expect(code).toBe(0);
    expect(output).toEndWith("shutdown() received, stopping\nstopped\n");
  });

  test("ends at once on a second signal, of either kind", async () => {
    using conf = configuration(`${PREAMBLE} setReport(function() sleep(3600) end)`);
    await using program = startProgram(["-s", "-C", conf.file]);
    const [, address] = await program.waitFor(LISTENING);
    const answer = fetch(`http://${address}/?command=report`, {
      method: "POST",
      headers: AUTHORIZATION,
      body: "{}",
    }).catch(() => {});
    const stats = (): Promise<Response> => fetch(`http://${address}/command/stats`, { headers: AUTHORIZATION });
    while (((await (await stats()).json()) as { reports: number }).reports === 0) await Bun.sleep(1);
    program.kill("SIGTERM");
    await program.waitFor(/waiting for/);
    program.kill("SIGINT");
    const { code, output } = await program.ended;
    expect(code).toBe(1);
    expect(output).toEndWith("waiting for 1 request\nSIGINT received while stopping, ending at once\n");
    await answer;
  });

  test("stops in good order on the same signal twice, as a wrapper passes it on", async () => {
    using conf = configuration(PREAMBLE);
    await using program = startProgram(["-s", "-C", conf.file]);
    await program.waitFor(LISTENING);
    program.kill("SIGINT");
    program.kill("SIGINT");
    const { code, output } = await program.ended;
    expect(code).toBe(0);
    expect(output).toEndWith("SIGINT received, stopping\nstopped\n");
  });

  test("shows its last lines to a reader that is slow", async () => {
    using conf = configuration(`${PREAMBLE} for i = 1, 1000 do infoLog(string.rep("x", 1000)) end shutdown()`);
    const go = join(conf.path, "go");
    // The pipe is full long before the daemon ends; nobody reads until it has opened its listener.
    const reader = `"$@" | { while [ ! -e ${go} ]; do sleep 0.01; done; cat; }`;
    writeFileSync(conf.file, `${readFileSync(conf.file, "utf8")} io.open("${go}", "w"):close()`);
    await using program = startProgram(["-s", "-C", conf.file], "index.ts", PROJECT, ["sh", "-c", reader, "sh"]);
    expect((await program.ended).output).toEndWith("shutdown() received, stopping\nstopped\n");
  });

  test("logs an error that nobody has caught, and exits 1", async () => {
    using conf = configuration(PREAMBLE);
    const preload = join(conf.path, "preload.ts");
    writeFileSync(preload, 'process.on("SIGUSR2", () => { throw new Error("boom\\u001b"); });');
    await using program = startCommand(
      [process.execPath, "--preload", preload, join(PROJECT, "index.ts"), "-s", "-C", conf.file],
      PROJECT,
    );
    await program.waitFor(LISTENING);
    program.kill("SIGUSR2");
    const { code, output } = await program.ended;
    expect(code).toBe(1);
    expect(output).toMatch(/\ninternal error: Error: boom\\x1b\n +at .*\n/);
  });

  test("has the configuration's folder as its working directory", async () => {
    using conf = configuration(
      `${PREAMBLE} dofile("other.lua") infoLog("read", { own = io.open("spec.conf") ~= nil })`,
    );
    writeFileSync(join(conf.path, "other.lua"), 'infoLog("other.lua ran")');
    await using program = startProgram(["-sC", conf.file], "index.ts", "/");
    await program.waitFor(LISTENING);
    expect(program.output()).toContain('other.lua ran\nread: own="true"\n');
  });

  test("stamps each line with -D", async () => {
    using conf = configuration(PREAMBLE);
    await using program = startProgram(["-D", "-C", conf.file]);
    await program.waitFor(LISTENING);
    expect(program.output()).toMatch(/^(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] .*\n)+$/);
  });

  test("shows what is within -l, and all with -v", async () => {
    using conf = configuration(
      `${PREAMBLE} errorLog("E") warnLog("W") infoLog("I") vinfoLog("V") debugLog("D") print("ready")`,
    );
    const shown = async (...args: string[]): Promise<string> => {
      await using program = startProgram(["-s", ...args, "-C", conf.file]);
      await program.waitFor(/ready\n/);
      return program.output().replace(/ready\n[^]*/, "");
    };
    expect(await shown()).toBe("E\nW\nI\n");
    expect(await shown("-l4")).toBe("E\nW\n");
    expect(await shown("-l", "0")).toBe("");
    expect(await shown("-v")).toBe("E\nW\nI\nV\nD\n");
  });

  test("serves IPv4 and IPv6 side by side", async () => {
    using conf = configuration(`${PREAMBLE} addListener("[::1]:0", false, "", "", {})`);
    await using program = startProgram(["-s", "-C", conf.file]);
    const [, v4, v6] = await program.waitFor(/listening on (127\.0\.0\.1:\d+)\nlistening on (\[::1\]:\d+)\n/);
    for (const address of [v4, v6]) expect((await fetch(`http://${address}/readyz`)).status).toBe(200);
  });
});

describe("-R", () => {
  const SHOW = `${PREAMBLE} setReport(function(lt) last = lt.device_attrs end)
    setCustomEndpoint("last", function() return true, last end)`;
  const AGENT =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15";

  async function deviceOf(...args: string[]): Promise<{ attrs: Record<string, string>; output: string }> {
    using conf = configuration(SHOW);
    await using program = startProgram(["-s", "-C", conf.file, ...args]);
    const [, address] = await program.waitFor(LISTENING);
    const post = (path: string, body: object): Promise<Response> =>
      fetch(`http://${address}${path}`, { method: "POST", headers: AUTHORIZATION, body: JSON.stringify(body) });
    await post("/?command=report", { protocol: "http", device_id: AGENT });
    const { r_attrs } = (await (await post("/?command=last", {})).json()) as { r_attrs: Record<string, string> };
    return { attrs: r_attrs, output: program.output() };
  }

  test("names the rules for user agents; without it they are read all the same", async () => {
    const regexes = join(PROJECT, "node_modules", "uap-core", "regexes.yaml");
    const { attrs } = await deviceOf("-R", regexes);
    expect(attrs).toMatchObject({ "browser.family": "Safari", "os.family": "Mac OS X", "device.family": "Mac" });
    expect(Object.keys((await deviceOf()).attrs).toSorted()).toEqual(Object.keys(attrs).toSorted());
  });

  test("reports a rule that does not compile with its line, and goes on", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "regexes.yaml");
    writeFileSync(
      file,
      "user_agent_parsers:\n  - regex: '(Safari'\n  - regex: '(Safari)/(\\d+)'\nos_parsers: []\ndevice_parsers: []\n",
    );
    const { attrs, output } = await deviceOf(`-R${file}`);
    expect(attrs).toMatchObject({ "browser.family": "Safari", "browser.major": "605" });
    expect(output).toContain(`${file}:2: `);
  });

  test("of a file that is not there is a mistake of the command line for --replay, exit 2", async () => {
    await using program = startProgram(
      ["--replay", "fixtures/spray.replay.yaml", "-R", "/no/such.yaml"],
      "index.ts",
      PROJECT,
    );
    expect(await program.ended).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/^\/no\/such\.yaml: cannot be read: ENOENT/),
    });
  });

  test("of a file that is not there is an error, exit 1", async () => {
    await using program = startProgram(["-s", "-R", "/no/such.yaml"]);
    const { code, errors } = await program.ended;
    expect(code).toBe(1);
    expect(errors).toStartWith("/no/such.yaml: ");
  });
});

describe("a configuration that cannot be used ends the start with exit 1 and nothing left running", () => {
  test.each([
    ["does not parse", "x = = 1", /^\S*spec\.conf:1: unexpected symbol near '='\n$/],
    ["raises", "\nerror('no')", /^\S*spec\.conf:2: no\nstack traceback:\n/],
    ["raises a table", "error({})", /^\S*spec\.conf: table: 0x\w+\n/],
    [
      "calls a function wrongly",
      "addACL(nil)",
      /^\S*spec\.conf:1: bad argument #1 to 'addACL' \(string expected, got nil\)\n/,
    ],
    [
      "has a bad mask",
      "setACL({'10.0.0.0/33'})",
      /spec\.conf:1: bad argument #1 to 'setACL' \(netmask .* got "10\.0\.0\.0\/33"\)/,
    ],
    [
      "has a bad address",
      "addListener('localhost:80', false, '', '', {})",
      /spec\.conf:1: bad argument #1 to 'addListener' \(an IP address and port/,
    ],
    [
      "names an endpoint as a built-in command",
      "setCustomEndpoint('report', print)",
      /spec\.conf:1: setCustomEndpoint: 'report' is a built-in command/,
    ],
    ["loads a file that is not there", "dofile('gone.lua')", /gone\.lua/],
    [
      "asks for a module that is not there",
      "require 'none'",
      /not found; .*\n  no none\.lua or none\/init\.lua in \., /,
    ],
    ["loops", "setReportTimeout(0.1) while true do end", /spec\.conf:1: stopped after 0\.1 s on the processor/],
  ])("one that %s", async (_, text, message) => {
    using conf = configuration(text);
    await using program = startProgram(["-s", "-C", conf.file]);
    const { code, output, errors } = await program.ended;
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toMatch(message);
  });

  test("one whose key is refused, which setKey answers and says", async () => {
    using conf = configuration("controlSocket('127.0.0.1:0')\nif not setKey('c2hvcnQ=') then print('refused') end");
    await using program = startProgram(["-s", "-C", conf.file]);
    const { code, output, errors } = await program.ended;
    expect(code).toBe(1);
    expect(output).toMatch(/^\S*spec\.conf:2: setKey: not the base64 of 32 bytes\nrefused\n$/);
    expect(errors).toMatch(/^controlSocket: there is no key: \S*spec\.conf:2: setKey: not the base64 of 32 bytes\n$/);
  });

  test("one of wforce's, with a hint", async () => {
    using conf = configuration("\naddWebHook({ 'report' }, { url = 'http://127.0.0.1/' })");
    await using program = startProgram(["-s", "-C", conf.file]);
    const { code, errors } = await program.ended;
    expect(code).toBe(1);
    expect(errors).toMatch(
      /^\S*spec\.conf:2: attempt to call a nil value \(global 'addWebHook'\): addWebHook is wforce's: /,
    );
  });

  test("one that is not there, or is a folder", async () => {
    using folder = temporaryFolder();
    for (const [file, why] of [
      [join(folder.path, "no.conf"), "ENOENT"],
      [folder.path, "EISDIR"],
    ] as const) {
      await using program = startProgram(["-s", "-C", file]);
      expect(await program.ended).toEqual({ code: 1, output: "", errors: `${file}: cannot be read: ${why}\n` });
    }
  });

  test("one that asks for a port that another trackalert has, or for one twice", async () => {
    using conf = configuration(PREAMBLE);
    await using first = startProgram(["-s", "-C", conf.file]);
    const [, address] = await first.waitFor(LISTENING);
    using same = configuration(`addListener("${address}", false, "", "", {})`);
    await using second = startProgram(["-s", "-C", same.file]);
    const inUse = `cannot listen on ${address}: EADDRINUSE: the address is in use, by`;
    const told = new RegExp(`^${RegExp.escape(inUse)} process \\d+ \\(\\S+\\)\n$`);
    expect(await second.ended).toMatchObject({ code: 1, errors: expect.stringMatching(told) });
    first.kill("SIGTERM");
    await first.ended;
    using twice = configuration(`for i = 1, 2 do addListener("${address}", false, "", "", {}) end`);
    await using third = startProgram(["-s", "-C", twice.file]);
    expect(await third.ended).toMatchObject({ code: 1, errors: `${inUse} this process\n` });
  });

  test("one whose path is longer than Lua can show", async () => {
    using folder = temporaryFolder();
    const deep = join(folder.path, "a".repeat(100));
    mkdirSync(deep);
    const file = join(deep, "spec.conf");
    writeFileSync(file, "\nerror('\\27[31m')");
    await using program = startProgram(["-s", "-C", file]);
    const { code, errors } = await program.ended;
    expect([code, errors.split("\n")[0]]).toEqual([1, `${file}:2: \\x1b[31m`]);
  });

  test("one that asks for a port that another program has", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    using conf = configuration(`${PREAMBLE} addListener("127.0.0.1:${port}", false, "", "", {})`);
    await using program = startProgram(["-s", "-C", conf.file]);
    const { code, errors } = await program.ended;
    expect(code).toBe(1);
    expect(errors).toMatch(
      new RegExp(
        `^cannot listen on 127\\.0\\.0\\.1:${port}: EADDRINUSE: the address is in use, by process ${process.pid} `,
      ),
    );
    await new Promise((resolve) => taken.close(resolve));
  });
});

describe("the command line", () => {
  test("a mistake is one line on standard error, exit 2", async () => {
    for (const args of [["--no-such"], ["-C"], ["-l", "9"], ["word"]]) {
      await using program = startProgram(args);
      const { code, output, errors } = await program.ended;
      expect([code, output]).toEqual([2, ""]);
      expect(errors).toMatch(/^trackalert: [^\n]+\n$/);
    }
  });

  test("--help and --version go to standard output, exit 0", async () => {
    const { version } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8")) as { version: string };
    await using help = startProgram(["-h"]);
    expect((await help.ended).output).toContain("--config");
    await using shown = startProgram(["--version"]);
    expect(await shown.ended).toEqual({ code: 0, output: `trackalert ${version}\n`, errors: "" });
  });
});

describe("bun start", () => {
  /** A copy of what is needed, so that the real conf folder is left alone, and another port than 8084. */
  function freshClone(): { path: string } & Disposable {
    const folder = temporaryFolder();
    for (const name of ["index.ts", "package.json", "lib"])
      cpSync(join(PROJECT, name), join(folder.path, name), { recursive: true });
    symlinkSync(join(PROJECT, "node_modules"), join(folder.path, "node_modules"));
    // Not what a daemon of this working copy has written there.
    const own = (path: string): boolean => !/\/conf\/(?:secrets\.lua|state)$/.test(path);
    cpSync(join(PROJECT, "conf"), join(folder.path, "conf"), { recursive: true, filter: own });
    const conf = readFileSync(join(PROJECT, "conf", "trackalert.conf"), "utf8");
    writeFileSync(
      join(folder.path, "conf", "trackalert.conf"),
      conf.replace(/127\.0\.0\.1:(8084|4005)/g, "127.0.0.1:0"),
    );
    return folder;
  }

  test("without a configuration names all places where one may be", async () => {
    using clone = freshClone();
    const conf = join(clone.path, "conf", "trackalert.conf");
    rmSync(conf);
    await using program = startProgram(["--check-config"], join(clone.path, "index.ts"));
    const errors = `no configuration: -C names one, else /etc/wforce/trackalert.conf, /etc/trackalert.conf, ${conf}\n`;
    expect(await program.ended).toEqual({ code: 1, output: "", errors });
  });

  test("writes its secrets once, for the owner alone, and prints a curl line that works", async () => {
    using clone = freshClone();
    const secrets = join(clone.path, "conf", "secrets.lua");
    const start = (): ReturnType<typeof startProgram> =>
      startProgram([], join(clone.path, "lib", "program", "first-start.ts"));
    let written = "";
    {
      await using first = start();
      const [, address] = await first.waitFor(LISTENING);
      written = readFileSync(secrets, "utf8");
      expect(statSync(secrets).mode & 0o777).toBe(0o600);
      expect(first.output()).toContain(secrets);
      const curl = /^ *(curl .*)$/m.exec(first.output())![1]!.replace("127.0.0.1:8084", address!);
      const sent = Bun.spawnSync(["sh", "-c", `${curl} -s`]);
      expect(sent.stdout.toString()).toBe('{"status":"ok"}');
    }
    await using second = start();
    await second.waitFor(LISTENING);
    expect(readFileSync(secrets, "utf8")).toBe(written);
    const [, password] = /setWebserverPassword\("(.*)"\)/.exec(written)!;
    expect(second.output()).not.toContain(password!);
  });

  test("says what to do when the secrets cannot be written", async () => {
    using clone = freshClone();
    mkdirSync(join(clone.path, "conf", "secrets.lua"));
    await using program = startProgram([], join(clone.path, "lib", "program", "first-start.ts"));
    const { code, errors } = await program.ended;
    expect(code).toBe(1);
    expect(errors).toBe(
      `${join(clone.path, "conf", "secrets.lua")} cannot be read: EISDIR: make it a file of yours in a folder that you may write to\n`,
    );
  });
});
