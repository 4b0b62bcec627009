import { describe, expect, test } from "bun:test";

import type { Outcome } from "../../lib/webhooks/attempt.ts";
import { DeadLetters } from "../../lib/webhooks/dead-letters.ts";
import type { Entry } from "../../lib/webhooks/entry.ts";
import type { WebHookRequest } from "../../lib/webhooks/hook.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { closedPort } from "../support/web.ts";
import { START, startDelivery, startReceiver } from "../support/webhooks.ts";

const NAMES = ["a", "b", "c"];
const urls = (names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, `http://${name}/`]));

/** An attempt that a spec ends when it likes, by the body of the event. */
function heldAttempts(): {
  attempt: (request: WebHookRequest) => Promise<Outcome>;
  started: string[];
  end(body: string, outcome?: Outcome): Promise<void>;
} {
  const held = new Map<string, (outcome: Outcome) => void>();
  const started: string[] = [];
  return {
    started,
    attempt({ body }) {
      started.push(body.toString());
      return new Promise((resolve) => held.set(body.toString(), resolve));
    },
    async end(body, outcome = { kind: "delivered" }) {
      held.get(body)!(outcome);
      await settled();
    },
  };
}

/** Lets promises run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const FAILED: Outcome = { kind: "failed", reason: "connection refused" };

describe("events", () => {
  test("of one hook leave in the order in which they were queued", async () => {
    const { attempt, started } = instant();
    using test = startDelivery({ hooks: urls(NAMES), attempt });
    for (let i = 0; i < 3000; i++) test.send(NAMES[i % 3]!, `${NAMES[i % 3]} ${i}`);
    await test.delivery.drain();
    for (const name of NAMES) {
      const own = started.filter((body) => body.startsWith(name)).map((body) => Number(body.slice(2)));
      expect(own).toHaveLength(1000);
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
  });

  test("arrive whole: nothing, every byte, and 5 MB", async () => {
    using receiver = startReceiver();
    using test = startDelivery({ hooks: { h: receiver.url } });
    const large = "x".repeat(5 * 1024 * 1024);
    for (const body of ["", "\0\n\x7f", large]) test.send("h", body);
    await test.delivery.drain();
    expect(receiver.received.map(({ body }) => body).toSorted((a, b) => a.length - b.length)).toEqual([
      "",
      "\0\n\x7f",
      large,
    ]);
  });
});

function instant(outcome: Outcome = { kind: "delivered" }): {
  attempt: (request: WebHookRequest) => Promise<Outcome>;
  started: string[];
} {
  const started: string[] = [];
  return { started, attempt: ({ body }) => (started.push(body.toString()), Promise.resolve(outcome)) };
}

describe("requests in flight", () => {
  test("are at most threads times connections, of one hook at most half of them; hooks take turns", async () => {
    const { attempt, started, end } = heldAttempts();
    using test = startDelivery({ hooks: urls(NAMES), attempt, settings: { threads: 3, connsPerThread: 2 } });
    for (const name of NAMES) for (let i = 0; i < 5; i++) test.send(name, `${name}${i}`);
    await settled();
    expect(started.toSorted()).toEqual(["a0", "a1", "b0", "b1", "c0", "c1"]);
    await end("a1");
    expect(started.slice(6)).toEqual(["a2"]);
  });

  test("are never more than Bun has at once, so that none waits for another with its timeout running", async () => {
    const { attempt, started } = heldAttempts();
    const settings = { threads: 1000, connsPerThread: 1000 };
    using test = startDelivery({ hooks: urls(NAMES), attempt, settings });
    for (let i = 0; i < 900; i++) test.send(NAMES[i % 3]!, String(i));
    await settled();
    expect(started).toHaveLength(256);
  });

  test("are never less than one", async () => {
    const { attempt, started, end } = heldAttempts();
    using test = startDelivery({ hooks: urls(NAMES), attempt, settings: { threads: 1, connsPerThread: 1 } });
    for (const name of NAMES) test.send(name, name);
    await settled();
    for (let i = 1; i <= 3; i++) {
      expect(started).toHaveLength(i);
      await end(started.at(-1)!);
    }
  });
});

describe("a dead receiver", () => {
  test("that hangs does not hold up others", async () => {
    const gate = Promise.withResolvers<Response>();
    using dead = startReceiver(() => gate.promise);
    using alive = startReceiver();
    using test = startDelivery({ hooks: { dead: dead.url, alive: alive.url } });
    for (let i = 0; i < 100; i++) test.send("dead", String(i));
    for (let i = 0; i < 100; i++) test.send("alive", String(i));
    while (alive.received.length < 100) await Bun.sleep(1);
    // The clock has not moved: no attempt has timed out.
    expect([test.clock.now(), dead.received.length]).toEqual([START, 10]);
    gate.resolve(new Response());
    await test.delivery.drain();
  });

  test("is probed by one event at a time; the others wait without using attempts up, and leave once it works", async () => {
    let works = false;
    const started: string[] = [];
    const attempt = ({ body }: WebHookRequest): Promise<Outcome> => {
      started.push(body.toString());
      return Promise.resolve(works ? { kind: "delivered" } : FAILED);
    };
    using test = startDelivery({ hooks: urls(["a"]), attempt });
    for (let i = 0; i < 1000; i++) test.send("a", String(i));
    await test.delivery.drain();
    expect(started.length).toBe(10); // as many as were in flight when the first failed
    expect(test.logs.filter((line) => line.includes("events wait until the receiver works again"))).toHaveLength(1);
    await test.clock.advanceTo(START + 3_600_000);
    const probes = started.length - 10;
    expect(probes).toBeGreaterThan(10);
    expect(probes).toBeLessThan(20);
    const untouched = [...test.delivery.events.queue].filter(({ attempts }) => attempts === 0);
    expect(untouched.length).toBeGreaterThan(970);
    works = true;
    await test.runUntil(() => test.delivery.events.queue.size === 0);
    expect(test.logs).toContain("webhook a: the receiver works again");
    expect(test.delivery.counts(test.hook("a")).successes + test.delivery.events.deadLetters.size).toBe(1000);
    expect(test.clock.now()).toBeLessThan(START + 3_600_000 + 4 * 3_600_000);
  });

  test("for days: what has waited for longer than all attempts take is given up when a probe fails", async () => {
    const attempted = new Set<string>();
    const attempt = ({ body }: WebHookRequest): Promise<Outcome> => {
      attempted.add(body.toString());
      return Promise.resolve(FAILED);
    };
    using test = startDelivery({ hooks: urls(["a"]), attempt });
    const { queue, deadLetters } = test.delivery.events;
    for (let i = 0; i < 1000; i++) test.send("a", String(i));
    await test.clock.advanceTo(START + 8 * 3_600_000);
    expect(queue.size).toBeGreaterThan(900);
    test.send("a", "young");
    await test.clock.advanceTo(START + 9 * 3_600_000);
    const untried = [...deadLetters].filter(({ attempts }) => attempts === 0);
    expect(untried.length).toBeGreaterThan(500);
    expect(new Set(untried.map(({ problem }) => problem))).toEqual(new Set(["connection refused"]));
    expect([...queue].some(({ body }) => body!.toString() === "young")).toBeTrue();
    // The log is not flooded, though each of them is counted.
    expect(test.logs.filter((line) => line.includes("has waited too long")).length).toBeLessThan(5);
    // What is sent again is as if new.
    expect(test.delivery.resend(untried[0]!.deliveryId)).toBe(1);
    await test.clock.advanceTo(START + 10 * 3_600_000);
    expect([...queue].some(({ deliveryId }) => deliveryId === untried[0]!.deliveryId)).toBeTrue();
    await test.clock.advanceTo(START + 2 * 86_400_000);
    expect([queue.size, deadLetters.size]).toEqual([0, 1001]);
  });

  test("of events that are tried once keeps those of the last seconds", async () => {
    using test = startDelivery({ hooks: urls(["a"]), attempt: instant(FAILED).attempt, keys: { maxAttempts: 1 } });
    const { queue } = test.delivery.events;
    for (let i = 0; i < 30; i++) test.send("a", String(i));
    await test.clock.advanceTo(START + 4_999);
    expect(queue.size).toBe(20);
    await test.clock.advanceTo(START + 14_999); // the first probe was at 5 s
    expect(queue.size).toBe(19);
    test.send("a", "young");
    await test.clock.advanceTo(START + 15_000);
    expect([...queue].map(({ body }) => body!.toString())).toEqual(["young"]);
  });

  test("that refuses each event is no dead one", async () => {
    const { attempt, started } = instant({ kind: "refused", reason: "the receiver answered 400" });
    using test = startDelivery({ hooks: urls(["a"]), attempt });
    for (let i = 0; i < 100; i++) test.send("a", String(i));
    await test.delivery.drain();
    expect([started.length, test.delivery.events.deadLetters.size]).toEqual([100, 100]);
  });
});

describe("the queue", () => {
  test("at its bound drops what is new, counts it, and says so without flooding the log", async () => {
    const { attempt, started, end } = heldAttempts();
    using test = startDelivery({ hooks: urls(["a"]), attempt, settings: { queueSize: 5 } });
    for (let i = 0; i < 1005; i++) test.send("a", String(i));
    expect(await test.metrics()).toContain('trackalert_webhook_dropped_total{reason="queue_full"} 1000\n');
    expect(await test.metrics()).toContain("trackalert_webhook_queue_size 5\n");
    const message = "webhook a: the queue is full (setWebHookQueueSize): an event is lost";
    expect(test.logs.filter((line) => line.includes("full"))).toEqual([message]);
    await test.clock.advanceTo(START + 60_000);
    expect(test.logs.filter((line) => line.includes("full"))).toEqual([message, `${message} (999 more)`]);
    for (const body of ["0", "1", "2", "3", "4"]) await end(body);
    test.send("a", "room again");
    await settled();
    expect(started.at(-1)).toBe("room again");
  });

  test("at its bound makes room for other hooks: the oldest of the one that has most is a dead letter", async () => {
    const { attempt, started, end } = heldAttempts();
    using test = startDelivery({ hooks: urls(["a", "b"]), attempt, settings: { queueSize: 20, threads: 1 } });
    for (let i = 0; i < 20; i++) test.send("a", `a${i}`);
    await settled(); // five of them are in flight
    for (let i = 0; i < 3; i++) test.send("b", `b${i}`);
    test.send("a", "of the one that has most");
    const { queue, deadLetters } = test.delivery.events;
    expect(Array.from(deadLetters, ({ body, problem }) => [body!.toString(), problem])).toEqual(
      ["a5", "a6", "a7"].map((body) => [body, "made room for other webhooks"]),
    );
    expect(queue.size).toBe(20);
    const metrics = await test.metrics();
    expect(metrics).toContain('trackalert_webhook_dropped_total{reason="made_room"} 3\n');
    expect(metrics).toContain('trackalert_webhook_dropped_total{reason="queue_full"} 1\n');
    for (let i = 0; queue.size > 0; i++) await end(started[i]!);
    expect(started.toSorted()).toEqual([...started.filter((b) => b < "b"), "b0", "b1", "b2"].toSorted());
    expect(started.filter((body) => /^a[567]$/.test(body))).toEqual([]);
  });

  test("makes room of what waits for its next attempt too, which is not made any more", async () => {
    const started: string[] = [];
    const attempt = ({ body }: WebHookRequest): Promise<Outcome> => (
      started.push(body.toString()),
      Promise.resolve(FAILED)
    );
    using test = startDelivery({ hooks: urls(["a", "b"]), attempt, settings: { queueSize: 3 } });
    for (const body of ["1", "2", "3"]) test.send("a", body);
    await test.delivery.drain();
    test.send("b", "other");
    expect(test.delivery.resend()).toBe(0); // there is no room for it
    await test.clock.advanceTo(START + 6_000);
    expect(started.filter((body) => body === "1")).toHaveLength(1);
    expect(started.filter((body) => body === "2")).toHaveLength(2);
  });

  test("makes room by bytes where bodies are in memory alone", async () => {
    const { attempt } = heldAttempts();
    using test = startDelivery({ hooks: urls(["a", "b"]), attempt, settings: { threads: 1, connsPerThread: 1 } });
    const large = "x".repeat(50 * 1024 * 1024);
    for (let i = 0; i < 5; i++) test.send("a", large);
    for (let i = 0; i < 10; i++) test.send("b", String(i));
    await settled(); // one is in flight
    test.send("b", large);
    expect(Array.from(test.delivery.events.deadLetters, ({ hookName }) => hookName)).toEqual(["a"]);
    expect(test.delivery.events.queue.size).toBe(15);
  });

  test("has no bound in bytes for what is in the spool: it needs no memory", async () => {
    using folder = temporaryFolder();
    const { attempt } = heldAttempts();
    const settings = { threads: 1, connsPerThread: 1 };
    using test = startDelivery({ hooks: urls(["a", "b"]), attempt, settings, folder: folder.path });
    const { events } = test.delivery;
    const large = "x".repeat(50 * 1024 * 1024);
    for (let i = 0; i < 3; i++) test.send("a", large);
    const released = [...events.queue][1]!;
    events.postpone(released);
    for (let i = 0; i < 3; i++) test.send("a", large);
    events.body(released); // as for its next attempt: now there is more than memory should have
    for (const body of ["1", "2"]) test.send("b", body);
    test.send("a", "3");
    expect([events.queue.size, events.deadLetters.size]).toEqual([9, 0]);
    expect(await test.metrics()).not.toMatch(/_dropped_total\{.*\} [1-9]/);
  });

  test("has a bound in bytes too", async () => {
    const { attempt } = heldAttempts();
    using test = startDelivery({ hooks: urls(["a"]), attempt });
    const large = "x".repeat(50 * 1024 * 1024);
    for (let i = 0; i < 6; i++) test.send("a", large);
    expect(test.delivery.events.queue.size).toBe(5);
    expect(await test.metrics()).toContain('trackalert_webhook_dropped_total{reason="queue_full"} 1\n');
  });
});

describe("dead letters", () => {
  test("can be sent again, one or all, as if they were new", async () => {
    let works = false;
    using receiver = startReceiver(() => new Response(null, { status: works ? 200 : 404 }));
    using test = startDelivery({ hooks: { h: receiver.url } });
    for (const body of ["1", "2", "3"]) test.send("h", body);
    await test.delivery.drain();
    expect(await test.metrics()).toContain("trackalert_webhook_dead_letters 3\n");
    const [, second] = test.delivery.events.deadLetters;
    works = true;
    expect(test.delivery.resend("no such id")).toBe(0);
    expect(test.delivery.resend(second!.deliveryId)).toBe(1);
    await test.delivery.drain();
    expect(receiver.received.at(-1)).toMatchObject({ id: second!.deliveryId });
    expect(test.delivery.events.deadLetters.size).toBe(2);
    expect(test.delivery.resend()).toBe(2);
    await test.delivery.drain();
    expect([test.delivery.events.deadLetters.size, test.delivery.events.queue.size]).toEqual([0, 0]);
    expect(test.delivery.counts(test.hook("h"))).toEqual({ successes: 3, failures: 3 });
  });

  test("are sent again only as far as the queue has room", async () => {
    const { attempt } = instant({ kind: "refused", reason: "no" });
    using test = startDelivery({ hooks: urls(["a"]), attempt, settings: { queueSize: 2 } });
    for (let i = 0; i < 3; i++) {
      test.send("a", String(i));
      await test.delivery.drain();
    }
    expect(test.delivery.resend()).toBe(2);
    expect(test.delivery.events.deadLetters.size).toBe(1);
  });

  test("are bounded: the oldest go, and that is counted", async () => {
    const { attempt } = instant({ kind: "refused", reason: "no" });
    using test = startDelivery({ hooks: urls(["a"]), attempt });
    for (let i = 0; i < 10_003; i++) test.send("a", String(i));
    await test.delivery.drain();
    expect(test.delivery.events.deadLetters.size).toBe(10_000);
    expect([...test.delivery.events.deadLetters][0]!.body!.toString()).toBe("3");
    expect(await test.metrics()).toContain('trackalert_webhook_dropped_total{reason="dead_letters_full"} 3\n');
  });
});

test("dead letters that are in memory alone are bounded in bytes", async () => {
  const { attempt } = instant({ kind: "refused", reason: "no" });
  using test = startDelivery({ hooks: urls(["a"]), attempt });
  for (const body of ["1", "2", "3"]) test.send("a", body.repeat(30 * 1024 * 1024));
  await test.delivery.drain();
  expect([...test.delivery.events.deadLetters].map(({ body }) => body!.toString("latin1", 0, 1))).toEqual(["2", "3"]);
});

test("dead letters that are in the spool are bounded in bytes too, so that the queue has room there", () => {
  const letters = new DeadLetters();
  const entry = (id: number): Entry => ({
    hookName: "a",
    deliveryId: String(id),
    body: undefined,
    size: 300 * 1024 * 1024,
    created: 0,
    queued: 0,
    attempts: 1,
    due: 0,
    pause: 0,
    problem: "",
    row: id,
    inFlight: false,
  });
  const gone = [1, 2, 3, 4].flatMap((id) => letters.add(entry(id)));
  expect(gone.map(({ row }) => row)).toEqual([1]);
  expect(letters.size).toBe(3);
});

describe("draining", () => {
  test("tries what is due, and does not wait for what has to be tried again later", async () => {
    using alive = startReceiver();
    using test = startDelivery({ hooks: { alive: alive.url, gone: `http://127.0.0.1:${await closedPort()}/` } });
    for (let i = 0; i < 200; i++) {
      test.send("alive", String(i));
      test.send("gone", String(i));
    }
    await test.delivery.drain();
    expect(alive.received).toHaveLength(200);
    expect(test.delivery.events.queue.size).toBe(200);
    test.delivery.close();
    expect(test.logs).toContain("webhooks: 200 events that were only in memory are lost (setStateDir keeps them)");
  });

  test("ends attempts that hang when delivery is closed, and no timer is left", async () => {
    const gate = Promise.withResolvers<Response>();
    using hanging = startReceiver(() => gate.promise);
    const test = startDelivery({ hooks: { h: hanging.url } });
    test.send("h", "{}");
    while (hanging.received.length === 0) await Bun.sleep(1);
    const drained = test.delivery.drain();
    test.delivery.close();
    await drained;
    expect(test.clock.next).toBe(Infinity);
    gate.resolve(new Response());
  });
});

test("the metrics name each hook with a url that shows no secrets", async () => {
  using test = startDelivery({ hooks: { h: "https://h.example/%{YYYY}?token=secret" } });
  expect(await test.metrics()).toContain(
    'trackalert_custom_webhook_events_total{id="1",status="ok",url="https://h.example/%{YYYY}"} 0\n' +
      'trackalert_custom_webhook_events_total{id="1",status="error",url="https://h.example/%{YYYY}"} 0\n',
  );
  expect(await test.metrics()).not.toContain("secret");
});
