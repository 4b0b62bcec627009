/** What channels are told of an alert's cool-down, by real receivers. Time moves when it is told to. */
import { describe, expect, test } from "bun:test";

import { toByteString } from "../../lib/text/byte-string.ts";
import { until } from "../support/control.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { JumpingClock } from "../support/jumping-clock.ts";
import { START, startReceiver } from "../support/webhooks.ts";

/** Longer than what the history gets to settle the counts of others. */
const LATER = 10_000;

async function raise({ loaded }: TestDaemon, fields: string, times = 1): Promise<void> {
  const one = `alert{ type = "brute_force", cooldown = "1s", ${fields} }`;
  await loaded.engine.runConsole(toByteString(`for _ = 1, ${times} do ${one} end`));
  await loaded.webhooks.drain();
}

const bodies = ({ received }: { received: { body: string }[] }): Record<string, unknown>[] =>
  received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);

describe.each([
  ["in memory", ""],
  ["in a history", `setStateDir("state") newHistory("sqlite:history.sqlite")`],
])("an alert %s", (_, history) => {
  test("is sent once more when its cool-down ends, as final and with its count", async () => {
    const clock = new JumpingClock(START);
    using receiver = startReceiver();
    await using daemon = await startDaemon(
      // An attempt under way must not time out because the clock moves.
      `${history} addAlertChannel("c", { kind = "webhook", url = "${receiver.url}", timeout = 3600 })`,
      {},
      clock,
    );
    await raise(daemon, `login = "joe", evidence = { n = 1 }`, 3);
    await until(() => receiver.received.length === 1);
    await raise(daemon, `login = "ann"`);
    await until(() => receiver.received.length === 2);
    await clock.advanceTo(START + LATER);
    await until(() => receiver.received.length === 3);
    await daemon.loaded.webhooks.drain();
    const [first, ann, final, ...more] = bodies(receiver);
    expect(first).toMatchObject({ login: "joe", count: 1 });
    expect(first).not.toHaveProperty("final");
    expect(ann).toMatchObject({ login: "ann" });
    expect(final).toEqual({ ...first, count: 3, last: final!.last, final: true });
    expect(more).toEqual([]);
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(3);
    await raise(daemon, `login = "joe"`);
    await until(() => receiver.received.length === 4);
    expect(bodies(receiver)[3]!.id).not.toBe(first!.id);
  });
});

test("a channel that does not take an alert does not take its end either", async () => {
  const clock = new JumpingClock(START);
  using receiver = startReceiver();
  await using daemon = await startDaemon(
    `addAlertChannel("a", { kind = "webhook", url = "${receiver.url}", types = { "other" } })
     addAlertChannel("b", { kind = "webhook", url = "${receiver.url}", min_severity = "high" })`,
    {},
    clock,
  );
  await raise(daemon, `login = "joe"`, 3);
  await clock.advanceTo(START + LATER);
  await daemon.loaded.webhooks.drain();
  expect(receiver.received).toEqual([]);
});

test("wforce blocks address, network or login, and is told no end", async () => {
  const clock = new JumpingClock(START);
  using receiver = startReceiver();
  await using daemon = await startDaemon(
    `addAlertChannel("c", { kind = "wforce", url = "${receiver.url}", password = "pw", types = { "brute_force" } })`,
    {},
    clock,
  );
  for (const fields of [
    `remote = "192.0.2.1", login = "joe"`,
    `remote = "192.0.2.77/24"`,
    `remote = "2001:db8::/32", login = "joe"`,
    `login = "joe"`,
    `remote = "somewhere"`,
    `key = "nobody"`,
  ]) {
    await raise(daemon, fields, 2);
  }
  await clock.advanceTo(START + LATER);
  await daemon.loaded.webhooks.drain();
  const blocked = bodies(receiver).map(({ reason, expire_secs, ...target }) => {
    expect([typeof reason, expire_secs]).toEqual(["string", 3600]);
    return target;
  });
  expect(blocked).toEqual([
    { ip: "192.0.2.1", login: "joe" },
    { netmask: "192.0.2.0/24" },
    { netmask: "2001:db8::/32", login: "joe" },
    { login: "joe" },
  ]);
});
