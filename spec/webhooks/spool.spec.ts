import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { toByteString } from "../../lib/text/byte-string.ts";
import type { Outcome } from "../../lib/webhooks/attempt.ts";
import type { WebHookRequest } from "../../lib/webhooks/hook.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { START, startDelivery, startReceiver, type TestDelivery } from "../support/webhooks.ts";

const HOOKS = { a: "http://a/", b: "http://b/" };
const hang = (): Promise<Outcome> => new Promise(() => {});

/** Attempts that all end the same way, and the bodies they had. */
function answering(outcome: Outcome): { attempt: (request: WebHookRequest) => Promise<Outcome>; bodies: string[] } {
  const bodies: string[] = [];
  return { bodies, attempt: async ({ body }) => (bodies.push(body.toString("latin1")), outcome) };
}

const DELIVERED: Outcome = { kind: "delivered" };
const FAILED = { kind: "failed", reason: "no" } as const;

describe("a daemon that starts again", () => {
  test("delivers what was accepted, in order, with the same ids", async () => {
    using folder = temporaryFolder();
    const bodies = ["", "\0\xff\n", "x".repeat(5_000_000), "last"];
    let ids: string[] = [];
    {
      using before = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
      for (const body of bodies) before.send("a", body);
      ids = [...before.delivery.events.queue].map(({ deliveryId }) => deliveryId);
    }
    const seen: string[] = [];
    const attempt = ({ body, headers }: WebHookRequest): Promise<Outcome> => {
      seen.push(headers["webhook-id"]!);
      expect(body.toString()).toBe(bodies[seen.length - 1]!);
      return Promise.resolve(DELIVERED);
    };
    {
      using after = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
      await after.delivery.drain();
      expect(seen).toEqual(ids);
      // What comes now has its place behind what was there.
      after.send("a", "new");
    }
    using last = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
    expect([...last.delivery.events.queue].map(({ size }) => size)).toEqual([3]);
  });

  test("keeps count of attempts and the time of the next one", async () => {
    using folder = temporaryFolder();
    const { attempt } = answering({ kind: "failed", reason: "connection refused" });
    {
      using before = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
      before.send("a", "1");
      await before.clock.advanceTo(START + 6_000);
      expect([...before.delivery.events.queue]).toMatchObject([{ attempts: 2, due: START + 35_000 }]);
    }
    const { attempt: works, bodies } = answering(DELIVERED);
    using after = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: works, time: START + 10_000 });
    await after.clock.advanceTo(START + 34_999);
    expect(bodies).toEqual([]);
    await after.clock.advanceTo(START + 35_000);
    expect(bodies).toEqual(["1"]);
  });

  test("waits no longer than it had to, should the system's time have been set back", async () => {
    using folder = temporaryFolder();
    {
      using before = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: answering(FAILED).attempt });
      before.send("a", "1");
      await before.delivery.drain();
      before.delivery.send(before.hook("b"), toByteString("2"));
    }
    const { attempt, bodies } = answering(DELIVERED);
    const yearsAgo = START - 1e11;
    using after = startDelivery({ hooks: HOOKS, folder: folder.path, attempt, time: yearsAgo });
    await after.delivery.drain();
    expect(bodies).toEqual(["2"]); // it has not been tried yet
    await after.clock.advanceTo(yearsAgo + 4_999);
    expect(bodies).toEqual(["2"]);
    await after.clock.advanceTo(yearsAgo + 5_000);
    expect(bodies).toEqual(["2", "1"]);
  });

  test("leaves a receiver alone for as long as that has asked", async () => {
    using folder = temporaryFolder();
    {
      const { attempt } = answering({ ...FAILED, retryAfter: 3_600_000 });
      using before = startDelivery({ hooks: HOOKS, folder: folder.path, attempt, random: () => 0 });
      before.send("a", "1");
      await before.delivery.drain();
    }
    const { attempt, bodies } = answering(DELIVERED);
    using after = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
    await after.clock.advanceTo(START + 3_599_999);
    expect(bodies).toEqual([]);
    await after.clock.advanceTo(START + 3_600_000);
    expect(bodies).toEqual(["1"]);
  });

  test("has its dead letters, and can send them again", async () => {
    using folder = temporaryFolder();
    {
      using before = startDelivery({
        hooks: HOOKS,
        folder: folder.path,
        attempt: answering({ kind: "refused", reason: "no" }).attempt,
      });
      before.send("a", "1");
      before.send("a", "2");
      await before.delivery.drain();
    }
    const { attempt, bodies } = answering(DELIVERED);
    {
      using after = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
      await after.delivery.drain();
      expect([...after.delivery.events.deadLetters]).toMatchObject([
        { hookName: "a", attempts: 1, problem: "no" },
        { hookName: "a", attempts: 1, problem: "no" },
      ]);
      expect(bodies).toEqual([]);
      expect(after.delivery.resend()).toBe(2);
      await after.delivery.drain();
      expect(bodies).toEqual(["1", "2"]);
    }
    using last = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
    expect([last.delivery.events.deadLetters.size, last.delivery.events.queue.size]).toEqual([0, 0]);
  });

  test("without a webhook that it had makes dead letters of its events, and sends them when it is back", async () => {
    using folder = temporaryFolder();
    {
      using before = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
      before.send("a", "of a");
      before.send("b", "of b");
    }
    const { attempt, bodies } = answering(DELIVERED);
    {
      using without = startDelivery({ hooks: { b: HOOKS.b }, folder: folder.path, attempt });
      await without.delivery.drain();
      expect(bodies).toEqual(["of b"]);
      expect([...without.delivery.events.deadLetters]).toMatchObject([
        { hookName: "a", problem: "its webhook is not registered any more" },
      ]);
      expect(without.delivery.resend()).toBe(0);
    }
    using again = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
    expect(again.delivery.resend()).toBe(1);
    await again.delivery.drain();
    expect(bodies).toEqual(["of b", "of a"]);
  });

  test("with 50,000 events loads them without their bodies", async () => {
    using folder = temporaryFolder();
    {
      using before = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
      for (let i = 0; i < 50_000; i++) before.send("a", String(i));
    }
    const { attempt, bodies } = answering(DELIVERED);
    using after = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
    expect([...after.delivery.events.queue].filter(({ body }) => body !== undefined)).toEqual([]);
    await after.delivery.drain();
    expect(bodies).toEqual(Array.from({ length: 50_000 }, (_, i) => String(i)));
  });
});

describe("the file", () => {
  test("and its folder are made for the owner alone", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "state", "trackalert");
    using test = startDelivery({ hooks: HOOKS, folder: path, attempt: hang });
    test.send("a", "1");
    expect(statSync(path).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(path))
      expect([name, statSync(join(path, name)).mode & 0o777]).toEqual([name, 0o600]);
  });

  test("has nothing left of events that were forgotten, waiting or dead", async () => {
    using folder = temporaryFolder();
    const { attempt } = answering(FAILED);
    using test = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
    test.send("a", JSON.stringify({ login: "very-private", text: "x".repeat(100_000) }));
    test.send("b", JSON.stringify({ login: "joe" }));
    const contents = (): string =>
      readdirSync(folder.path)
        .map((name) => readFileSync(join(folder.path, name), "latin1"))
        .join();
    while ([...test.delivery.events.queue].some(({ inFlight }) => inFlight)) await Bun.sleep(1);
    expect(contents()).toContain("very-private");
    expect(await test.delivery.events.forget(toByteString("very-private"))).toBe(1);
    expect(contents()).not.toContain("very-private");
    expect(contents()).toContain("joe");
  });

  test("that is not a database is moved aside, and said so; delivery goes on with a new one", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "webhooks.sqlite");
    writeFileSync(file, "no database ".repeat(1000));
    const { attempt, bodies } = answering(DELIVERED);
    {
      using test = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
      expect(test.logs.join("\n")).toContain(`${file} is corrupt: it is now ${file}.corrupt-2026-11-22T120000.000Z`);
      test.send("a", "1");
      await test.delivery.drain();
      expect(bodies).toEqual(["1"]);
      test.send("b", "2");
    }
    const aside = readdirSync(folder.path).find((name) => name.includes("corrupt"))!;
    expect(readFileSync(join(folder.path, aside), "utf8")).toStartWith("no database ");
  });

  test("that is full is reported once; delivery goes on from memory, and the file is used again when there is room", async () => {
    using folder = temporaryFolder();
    const { attempt, bodies } = answering(DELIVERED);
    using test = startDelivery({ hooks: HOOKS, folder: folder.path, settings: { spoolBytes: 50 * 4096 }, attempt });
    const { queue } = test.delivery.events;
    for (let i = 0; i < 100; i++) test.send("a", `${i}`.padEnd(10_000));
    const spooled = [...queue].filter(({ row }) => row !== undefined).length;
    expect([queue.size, spooled > 10, spooled < 30]).toEqual([100, true, true]);
    const reports = test.logs.filter((line) => line.includes("database or disk is full"));
    expect(reports).toEqual([expect.stringContaining("events are kept in memory alone")]);
    await test.delivery.drain();
    expect(bodies.map(Number)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await test.clock.advanceTo(START + 100); // what was delivered is deleted
    test.send("a", "x".repeat(10_000));
    expect([...queue].map(({ row }) => row !== undefined)).toEqual([true]);
  });

  test("that had no room takes what waits as soon as there is some", async () => {
    using folder = temporaryFolder();
    const gate = Promise.withResolvers<Outcome>();
    const attempt = ({ url }: WebHookRequest): Promise<Outcome> => (url === HOOKS.a ? gate.promise : hang());
    using test = startDelivery({ hooks: HOOKS, folder: folder.path, attempt, settings: { spoolBytes: 96 * 1024 } });
    for (const hook of ["a", "b"]) for (let i = 0; i < 8; i++) test.send(hook, "x".repeat(8000));
    const { queue } = test.delivery.events;
    const outside = (): number => [...queue].filter(({ row }) => row === undefined).length;
    expect(outside()).toBeGreaterThan(0);
    gate.resolve(DELIVERED);
    while (queue.size > 8) await Bun.sleep(1);
    expect(outside()).toBeGreaterThan(0);
    await test.clock.advanceTo(START + 120_000);
    expect(outside()).toBe(0);
  });

  test("that another daemon has open is left to it, and said so", async () => {
    using folder = temporaryFolder();
    using first = startDelivery({ hooks: HOOKS, folder: folder.path, attempt: hang });
    first.send("a", "1");
    const { attempt, bodies } = answering(DELIVERED);
    using second = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
    expect(second.logs.join("\n")).toContain("webhooks.sqlite cannot be used: another process has it open");
    second.send("a", "2");
    await second.delivery.drain();
    expect(bodies).toEqual(["2"]);
  });

  test.each(["a file", "no folder that can be made", "a folder as the file"])(
    "in a state directory that is %s cannot be used: reported, and delivery goes on",
    async (what) => {
      using folder = temporaryFolder();
      const path = join(folder.path, "state");
      if (what === "a folder as the file") mkdirSync(join(path, "webhooks.sqlite"), { recursive: true });
      else writeFileSync(path, "");
      using receiver = startReceiver();
      using test = startDelivery({
        hooks: { h: receiver.url },
        folder: what === "no folder that can be made" ? join(path, "below") : path,
      });
      expect(test.logs).toEqual([
        expect.stringMatching(/cannot be used: .*: events are kept in memory alone until it can$/),
      ]);
      test.send("h", "1");
      await test.delivery.drain();
      expect(receiver.received).toHaveLength(1);
    },
  );
});

test("an event that only memory had is put into the spool at the end, if there is room then", async () => {
  using folder = temporaryFolder();
  const attempt = async ({ headers }: WebHookRequest): Promise<Outcome> =>
    headers["x-wforce-event"] === "a" ? DELIVERED : { kind: "failed", reason: "no" };
  const start = (): TestDelivery =>
    startDelivery({ hooks: HOOKS, folder: folder.path, settings: { spoolBytes: 30 * 4096 }, attempt });
  {
    using test = start();
    for (const name of ["a", "b"]) test.send(name, name.repeat(60_000));
    expect([...test.delivery.events.queue].map(({ row }) => row !== undefined)).toEqual([true, false]);
    await test.delivery.drain();
  }
  using after = start();
  expect([...after.delivery.events.queue]).toMatchObject([{ hookName: "b", size: 60_000, attempts: 1 }]);
});
