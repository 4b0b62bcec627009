/** What was accepted arrives, whenever the daemon is killed: with the real program, under load. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { AUTHORIZATION, PREAMBLE, temporaryFolder } from "../support/daemon.ts";
import { type Program, startProgram } from "../support/program.ts";
import { Random } from "../support/random.ts";
import { startReceiver } from "../support/webhooks.ts";

const LISTENING = /listening on (\S+)\n/;
const KILLS = 20;
/** Reports under way at the same time. */
const LOAD = 8;

/** Reports one after the other until the daemon is gone. `accepted` gets what was answered ok. */
async function report(address: string, next: () => string, accepted: Set<string>): Promise<void> {
  while (true) {
    const login = next();
    try {
      const response = await fetch(`http://${address}/?command=report`, {
        method: "POST",
        headers: AUTHORIZATION,
        body: JSON.stringify({ login }),
      });
      if (((await response.json()) as { status: string }).status === "ok") accepted.add(login);
    } catch {
      return;
    }
  }
}

test("each event that was accepted is delivered at least once, though the daemon is killed twenty times", async () => {
  using folder = temporaryFolder();
  const random = new Random(2026);
  // Some deliveries fail, so that a kill finds events in every state.
  using receiver = startReceiver((n) => new Response(null, { status: n % 50 === 0 ? 500 : 200 }));
  const conf = join(folder.path, "spec.conf");
  writeFileSync(
    conf,
    `${PREAMBLE} setStateDir("state") addCustomWebHook("h", { url = "${receiver.url}" })
       setReport(function(lt) runCustomWebHook("h", lt.login) end)`,
  );
  const start = async (): Promise<[program: Program, address: string]> => {
    const program = startProgram(["-s", "-C", conf]);
    const [, address] = await program.waitFor(LISTENING);
    return [program, address!];
  };

  const accepted = new Set<string>();
  let logins = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const [program, address] = await start();
    const reporters = Array.from({ length: LOAD }, () => report(address, () => `login ${logins++}`, accepted));
    const enough = accepted.size + 1 + random.below(200);
    while (accepted.size < enough) await new Promise((resolve) => setImmediate(resolve));
    program.kill("SIGKILL");
    await Promise.all([program.ended, ...reporters]);
    expect(program.output()).not.toContain("corrupt");
  }

  await using last = (await start())[0];
  const missing = (): string[] => {
    const arrived = new Set(receiver.received.map(({ body }) => body));
    return [...accepted].filter((login) => !arrived.has(login));
  };
  while (missing().length > 0) await Bun.sleep(20);
  expect(last.output()).not.toContain("corrupt");
  // Duplicates have one id, and different events different ones.
  const byId = Map.groupBy(receiver.received, ({ id }) => id);
  for (const requests of byId.values()) expect(new Set(requests.map(({ body }) => body)).size).toBe(1);
  expect(byId.size).toBe(new Set(receiver.received.map(({ body }) => body)).size);
}, 60_000);

test("SIGTERM lets everything leave that is due; what waits for a retry leaves after the next start", async () => {
  using folder = temporaryFolder();
  let works = false;
  const gate = Promise.withResolvers<void>();
  using receiver = startReceiver(async (n) => {
    if (n === 1) return new Response(null, { status: works ? 200 : 500, headers: { "retry-after": "1" } });
    await gate.promise;
    return new Response();
  });
  const conf = join(folder.path, "spec.conf");
  writeFileSync(
    conf,
    `${PREAMBLE} setStateDir("state") setWebHookTimeoutSecs(60)
     for _, name in ipairs({ "fails", "slow" }) do addCustomWebHook(name, { url = "${receiver.url}" }) end
     setReport(function(lt) for i = 1, lt.attrs.count do runCustomWebHook(lt.login, lt.login .. i) end end)`,
  );
  const post = (address: string, login: string, count: string): Promise<Response> =>
    fetch(`http://${address}/?command=report`, {
      method: "POST",
      headers: AUTHORIZATION,
      body: JSON.stringify({ login, attrs: { count } }),
    });
  const bodies = (): string[] => receiver.received.map(({ body }) => body);
  {
    await using program = startProgram(["-s", "-C", conf]);
    const [, address] = await program.waitFor(LISTENING);
    await post(address!, "fails", "1");
    await program.waitFor(/webhook fails: the receiver answered 500 \(attempt 1 of 7/);
    await post(address!, "slow", "100");
    program.kill("SIGTERM");
    await program.waitFor(/SIGTERM received/);
    gate.resolve();
    const { code, output } = await program.ended;
    expect(code).toBe(0);
    expect(output).toMatch(/webhooks: 1 events wait in \S+ for the next start\nstopped\n$/);
    expect(bodies()).toHaveLength(101);
  }
  works = true;
  await using program = startProgram(["-s", "-C", conf]);
  await program.waitFor(LISTENING);
  while (bodies().length < 102) await Bun.sleep(5);
  expect(bodies().at(-1)).toBe("fails1");
  expect(receiver.received.at(-1)!.id).toBe(receiver.received[0]!.id);
}, 30_000);
