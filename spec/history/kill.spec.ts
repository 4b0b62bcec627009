/** What a daemon leaves that is killed, and one that is told to end. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { AUTHORIZATION, PREAMBLE, temporaryFolder } from "../support/daemon.ts";
import { type Program, startProgram } from "../support/program.ts";

test("a kill loses at most the last batch, SIGTERM nothing", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "spec.conf");
  writeFileSync(
    file,
    `${PREAMBLE} setStateDir("${folder.path}/state") newHistory("sqlite:history.sqlite")
    setReport(function(lt) getHistory():add(lt) end)
    setCustomEndpoint("count", function() return true, { n = assert(getHistory():count({})) } end)`,
  );
  const start = async (): Promise<{ program: Program; post: (path: string, body: object) => Promise<Response> }> => {
    const program = startProgram(["-s", "-C", file]);
    const [, address] = await program.waitFor(/listening on (\S+)\n/);
    const post = (path: string, body: object): Promise<Response> =>
      fetch(`http://${address}${path}`, { method: "POST", headers: AUTHORIZATION, body: JSON.stringify(body) });
    return { program, post };
  };
  const report = { login: "joe", remote: "192.0.2.1" };
  const countOf = async (post: (path: string, body: object) => Promise<Response>): Promise<number> => {
    const { r_attrs } = (await (await post("/?command=count", {})).json()) as { r_attrs: { n: string } };
    return Number(r_attrs.n);
  };

  {
    const { program, post } = await start();
    await using _ = program;
    for (let i = 0; i < 20; i++) await post("/?command=report", report);
    // A batch is a second; what is counted here is durable.
    const [, address] = await program.waitFor(/listening on (\S+)\n/);
    const written = async (): Promise<string> =>
      (await fetch(`http://${address}/metrics`, { headers: AUTHORIZATION })).text();
    while (!(await written()).includes("trackalert_history_rows_total 20\n")) await Bun.sleep(20);
    program.kill("SIGKILL");
    await program.ended;
  }
  {
    const { program, post } = await start();
    await using _ = program;
    expect(await countOf(post)).toBe(20);
    await post("/?command=report", report);
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  }
  const { program, post } = await start();
  await using _ = program;
  expect(await countOf(post)).toBe(21);
}, 30_000);
