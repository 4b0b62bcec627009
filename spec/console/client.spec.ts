import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { KEY, openControlSocket } from "../support/control-socket.ts";
import { runProgram } from "../support/program.ts";

const ECHO = (chunk: string): string => chunk;

describe("-e", () => {
  test.each([
    ["text", "text\n"],
    ["text\n", "text\n"],
    ["two\nlines", "two\nlines\n"],
    ["", ""],
    ["\n", "\n"],
  ])("prints the answer %j with its last line ended, and nothing else", async (answer, output) => {
    await using control = await openControlSocket(() => answer);
    expect(await runProgram(["-C", control.file, "-e", "chunk"])).toMatchObject({ code: 0, output, errors: "" });
    expect(control.chunks).toEqual(["chunk"]);
  });

  test("finds its daemon however the configuration is named", async () => {
    await using control = await openControlSocket(ECHO);
    for (const args of [
      ["-c", control.file, "-e", "x"],
      ["-C", control.file, "-c", "-e", "x"],
      [`-c${control.file}`, "-ex"],
    ]) {
      expect(await runProgram(args)).toMatchObject({ code: 0, output: "x\n" });
    }
  });

  test("exits 1 when the answer is an error, which is an answer still", async () => {
    await using control = await openControlSocket(() => "Error: no\nstack traceback:");
    const output = "Error: no\nstack traceback:\n";
    expect(await runProgram(["-C", control.file, "-e", "x"])).toMatchObject({ code: 1, output, errors: "" });
  });

  test("exits 1 when an error follows what was printed", async () => {
    await using control = await openControlSocket(() => "a\nError: no");
    expect(await runProgram(["-C", control.file, "-e", "x"])).toMatchObject({ code: 1, output: "a\nError: no\n" });
  });

  test("exits 0 when the word stands elsewhere", async () => {
    await using control = await openControlSocket(() => "no Error: at all\nErrors: 0");
    expect(await runProgram(["-C", control.file, "-e", "x"])).toMatchObject({ code: 0 });
  });

  test("hands the answer's bytes on as they are", async () => {
    const bytes = Buffer.from("\x1b[31m\x00\r\n ä \u2028 \x80", "utf8");
    await using control = await openControlSocket(() => bytes.toString());
    const result = await runProgram(["-C", control.file, "-e", "x"]);
    expect(Buffer.from(result.bytes)).toEqual(Buffer.concat([bytes, Buffer.from("\n")]));
  });

  test("prints an answer of many kilobytes whole", async () => {
    const answer = "0123456789abcdef\n".repeat(3800);
    await using control = await openControlSocket(() => answer);
    expect((await runProgram(["-C", control.file, "-e", "x"])).output).toBe(answer);
  });

  test("sends an empty chunk too", async () => {
    await using control = await openControlSocket();
    expect(await runProgram(["-C", control.file, "-e", ""])).toMatchObject({ code: 0, output: "" });
    expect(control.chunks).toEqual([""]);
  });

  test("- sends standard input as one chunk", async () => {
    await using control = await openControlSocket(ECHO);
    const chunk = "-- ä\nreturn 1\n";
    expect(await runProgram(["-C", control.file, "-e", "-"], chunk)).toMatchObject({ code: 0, output: chunk });
    expect(control.chunks).toEqual([chunk]);
  });

  test("refuses a chunk that no message holds", async () => {
    await using control = await openControlSocket(ECHO);
    const longest = "x".repeat(65_519);
    expect((await runProgram(["-C", control.file, "-e", "-"], longest)).output).toBe(`${longest}\n`);
    expect(await runProgram(["-C", control.file, "-e", "-"], `${longest}x`)).toMatchObject({
      code: 1,
      output: "Error: the chunk is too long: the most is 65519 bytes\n",
    });
    expect(control.chunks).toHaveLength(1);
  });

  test("exits 1 and says where when the connection is refused", async () => {
    await using control = await openControlSocket();
    await control.server.stop();
    const { code, output, errors } = await runProgram(["-C", control.file, "-e", "x"]);
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toBe(`${control.address} refused the connection: is the daemon running?\n`);
  });

  test("exits 1 and says where when the key is another", async () => {
    await using control = await openControlSocket();
    const file = join(control.folder, "other.conf");
    const key = Buffer.alloc(32).toString("base64");
    writeFileSync(file, `controlSocket("${control.address}") setKey("${key}")`);
    const { code, output, errors } = await runProgram(["-C", file, "-e", "x"]);
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toBe(
      `closed by ${control.address} before it answered: is the key the same, or has the daemon ended?\n`,
    );
    expect(control.chunks).toEqual([]);
  });

  test("exits 1 when the daemon goes away before it answers", async () => {
    await using control = await openControlSocket(() => {
      control.server.cut();
      return new Promise<never>(() => {});
    });
    const { code, output, errors } = await runProgram(["-C", control.file, "-e", "x"]);
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toStartWith(`closed by ${control.address} before it answered`);
  });

  test("exits 1 and says so when nobody reads its output", async () => {
    await using control = await openControlSocket(ECHO);
    const command = `"$0" index.ts -C "$1" -e x > /dev/full; echo $?`;
    const child = Bun.spawn(["sh", "-c", command, process.execPath, control.file], { stdout: "pipe", stderr: "pipe" });
    expect(await new Response(child.stdout).text()).toBe("1\n");
    expect(await new Response(child.stderr).text()).toBe("standard output cannot be written: ENOSPC\n");
  });
});

describe("the client's configuration", () => {
  test("needs a key, and only that", async () => {
    await using control = await openControlSocket();
    const file = join(control.folder, "none.conf");
    writeFileSync(file, "x = 1");
    const { code, output, errors } = await runProgram(["-c", file, "-e", "x"]);
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toStartWith(`${file}: no key: `);
    writeFileSync(file, `setKey("${KEY}")`);
    const refused = await runProgram(["-c", file, "-e", "x"]);
    expect(refused.errors).toContain("127.0.0.1:4005");
  });

  test("that raises is told as the daemon tells it", async () => {
    await using control = await openControlSocket();
    const file = join(control.folder, "raises.conf");
    writeFileSync(file, "\nerror('no')");
    const { code, output, errors } = await runProgram(["-c", file, "-e", "x"]);
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toStartWith(`${file}:2: no\nstack traceback:\n`);
  });

  test("is read without its effects: no listener, no output, no requests, no webhooks, no state", async () => {
    await using control = await openControlSocket(ECHO);
    let requests = 0;
    using web = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => (requests++, new Response("")) });
    const state = join(control.folder, "state");
    const file = join(control.folder, "busy.conf");
    writeFileSync(
      file,
      `controlSocket("${control.address}") setKey("${KEY}")
       addListener("127.0.0.1:${web.port}", false, "", "", {}) webserver("127.0.0.1:${web.port}", "x")
       setStateDir("${state}")
       print("printed") io.write("written") io.stdout:write("also written") infoLog("logged")
       asked = httpRequest({ url = "http://127.0.0.1:${web.port}/" })
       addCustomWebHook("hook", { url = "http://127.0.0.1:${web.port}/", secret = "s" }) runCustomWebHook("hook", "{}")
       setBackground("b", function() print("ran") end) intervalScheduleBackgroundFunc("00:00:01", "b")`,
    );
    expect(await runProgram(["-c", file, "-e", "x"])).toMatchObject({ code: 0, output: "x\n", errors: "" });
    expect(requests).toBe(0);
    expect(existsSync(state)).toBe(false);
  });

  test("leaves files as they are, opens no GeoIP database, and its faults are the daemon's to tell", async () => {
    await using control = await openControlSocket(ECHO);
    const log = join(control.folder, "live.log");
    writeFileSync(log, "of the daemon\n");
    writeFileSync(
      control.file,
      `controlSocket("${control.address}") setKey("${KEY}")
       local log = assert(io.open("live.log", "w")) assert(log:write("x")) log:close()
       assert(io.open("live.log"):read("a") == "x")
       newGeoIP2DB("City", "gone.mmdb") newCA("nonsense") errorLog("wrong")
       cronScheduleBackgroundFunc("* * * * *", "unknown") assert(os.rename("live.log", "old.log")) assert(os.remove("old.log"))`,
    );
    const quiet = await runProgram(["-c", control.file, "-e", "x"]);
    expect(quiet).toMatchObject({ code: 0, output: "x\n", errors: "" });
    const { errors } = await runProgram(["-v", "-c", control.file, "-e", "x"]);
    expect(errors.match(/^files are .*$/gm)).toEqual(["files are changed in memory alone"]);
    expect(errors).not.toContain("gone.mmdb");
    expect(readFileSync(log, "utf8")).toBe("of the daemon\n");
    expect(existsSync(join(control.folder, "old.log"))).toBe(false);
  });

  test("logs on standard error when -v asks for it", async () => {
    await using control = await openControlSocket(ECHO);
    writeFileSync(control.file, `controlSocket("${control.address}") setKey("${KEY}") infoLog("logged")`);
    const { output, errors } = await runProgram(["-v", "-c", control.file, "-e", "x"]);
    expect([output, errors]).toEqual(["x\n", "logged\n"]);
  });
});

describe("-c with input that is not a terminal", () => {
  test("runs each line as a chunk and prints the answers, without a prompt", async () => {
    await using control = await openControlSocket((chunk) => `[${chunk}]`);
    const result = await runProgram(["-c", control.file], "stats()\n\n  \nä 2\r\nlast");
    expect(result).toMatchObject({ code: 0, output: "[stats()]\n[ä 2\r]\n[last]\n", errors: "" });
    expect(control.chunks).toEqual(["stats()", "ä 2\r", "last"]);
  });

  test("ends at quit", async () => {
    await using control = await openControlSocket(ECHO);
    expect(await runProgram(["-c", control.file], "one\n quit \ntwo\n")).toMatchObject({ code: 0, output: "one\n" });
    expect(control.chunks).toEqual(["one"]);
  });

  test("goes on after an error, and exits 1 in the end", async () => {
    await using control = await openControlSocket((chunk) => (chunk === "bad" ? "Error: no" : chunk));
    const result = await runProgram(["-c", control.file], "bad\ngood\n");
    expect(result).toMatchObject({ code: 1, output: "Error: no\ngood\n", errors: "" });
  });

  test("refuses a line without end", async () => {
    await using control = await openControlSocket(ECHO);
    const { code, errors } = await runProgram(["-c", control.file], "x".repeat(2 ** 20 + 1));
    expect([code, errors]).toEqual([1, "standard input has a line of more than 1048576 bytes\n"]);
  });
});
