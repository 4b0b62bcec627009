import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { AUTHORIZATION, PREAMBLE, temporaryFolder } from "../support/daemon.ts";
import { runProgram } from "../support/program.ts";
import { KEY, PROMPT, startAtTerminal, type TerminalProgram } from "../support/terminal.ts";

const LISTENING = /listening on (\S+)\n/;
const LOGS = `${PREAMBLE} setCustomEndpoint("log", function() infoLog("a log line") return true end)`;

function configuration(text: string): { file: string; path: string } & Disposable {
  const folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  writeFileSync(file, text);
  return { ...folder, file };
}

const call = (address: string, name: string): Promise<Response> =>
  fetch(`http://${address}/?command=${name}`, { method: "POST", headers: AUTHORIZATION, body: "{}" });

describe("the console of a daemon in the foreground at a terminal", () => {
  async function start(folder: { file: string; path: string }): Promise<[TerminalProgram, string]> {
    const terminal = startAtTerminal(["-C", folder.file], { XDG_STATE_HOME: folder.path });
    const [, address] = LISTENING.exec(await terminal.waitFor(LISTENING))!;
    await terminal.waitFor(PROMPT);
    return [terminal, address!];
  }

  test("runs chunks in the daemon, until quit ends it in good order", async () => {
    using conf = configuration(PREAMBLE);
    const [terminal, address] = await start(conf);
    await using _ = terminal;
    await call(address, "report");
    terminal.type("stats()\r");
    expect(await terminal.waitFor(PROMPT)).toEndWith("\n1 reports\n> ");
    terminal.type("quit\r");
    expect(await terminal.ended).toBe(0);
    expect(terminal.output()).toEndWith("notice: quit received, stopping\nnotice: stopped\n");
  });

  test.each([
    ["Ctrl-D", KEY.ctrl("d"), "quit"],
    ["shutdown()", "shutdown()\r", "shutdown()"],
  ])("ends with %s too", async (_, keys, reason) => {
    using conf = configuration(PREAMBLE);
    const [terminal] = await start(conf);
    await using _terminal = terminal;
    terminal.type(keys);
    await terminal.waitFor(new RegExp(`${reason.replace("()", "\\(\\)")} received, stopping\n`));
    await terminal.waitFor(/stopped\n/);
    expect(await terminal.ended).toBe(0);
  });

  test("with Ctrl-C twice, at the prompt", async () => {
    using conf = configuration(PREAMBLE);
    const [terminal] = await start(conf);
    await using _terminal = terminal;
    terminal.type(`half${KEY.ctrl("c")}`);
    await terminal.waitFor(/half\^C\n\(Ctrl-C once more ends the daemon\)\n> $/);
    terminal.type(KEY.ctrl("c"));
    await terminal.waitFor(/interrupt received, stopping\nnotice: stopped\n/);
    expect(await terminal.ended).toBe(0);
  });

  test("not with one, nor with two between which something was done", async () => {
    using conf = configuration(PREAMBLE);
    const [terminal] = await start(conf);
    await using _terminal = terminal;
    for (const between of ["half", "1+1\r"]) {
      terminal.type(KEY.ctrl("c"));
      await terminal.waitFor(/daemon\)\n> $/);
      terminal.type(between);
      await terminal.waitFor(between === "half" ? /half$/ : /\n2\n> $/);
    }
    terminal.type(KEY.ctrl("c"));
    await terminal.waitFor(/daemon\)\n> $/);
    terminal.type("'serves'\r");
    await terminal.waitFor(/\nserves\n> $/);
  });

  test("gives up a chunk that runs with Ctrl-C, and goes on", async () => {
    using conf = configuration(PREAMBLE);
    const [terminal, address] = await start(conf);
    await using _terminal = terminal;
    terminal.type("repeat sleep(0.001) until go; return 'late'\rwaiting\r");
    await terminal.waitFor(/waiting\n/);
    terminal.type(KEY.ctrl("c"));
    await terminal.waitFor(
      /\(the chunk goes on, and its answer is not shown\)\n\(Ctrl-C once more ends the daemon\)\n> $/,
    );
    terminal.type("go = true\r");
    await terminal.waitFor(PROMPT);
    terminal.type("sleep(0.05) return 'next'\r");
    expect(await terminal.waitFor(/\nnext\n> $/)).not.toContain("late");
    expect((await fetch(`http://${address}/livez`)).status).toBe(200);
  });

  test("with Ctrl-C twice while a chunk runs: waits for it, and ends at once on another", async () => {
    using conf = configuration(PREAMBLE);
    const [terminal] = await start(conf);
    await using _terminal = terminal;
    terminal.type("sleep(3600)\r");
    await terminal.waitFor(/sleep\(3600\)\n$/);
    terminal.type(KEY.ctrl("c"));
    await terminal.waitFor(/> $/);
    terminal.type(KEY.ctrl("c"));
    await terminal.waitFor(/interrupt received, stopping\nnotice: waiting for 1 console chunk\n/);
    terminal.type(KEY.ctrl("c"));
    await terminal.waitFor(/SIGINT received while stopping, ending at once\n/);
    expect(await terminal.ended).toBe(1);
  });

  test("continues a chunk that lacks its end on the next line", async () => {
    using conf = configuration(PREAMBLE);
    const [terminal] = await start(conf);
    await using _terminal = terminal;
    for (const line of ["for i = 1, 2 do", "  print(i .. [[", "b]])"]) {
      terminal.type(`${line}\r`);
      await terminal.waitFor(/\n>> $/);
    }
    terminal.type("end\r");
    expect(await terminal.waitFor(PROMPT)).toEndWith("\n1b\n2b\n> ");
    terminal.type("for\r");
    await terminal.waitFor(/\n>> $/);
    terminal.type(KEY.ctrl("c"));
    await terminal.waitFor(/daemon\)\n> $/);
    terminal.type("= 1\r");
    expect(await terminal.waitFor(PROMPT)).toContain("unexpected symbol near '='");
    terminal.type("error('near <eof>', 0)\r");
    expect(await terminal.waitFor(PROMPT)).toContain("Error: near <eof>\nstack traceback:");
  });

  test("shows nil as nil, and nothing for what has no value", async () => {
    using conf = configuration(`${PREAMBLE} function none() end function one() return nil end`);
    const [terminal] = await start(conf);
    await using _terminal = terminal;
    for (const [chunk, answer] of [
      ["nothing", "nil\n"],
      ["one()", "nil\n"],
      ["none()", ""],
      ["x = nil", ""],
      ["''", ""],
      ["print('a') return nil", "a\n"],
      ["return nil, nil", "nil\n"],
      ["stats", "0 reports\n"],
    ]) {
      terminal.type(`${chunk}\r`);
      expect(await terminal.waitFor(PROMPT)).toEndWith(`${chunk}\n${answer}> `);
    }
  });

  test("completes globals, their fields and methods with Tab", async () => {
    using conf = configuration(`${PREAMBLE}
      settings = { limit = 5, list = { deep = 1 }, [1] = 2, ["no name"] = 3 } text = "t" address = newCA("192.0.2.1")
      guarded = setmetatable({}, { __index = function() error("asked") end })`);
    const [terminal] = await start(conf);
    await using _terminal = terminal;
    for (const [typed, completed] of [
      ["sett", "settings"],
      ["x = settings.lim", "x = settings.limit"],
      ["settings.list.d", "settings.list.deep"],
      ["os.ti", "os.time("],
      ["text:rev", "text:reverse("],
      ["address:isM", "address:isMappedIPv4("],
      ["runCu", "runCustomWebHook("],
    ] as const) {
      terminal.type(typed);
      await terminal.waitFor(new RegExp(`${RegExp.escape(typed)}$`));
      terminal.type(KEY.tab);
      await terminal.waitFor(new RegExp(`${RegExp.escape(completed.slice(typed.length))}$`));
      terminal.type(`${KEY.ctrl("u")}'next'\r`);
      await terminal.waitFor(/\nnext\n> $/);
    }
    terminal.type("settings.l");
    await terminal.waitFor(/settings\.l$/);
    terminal.type(KEY.tab);
    await terminal.waitFor(/i$/);
    terminal.type(KEY.tab);
    const list = await terminal.waitFor(/> settings\.li$/);
    for (const name of ["settings.limit", "settings.list"]) expect(list).toContain(name);
    terminal.type(`${KEY.ctrl("u")}guarded.x`);
    await terminal.waitFor(/guarded\.x$/);
    terminal.type(KEY.tab);
    terminal.type(" = 1\r");
    await terminal.waitFor(PROMPT);
    terminal.type("guarded\r");
    expect(await terminal.waitFor(PROMPT)).toEndWith("\n{ x = 1 }\n> ");
  });

  test("shows each line's level", async () => {
    using conf = configuration(`${PREAMBLE} setCustomEndpoint("log", function() warnLog("look") return true end)`);
    const [terminal, address] = await start(conf);
    await using _terminal = terminal;
    await call(address, "log");
    await terminal.waitFor(/(^|\n)warning: look\n/);
  });

  test("shows log lines above what is being typed", async () => {
    using conf = configuration(LOGS);
    const [terminal, address] = await start(conf);
    await using _ = terminal;
    const line = `return "${"long ".repeat(40)}"`;
    terminal.type(line);
    await terminal.waitFor(/long "$/);
    await call(address, "log");
    await terminal.waitFor(/a log line\n> return "(long )+"$/);
    await call(address, "log");
    await terminal.waitFor(/a log line\n> return "(long )+"$/);
    terminal.type("\r");
    expect(await terminal.waitFor(PROMPT)).toEndWith(`\n${"long ".repeat(40)}\n> `);
  });
});

describe("a daemon whose terminal", () => {
  test("goes away ends in good order", async () => {
    using conf = configuration(PREAMBLE);
    await using terminal = startAtTerminal(["-C", conf.file], { XDG_STATE_HOME: conf.path }, `trap "" HUP; exec "$@"`);
    await terminal.waitFor(PROMPT);
    terminal.hangUp();
    expect(await terminal.ended).toBe(0);
  });

  test("belongs to another job serves without a console", async () => {
    using conf = configuration(PREAMBLE);
    const job = `set -m; "$@" & echo "process $!"; read`;
    await using terminal = startAtTerminal(["-C", conf.file], { XDG_STATE_HOME: conf.path }, job);
    const [, pid] = /process (\d+)\n/.exec(await terminal.waitFor(/process \d+\n/))!;
    const [, address] = LISTENING.exec(await terminal.waitFor(LISTENING))!;
    expect((await call(address!, "report")).status).toBe(200);
    process.kill(Number(pid), "SIGTERM");
    await terminal.waitFor(/SIGTERM received, stopping\nnotice: stopped\n/);
    expect(terminal.output()).not.toContain("> ");
  });
});

describe("a daemon in the foreground whose input is not a terminal", () => {
  test("runs each line, and quit ends it", async () => {
    using conf = configuration(PREAMBLE);
    const { code, output, errors } = await runProgram(["-C", conf.file], "stats()\n1+1\nquit\nstats()\n");
    expect([code, errors]).toEqual([0, ""]);
    expect(output).toEndWith("\n0 reports\n2\nquit received, stopping\nstopped\n");
  });

  test.each([
    ["ends", "< /dev/null"],
    ["breaks", "< /"],
    ["is closed", "<&-"],
    ["cannot be read", "0> /dev/null"],
  ])("goes on when the input %s", async (_, redirect) => {
    using conf = configuration(PREAMBLE);
    const output = await serveOnce(`exec "$0" index.ts -C "$1" ${redirect}`, conf.file);
    expect(output).toEndWith("SIGTERM received, stopping\nstopped\n");
  });

  test.each(["-s", "-D"])("does not read it with %s", async (option) => {
    using conf = configuration(PREAMBLE);
    const input = join(conf.path, "input");
    writeFileSync(input, "stats()\nquit\n");
    const output = await serveOnce(`exec "$0" index.ts ${option} -C "$1" < ${input}`, conf.file);
    expect(output).not.toContain("reports");
    expect(output).toContain("SIGTERM received");
  });

  /** Starts a daemon by a shell, has it take a report, ends it, and gives its output. */
  async function serveOnce(command: string, file: string): Promise<string> {
    const child = Bun.spawn(["sh", "-c", command, process.execPath, file], { stdout: "pipe", stderr: "inherit" });
    let output = "";
    let called = false;
    for await (const bytes of child.stdout) {
      output += Buffer.from(bytes).toString();
      const address = LISTENING.exec(output)?.[1];
      if (called || address === undefined) continue;
      called = true;
      expect((await call(address, "report")).status).toBe(200);
      child.kill("SIGTERM");
    }
    expect(await child.exited).toBe(0);
    return output;
  }
});
