/** history:forget reaches alerts that wait for their channels. */
import { expect, test } from "bun:test";

import { toByteString } from "../../lib/text/byte-string.ts";
import { until } from "../support/control.ts";
import { startDaemon } from "../support/daemon.ts";
import { JumpingClock } from "../support/jumping-clock.ts";
import { START, startReceiver } from "../support/webhooks.ts";

/** Milliseconds between two times that Alertmanager is told of an alert. */
const REPEAT = 240_000;

const CONF = (refusing: string, failing: string): string => `
setStateDir("state")
newHistory("sqlite:history.sqlite")
addAlertChannel("dead", { kind = "webhook", url = "${refusing}" })
addAlertChannel("waiting", { kind = "alertmanager", url = "${failing}" })
addAlertChannel("chat", { kind = "slack", url = "${failing}", summary = true })
addAlertChannel("hashed", { kind = "webhook", url = "${failing}", redact = true })`;

test.each([
  ["a name", `"joe"`],
  ["one that JSON escapes", `'j"o\\\\e\\n'`],
  ["one that is not UTF-8", `"j\\255oe"`],
  ["one that is longer than what is kept", `("joe"):rep(1000)`],
])("a login that is %s is removed from the channels' waiting and dead events, and counted", async (_, login) => {
  using refusing = startReceiver(() => new Response(null, { status: 400 }));
  using failing = startReceiver(() => new Response(null, { status: 503 }));
  await using daemon = await startDaemon(CONF(refusing.url, failing.url));
  const { engine, webhooks } = daemon.loaded;
  const run = (chunk: string): Promise<string> => engine.runConsole(toByteString(chunk));
  await run(`for _, login in ipairs{ ${login}, "ann", "joey" } do
    alert{ type = "brute_force", login = login, remote = "192.0.2.1" }
  end`);
  await webhooks.drain();
  const held = (): number[] => [webhooks.events.queue.size, webhooks.events.deadLetters.size];
  expect(held()).toEqual([9, 3]);
  expect(await run(`local gone = getHistory():forget(${login}) return gone.webhooks .. " " .. gone.alerts`)).toBe(
    "4 1",
  );
  expect(held()).toEqual([6, 2]);
  expect(await run(`return getHistory():forget("ann").webhooks`)).toBe("4");
  expect(await run(`return getHistory():forget("nobody").webhooks`)).toBe("0");
  expect(held()).toEqual([3, 1]);
});

test("a login that is forgotten is told to Alertmanager no more", async () => {
  const clock = new JumpingClock(START);
  using receiver = startReceiver();
  await using daemon = await startDaemon(
    `setStateDir("state")
     newHistory("sqlite:history.sqlite")
     addAlertChannel("am", { kind = "alertmanager", url = "${receiver.url}" })`,
    {},
    clock,
  );
  const run = (chunk: string): Promise<string> => daemon.loaded.engine.runConsole(toByteString(chunk));
  const toldOf = (login: string): number => receiver.received.filter(({ body }) => body.includes(login)).length;
  await run(`alert{ type = "brute_force", login = "joe" } alert{ type = "brute_force", login = "bob" }`);
  await until(() => toldOf("joe") === 1 && toldOf("bob") === 1);
  await daemon.loaded.webhooks.drain();
  await clock.advanceTo(START + REPEAT);
  await until(() => toldOf("joe") === 2 && toldOf("bob") === 2);
  await daemon.loaded.webhooks.drain();
  await run(`getHistory():forget("joe")`);
  await clock.advanceTo(START + 2 * REPEAT);
  await until(() => toldOf("bob") === 3);
  await daemon.loaded.webhooks.drain();
  expect(toldOf("joe")).toBe(2);
});
