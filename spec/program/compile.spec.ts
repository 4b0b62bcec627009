/** The single-file executable of `bun run compile`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { scripts, version } from "../../package.json";
import { AUTHORIZATION, PREAMBLE, temporaryFolder } from "../support/daemon.ts";
import { type Program, startCommand } from "../support/program.ts";

const PROJECT = join(import.meta.dir, "..", "..");
/** 32 bytes. */
const KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

const folder = temporaryFolder();
const executable = join(folder.path, "program", "trackalert");
const empty = join(folder.path, "empty");

/** Runs the executable in a folder that holds nothing. */
const start = (...args: string[]): Program => startCommand([executable, ...args], empty);

beforeAll(async () => {
  mkdirSync(empty);
  const [, build] = /bun (build .*) --outfile/.exec(scripts.compile)!;
  await using compiler = startCommand([process.execPath, ...build!.split(" "), "--outfile", executable], PROJECT);
  const { code, errors } = await compiler.ended;
  if (code !== 0) throw new Error(errors);
}, 60_000);

afterAll(() => {
  expect(readdirSync(empty)).toEqual([]);
  folder[Symbol.dispose]();
});

test("knows its version", async () => {
  await using program = start("--version");
  expect(await program.ended).toMatchObject({ code: 0, output: `trackalert ${version}\n` });
});

test("makes a folder to start from", async () => {
  const made = join(folder.path, "made");
  await using program = start("--init", made);
  expect(await program.ended).toMatchObject({ code: 0, errors: "" });
  await using check = start("--check-config", "-C", join(made, "trackalert.conf"));
  expect(await check.ended).toMatchObject({ code: 0, errors: "" });
});

test("runs a policy with what is embedded, and answers its console", async () => {
  const file = join(folder.path, "spec.conf");
  writeFileSync(
    file,
    `${PREAMBLE} controlSocket("127.0.0.1:0") setKey("${KEY}") setStateDir("state")
    history = newHistory("sqlite:history.sqlite")
    setReport(function(lt)
      history:add(lt)
      last = { agent = lt.device_attrs["browser.family"], json = require("cjson").encode({ login = lt.login }) }
    end)
    setCustomEndpoint("last", function() return true, last end)
    setCustomEndpoint("count", function() return true, { n = assert(history:count({ login = "joe" })) } end)`,
  );
  await using program = start("-s", "-C", file);
  const [, http, port] = await program.waitFor(/listening on (\S+)\n(?:.*\n)*control socket on \S+:(\d+)\n/);
  const post = (path: string, body: object): Promise<Response> =>
    fetch(`http://${http}${path}`, { method: "POST", headers: AUTHORIZATION, body: JSON.stringify(body) });
  const device_id = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
  expect(await (await post("/?command=report", { login: "joe", protocol: "http", device_id })).json()).toEqual({
    status: "ok",
  });
  expect(await (await post("/?command=last", {})).json()).toEqual({
    success: true,
    r_attrs: { agent: "Firefox", json: '{"login":"joe"}' },
  });
  // Its threads are in the executable, too.
  expect(await (await post("/?command=count", {})).json()).toEqual({ success: true, r_attrs: { n: "1" } });

  const client = join(folder.path, "client.conf");
  writeFileSync(client, `controlSocket("127.0.0.1:${port}") setKey("${KEY}")`);
  await using console = start("-C", client, "-e", "return 6 * 7");
  expect(await console.ended).toEqual({ code: 0, output: "42\n", errors: "" });

  program.kill("SIGTERM");
  expect((await program.ended).code).toBe(0);
});

/** They come before the one beside the program. */
const ELSEWHERE = ["/etc/wforce/trackalert.conf", "/etc/trackalert.conf"].find((file) => existsSync(file));

test.skipIf(ELSEWHERE !== undefined)(
  `finds the default configuration beside itself${ELSEWHERE ? ` (not run: there is ${ELSEWHERE})` : ""}`,
  async () => {
    const conf = join(folder.path, "program", "conf");
    mkdirSync(conf);
    writeFileSync(join(conf, "trackalert.conf"), "error('found')");
    await using program = start("--check-config");
    expect((await program.ended).errors).toBe(`${join(conf, "trackalert.conf")}:1: found\n`);
  },
);
