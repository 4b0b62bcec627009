/** The spool on a disk that is really full. */
import { describe, expect, test } from "bun:test";
import { readdirSync, statfsSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Outcome } from "../../lib/webhooks/attempt.ts";
import type { WebHookRequest } from "../../lib/webhooks/hook.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { NO_SMALL_DISK, smallDisk } from "../support/small-disk.ts";
import { startDelivery, type TestDelivery } from "../support/webhooks.ts";

const HOOKS = { a: "http://a/", b: "http://b/" };
const FILE = "webhooks.sqlite";
const MINUTE = 60_000;
const DELIVERED: Outcome = { kind: "delivered" };
const hang = (): Promise<Outcome> => new Promise(() => {});
const works = async (): Promise<Outcome> => DELIVERED;

/** Attempts of `a` that wait until they may go on, and those of `b` that end at once. */
function gated(ofB: Outcome = DELIVERED): { attempt: (request: WebHookRequest) => Promise<Outcome>; open(): void } {
  const gate = Promise.withResolvers<Outcome>();
  return {
    attempt: ({ hook }) => (hook.name === "a" ? gate.promise : Promise.resolve(ofB)),
    open: () => gate.resolve(DELIVERED),
  };
}

/** Lets time pass in which batches are written. */
const pass = (test: TestDelivery, milliseconds = 100): Promise<void> =>
  test.clock.advanceTo(test.clock.now() + milliseconds);

/** What a daemon that starts in a folder has to deliver, and has given up. */
function found(folder: string): { queue: string[]; dead: string[] } {
  using test = startDelivery({ hooks: HOOKS, folder, attempt: hang });
  const { events } = test.delivery;
  const names = (entries: Iterable<{ hookName: string }>): string[] => Array.from(entries, ({ hookName }) => hookName);
  return { queue: names(events.queue), dead: names(events.deadLetters) };
}

/** Leaves nothing free on a disk. @returns a function that gives the room back */
function fill(path: string): () => void {
  const file = join(path, "filler");
  const { bavail, bsize } = statfsSync(path);
  writeFileSync(file, Buffer.alloc(bavail * bsize));
  return () => unlinkSync(file);
}

const complaints = ({ logs }: TestDelivery): string[] => logs.filter((line) => line.includes("in memory alone"));

describe.skipIf(NO_SMALL_DISK !== undefined)(
  `a full disk${NO_SMALL_DISK ? ` (skipped: ${NO_SMALL_DISK})` : ""}`,
  () => {
    test("that the spool's own log filled has room again: the log is emptied into the file", async () => {
      using disk = smallDisk(2048);
      using test = startDelivery({ hooks: HOOKS, folder: disk.path, attempt: works });
      for (let i = 0; i < 300; i++) {
        test.send("a", "x".repeat(20_000)); // 6 MB in all
        await test.delivery.drain();
        await pass(test);
      }
      expect(complaints(test)).toEqual([]);
      expect(test.delivery.counts(test.hook("a"))).toEqual({ successes: 300, failures: 0 });
      test.delivery.close();
      expect(found(disk.path)).toEqual({ queue: [], dead: [] });
    });

    test("on which nothing can be deleted does not send again after a restart: the file is begun anew", async () => {
      using disk = smallDisk(2048);
      const { attempt, open } = gated();
      using test = startDelivery({ hooks: HOOKS, folder: disk.path, attempt });
      for (let i = 0; i < 200; i++) test.send("a", "x".repeat(20_000));
      const giveBack = fill(disk.path);
      expect(complaints(test).length).toBeGreaterThan(0);
      open();
      await test.delivery.drain();
      await pass(test);
      expect(test.logs).toContain(
        `webhooks: ${disk.path}/${FILE} is begun anew: nothing in it was to be delivered any more`,
      );
      expect(statSync(join(disk.path, FILE)).size).toBeLessThan(100_000);
      // A killed daemon would leave this.
      test.send("a", "new");
      expect([...test.delivery.events.queue].map(({ row }) => row !== undefined)).toEqual([true]);
      await test.delivery.drain();
      giveBack();
      test.delivery.close();
      expect(found(disk.path)).toEqual({ queue: [], dead: [] });
    });

    test("keeps dead letters, and what waits: the file stays as long as something in it is to be delivered", async () => {
      using disk = smallDisk(2048);
      const { attempt, open } = gated({ kind: "refused", reason: "no" });
      using test = startDelivery({ hooks: HOOKS, folder: disk.path, attempt });
      test.send("b", "refused");
      await pass(test);
      for (let i = 0; i < 200; i++) test.send("a", "x".repeat(20_000));
      const giveBack = fill(disk.path);
      await pass(test);
      expect(test.logs.join("\n")).not.toContain("begun anew");
      open();
      await test.delivery.drain();
      await pass(test);
      expect(test.logs.join("\n")).toContain("begun anew");
      giveBack();
      test.delivery.close();
      expect(found(disk.path)).toEqual({ queue: [], dead: ["b"] });
    });

    test("is used again within a minute when there is room: what came meanwhile is put there", async () => {
      using disk = smallDisk(2048);
      const { attempt, open } = gated();
      using test = startDelivery({ hooks: HOOKS, folder: disk.path, attempt });
      test.send("a", "first");
      await pass(test);
      const giveBack = fill(disk.path);
      for (let i = 0; i < 20; i++) test.send("a", "x".repeat(20_000));
      const outside = (): number => [...test.delivery.events.queue].filter(({ row }) => row === undefined).length;
      expect(outside()).toBeGreaterThan(0);
      await pass(test, MINUTE);
      expect(outside()).toBeGreaterThan(0);
      giveBack();
      await pass(test, MINUTE);
      expect(outside()).toBe(0);
      open();
      await test.delivery.drain();
      test.delivery.close();
      expect(found(disk.path)).toEqual({ queue: [], dead: [] });
    });
  },
);

test("a large file gives its room back when all is delivered", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, FILE);
  const { attempt, open } = gated();
  {
    using test = startDelivery({ hooks: HOOKS, folder: folder.path, attempt });
    for (let i = 0; i < 20; i++) test.send("a", "x".repeat(4_000_000));
    await pass(test);
    expect(statSync(file).size).toBeGreaterThan(60_000_000);
    open();
    await test.delivery.drain();
    await pass(test);
    await pass(test);
    expect(statSync(file).size).toBeLessThan(100_000);
    test.send("b", "new");
    await test.delivery.drain();
    await pass(test);
    expect(complaints(test)).toEqual([]);
  }
  expect(found(folder.path)).toEqual({ queue: [], dead: [] });
  expect(readdirSync(folder.path)).toEqual([FILE]);
});
