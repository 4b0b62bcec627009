import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { openControlSocket } from "../support/control-socket.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { KEY, PROMPT, startAtTerminal, type TerminalProgram } from "../support/terminal.ts";

interface Session extends AsyncDisposable {
  terminal: TerminalProgram;
  chunks: string[];
  history: string;
  /** Types a line and gives what is shown up to the next prompt. */
  enter(line: string): Promise<string>;
  /** Ends the daemon's side. */
  cut(): void;
}

/** `trackalert -c` at a terminal, at its first prompt. */
async function startSession(
  answer: (chunk: string) => string | Promise<string> = (chunk) => `[${chunk}]`,
  state = temporaryFolder(),
): Promise<Session> {
  const control = await openControlSocket(answer);
  const terminal = startAtTerminal(["-c", control.file], { XDG_STATE_HOME: state.path });
  await terminal.waitFor(PROMPT);
  return {
    terminal,
    chunks: control.chunks,
    history: join(state.path, "trackalert", "history"),
    enter(line) {
      terminal.type(`${line}\r`);
      return terminal.waitFor(PROMPT);
    },
    cut: () => control.server.cut(),
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]();
      await control[Symbol.asyncDispose]();
      state[Symbol.dispose]();
    },
  };
}

const FOREVER = (): Promise<never> => new Promise(() => {});

describe("the prompt", () => {
  test("shows each answer before the next prompt", async () => {
    await using session = await startSession();
    expect(await session.enter("stats()")).toEndWith("\n[stats()]\n> ");
    expect(await session.enter("ä")).toEndWith("\n[ä]\n> ");
    expect(session.chunks).toEqual(["stats()", "ä"]);
  });

  test("sends nothing for an empty line, and shows nothing for an empty answer", async () => {
    await using session = await startSession(() => "");
    expect(await session.enter("  ")).not.toContain("[");
    expect(await session.enter("x = 1")).toEndWith("x = 1\n> ");
    expect(session.chunks).toEqual(["x = 1"]);
  });

  test("does not let an answer drive the terminal", async () => {
    await using session = await startSession(() => "a\x1b[2J\x07\tb\r\x9b1m\x7f\nnext");
    expect(await session.enter("x")).toEndWith("\na\\x1b[2J\\x07\tb\\r\\x9b1m\\x7f\nnext\n> ");
  });

  test("goes on after an error", async () => {
    await using session = await startSession((chunk) => (chunk === "bad" ? "Error: no" : chunk));
    expect(await session.enter("bad")).toEndWith("\nError: no\n> ");
    expect(await session.enter("x".repeat(70_000))).toEndWith(
      "Error: the chunk is too long: the most is 65519 bytes\n> ",
    );
    expect(await session.enter("good")).toEndWith("\ngood\n> ");
    session.terminal.type("quit\r");
    expect(await session.terminal.ended).toBe(0);
  });

  test("lets the line be edited", async () => {
    await using session = await startSession();
    const { ctrl, left } = KEY;
    await session.enter(`bcXX${left}${left}${ctrl("k")}d${ctrl("a")}a${ctrl("e")}e`);
    expect(session.chunks).toEqual(["abcde"]);
  });

  test("runs pasted lines one after the other", async () => {
    await using session = await startSession();
    session.terminal.type("one\rtwo\rthree\r");
    await session.terminal.waitFor(/\[three\]\n> $/);
    expect(session.chunks).toEqual(["one", "two", "three"]);
    expect(session.terminal.output()).toMatch(/\[one\][^]*\[two\][^]*\[three\]/);
  });

  test("keeps what is typed while a chunk runs", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    await using session = await startSession((chunk) => (chunk === "slow" ? promise : `[${chunk}]`));
    session.terminal.type("slow\r");
    await session.terminal.waitFor(/slow\n$/);
    session.terminal.type("next");
    await session.terminal.waitFor(/next$/);
    resolve("done");
    await session.terminal.waitFor(/done\n[^]*> next$/);
    expect(await session.enter("!")).toEndWith("[next!]\n> ");
  });

  test("draws the line anew when the terminal gets another size", async () => {
    await using session = await startSession();
    const line = "a line of forty characters, or some more";
    session.terminal.type(line);
    await session.terminal.waitFor(/more$/);
    session.terminal.resize(20, 24);
    await session.terminal.waitFor(/> a line of [^]*more/);
    expect(await session.enter("")).toEndWith(`[${line}]\n> `);
  });
});

describe("Tab", () => {
  test("completes the name of a command, with its parentheses", async () => {
    await using session = await startSession();
    const { terminal } = session;
    for (const [typed, completed] of [
      ["showV", "showVersion()"],
      ["x = sta", "x = stats()"],
      ["testC", "testCrypto("],
      ["qui", "quit"],
    ] as const) {
      terminal.type(typed);
      await terminal.waitFor(new RegExp(`${typed}$`));
      terminal.type(KEY.tab);
      await terminal.waitFor(new RegExp(`${completed.slice(typed.length).replace(/[()]/g, "\\$&")}$`));
      terminal.type(KEY.ctrl("c"));
      await terminal.waitFor(PROMPT);
    }
  });

  test("lists what is possible", async () => {
    await using session = await startSession();
    const { terminal } = session;
    terminal.type("sho");
    await terminal.waitFor(/sho$/);
    terminal.type(KEY.tab);
    await terminal.waitFor(/w$/);
    terminal.type(KEY.tab);
    const list = await terminal.waitFor(/> show$/);
    for (const name of ["showACL()", "showCustomEndpoints()", "showVersion()"]) expect(list).toContain(name);
    expect(list).not.toContain("stats");
  });
});

describe("the user leaves", () => {
  test.each([
    ["quit", "quit\r"],
    ["quit, with spaces", "  quit \r"],
    ["Ctrl-D", KEY.ctrl("d")],
  ])("with %s: exit 0", async (_, keys) => {
    await using session = await startSession();
    session.terminal.type(keys);
    expect(await session.terminal.ended).toBe(0);
    expect(session.chunks).toEqual([]);
  });

  test("not with Ctrl-C, which gives the line up", async () => {
    await using session = await startSession();
    session.terminal.type("half a li");
    await session.terminal.waitFor(/half a li$/);
    for (let i = 0; i < 3; i++) {
      session.terminal.type(KEY.ctrl("c"));
      await session.terminal.waitFor(/\^C\n> $/);
    }
    await session.enter("whole");
    expect(session.chunks).toEqual(["whole"]);
  });

  test("with Ctrl-C while a chunk runs: exit 130", async () => {
    await using session = await startSession(FOREVER);
    session.terminal.type("x\r");
    await session.terminal.waitFor(/x\n$/);
    session.terminal.type(KEY.ctrl("c"));
    expect(await session.terminal.ended).toBe(130);
  });

  test("is made to when the connection ends: exit 1, and why", async () => {
    await using session = await startSession();
    await session.enter("x");
    session.terminal.type("half");
    await session.terminal.waitFor(/half$/);
    session.cut();
    expect(await session.terminal.ended).toBe(1);
    expect(session.terminal.output()).toMatch(/closed by 127\.0\.0\.1:\d+\n$/);
  });
});

describe("the history", () => {
  test("is kept over sessions, for the owner alone", async () => {
    const state = temporaryFolder();
    let file = "";
    {
      const folder = { path: state.path, [Symbol.dispose]() {} };
      await using first = await startSession(undefined, folder);
      file = first.history;
      for (const line of ["one", "two", "two", "ä", "  "]) await first.enter(line);
    }
    expect(readFileSync(file, "utf8")).toBe("one\ntwo\nä\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(file, "..")).mode & 0o777).toBe(0o700);
    await using second = await startSession(undefined, state);
    await second.enter(KEY.up + KEY.up + KEY.up);
    expect(second.chunks).toEqual(["one"]);
  });

  test("does not hold keys and passwords, in the session neither", async () => {
    await using session = await startSession();
    const secrets = ['setKey("a")', 'x = 1 setWebserverPassword("b")', 'addCustomWebHook("n", { secret = "c" })'];
    for (const line of ["stats()", ...secrets]) await session.enter(line);
    await session.enter(KEY.up);
    expect(session.chunks).toEqual(["stats()", ...secrets, "stats()"]);
    expect(readFileSync(session.history, "utf8")).toBe("stats()\n");
  });

  test("holds a thousand lines", async () => {
    const state = temporaryFolder();
    const file = join(state.path, "trackalert", "history");
    mkdirSync(join(file, ".."));
    writeFileSync(file, Array.from({ length: 1200 }, (_, i) => `line ${i}\n`).join(""));
    await using session = await startSession(undefined, state);
    await session.enter("last");
    const lines = readFileSync(session.history, "utf8").split("\n");
    expect([lines.length, lines[0], lines.at(-2)]).toEqual([1001, "line 201", "last"]);
  });

  test("that cannot be kept is told once and disturbs nothing", async () => {
    const state = temporaryFolder();
    writeFileSync(join(state.path, "trackalert"), "a file where the folder should be");
    await using session = await startSession(undefined, state);
    await session.enter("one");
    await session.enter("two");
    expect(session.chunks).toEqual(["one", "two"]);
    expect(session.terminal.output().match(/history/g)).toHaveLength(2); // the notice names it twice
    expect(existsSync(session.history)).toBe(false);
  });
});
