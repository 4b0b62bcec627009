import { describe, expect, test } from "bun:test";
import { createServer } from "node:http";
import net, { type AddressInfo } from "node:net";

import { closedPort, startRaw, type WebServer } from "../support/web.ts";
import { START, startDelivery, startReceiver } from "../support/webhooks.ts";

/** What the specs of this file say of a fault: attempts until the event was delivered or dead. */
async function sendOnce(url: string): Promise<{ attempts: number; dead: boolean; problem: string; logs: string[] }> {
  using test = startDelivery({ hooks: { h: url } });
  const { delivery } = test;
  test.send("h", "{}");
  await test.runUntil(() => delivery.events.queue.size === 0);
  const [dead] = delivery.events.deadLetters;
  const { successes, failures } = delivery.counts(test.hook("h"));
  expect(await test.metrics()).toContain(`trackalert_webhook_retries_total ${successes + failures - 1}\n`);
  return { attempts: successes + failures, dead: dead !== undefined, problem: dead?.problem ?? "", logs: test.logs };
}

describe("a receiver that", () => {
  const faults: [string, () => Response][] = [
    ["answers 500", () => new Response("no", { status: 500 })],
    ["answers 503 with a large body", () => new Response(Buffer.alloc(1_000_000), { status: 503 })],
    ["answers 429", () => new Response(null, { status: 429, headers: { "retry-after": "17" } })],
  ];
  test.each(faults)("%s twice gets the event a third time, with the same id and a new timestamp", async (_, fault) => {
    using receiver = startReceiver((n) => (n <= 2 ? fault() : new Response()));
    expect(await sendOnce(receiver.url)).toMatchObject({ attempts: 3, dead: false });
    const { received } = receiver;
    expect(received.map(({ body }) => body)).toEqual(["{}", "{}", "{}"]);
    expect(new Set(received.map(({ id }) => id)).size).toBe(1);
    expect(new Set(received.map(({ headers }) => headers.get("webhook-timestamp"))).size).toBe(3);
  });

  test("fails for ever is tried seven times, as the schedule says; then the event is a dead letter", async () => {
    using receiver = startReceiver(() => new Response(null, { status: 500 }));
    expect(await sendOnce(receiver.url)).toMatchObject({
      attempts: 7,
      dead: true,
      problem: "the receiver answered 500",
      logs: expect.arrayContaining([expect.stringMatching(/^webhook h: given up after 7 attempts: the receiver/)]),
    });
    const seconds = receiver.received.map(({ headers }) => Number(headers.get("webhook-timestamp")) - START / 1000);
    expect(seconds).toEqual([0, 5, 35, 155, 755, 4355, 25_955]);
  });

  test("refuses connections is tried seven times", async () => {
    const url = `http://127.0.0.1:${await closedPort()}/`;
    expect(await sendOnce(url)).toMatchObject({ attempts: 7, dead: true, problem: "connection refused" });
  });

  const raw: [string, string][] = [
    ["closes the connection without an answer", ""],
    ["closes in the middle of the headers", "HTTP/1.1 200 OK\r\nContent-Le"],
    ["closes in the middle of the body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"],
    ["closes in the middle of a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf"],
    ["speaks no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
  ];
  test.each(raw)("%s is tried again", async (_, answer) => {
    using server = await startRaw(answer);
    expect(await sendOnce(server.origin)).toMatchObject({ attempts: 7, dead: true });
    expect(server.received.length).toBeGreaterThanOrEqual(7);
  });

  test.each([400, 401, 404, 410, 422])("answers %d is not tried again", async (status) => {
    using receiver = startReceiver(() => new Response(null, { status }));
    expect(await sendOnce(receiver.url)).toMatchObject({ attempts: 1, dead: true });
    expect(receiver.received).toHaveLength(1);
  });

  test.each([301, 302, 307, 308])("redirects with %d is not followed", async (status) => {
    using elsewhere = startReceiver();
    using receiver = startReceiver(() => new Response(null, { status, headers: { location: elsewhere.url } }));
    expect(await sendOnce(receiver.url)).toMatchObject({ attempts: 1, dead: true });
    expect(elsewhere.received).toHaveLength(0);
  });

  test.each([200, 201, 202, 204])("answers %d has the event", async (status) => {
    using receiver = startReceiver(() => new Response(null, { status }));
    expect(await sendOnce(receiver.url)).toMatchObject({ attempts: 1, dead: false });
  });

  test("returns 10 MB has the event", async () => {
    using receiver = startReceiver(() => new Response(Buffer.alloc(10 * 1024 * 1024)));
    expect(await sendOnce(receiver.url)).toMatchObject({ attempts: 1, dead: false });
  });

  test("never ends its answer has the event, and is cut off", async () => {
    const cut = Promise.withResolvers<void>();
    const server = createServer((_, response) => {
      const write = (): void => void (response.write(Buffer.alloc(64 * 1024)) ? setImmediate(write) : undefined);
      response.on("drain", write).on("close", () => cut.resolve());
      write();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    expect(await sendOnce(`http://127.0.0.1:${port}/`)).toMatchObject({ attempts: 1, dead: false });
    await cut.promise;
    server.close();
  });

  test("says a length and sends chunks without end is cut off all the same", async () => {
    const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n";
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const closed = Promise.withResolvers<void>();
    const server = net.createServer((socket) => {
      const write = (): void => void (socket.write(chunk) ? setImmediate(write) : undefined);
      socket
        .on("error", () => {})
        .on("drain", write)
        .on("close", () => closed.resolve());
      socket.once("data", () => (socket.write(head), write()));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    // On a clock that stands still nothing else would end it.
    expect(await sendOnce(`http://127.0.0.1:${port}/`)).toMatchObject({ attempts: 1, dead: false });
    await closed.promise;
    server.close();
  });

  test("hangs is left after the timeout, and tried again", async () => {
    const gate = Promise.withResolvers<Response>();
    using receiver = startReceiver((n) => (n === 1 ? gate.promise : new Response()));
    using test = startDelivery({ hooks: { h: receiver.url } });
    test.send("h", "{}");
    while (receiver.received.length === 0) await Bun.sleep(1);
    await test.clock.advanceTo(START + 2000);
    await test.runUntil(() => receiver.received.length === 2);
    expect(test.logs.join()).toContain("webhook h: timed out after 2 s (attempt 1 of 7, next in 5 s)");
    expect(receiver.received[1]!.id).toBe(receiver.received[0]!.id);
    gate.resolve(new Response());
  });

  test("hangs in the middle of its answer is left after the timeout", async () => {
    using server: WebServer = await startRaw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false);
    using test = startDelivery({ hooks: { h: server.origin } });
    test.send("h", "{}");
    while (test.logs.length < 2) {
      await Bun.sleep(1); // until the attempt has begun
      await test.clock.advanceTo(test.clock.now() + 100);
    }
    expect(test.logs[1]).toStartWith("webhook h: timed out after 2 s");
  });

  test("answers slowly, but in time, has the event", async () => {
    const gate = Promise.withResolvers<Response>();
    using receiver = startReceiver(() => gate.promise);
    using test = startDelivery({ hooks: { h: receiver.url } });
    test.send("h", "{}");
    while (receiver.received.length === 0) await Bun.sleep(1);
    await test.clock.advanceTo(START + 1999);
    gate.resolve(new Response());
    await test.delivery.drain();
    expect(test.delivery.counts(test.hook("h"))).toEqual({ successes: 1, failures: 0 });
  });

  test("sends Retry-After is left alone so long, by all events", async () => {
    using receiver = startReceiver((n) =>
      n === 1 ? new Response(null, { status: 429, headers: { "retry-after": "60" } }) : new Response(),
    );
    using test = startDelivery({ hooks: { h: receiver.url }, random: () => 0 });
    test.send("h", "1");
    await test.delivery.drain();
    test.send("h", "2");
    await test.delivery.drain();
    await test.clock.advanceTo(START + 59_999);
    expect(receiver.received).toHaveLength(1);
    await test.runUntil(() => test.delivery.events.queue.size === 0);
    expect(test.clock.now()).toBe(START + 60_000);
    expect(receiver.received.map(({ body }) => body).toSorted()).toEqual(["1", "1", "2"]);
  });
});

test("a short Retry-After does not use all attempts up in seconds", async () => {
  using receiver = startReceiver(() => new Response(null, { status: 503, headers: { "retry-after": "1" } }));
  using test = startDelivery({ hooks: { h: receiver.url } });
  test.send("h", "{}");
  await test.runUntil(() => test.delivery.events.queue.size === 0);
  const seconds = receiver.received.map(({ headers }) => Number(headers.get("webhook-timestamp")) - START / 1000);
  expect(seconds).toEqual([0, 5, 35, 155, 755, 4355, 25_955]);
});

test("what a receiver asks for stands, though it takes another event that was under way", async () => {
  const gate = Promise.withResolvers<Response>();
  using receiver = startReceiver((n) =>
    n === 1 ? gate.promise : new Response(null, { status: n === 2 ? 429 : 200, headers: { "retry-after": "60" } }),
  );
  using test = startDelivery({ hooks: { h: receiver.url }, random: () => 0 });
  test.send("h", "slow");
  while (receiver.received.length < 1) await Bun.sleep(1);
  test.send("h", "asked");
  while (test.delivery.counts(test.hook("h")).failures < 1) await Bun.sleep(1);
  gate.resolve(new Response());
  await test.delivery.drain();
  expect(test.delivery.counts(test.hook("h")).successes).toBe(1);
  test.send("h", "new");
  await test.delivery.drain();
  await test.clock.advanceTo(START + 59_999);
  await test.delivery.drain();
  expect(receiver.received).toHaveLength(2);
  await test.runUntil(() => test.delivery.events.queue.size === 0);
  expect(test.clock.now()).toBe(START + 60_000);
});

describe("why an attempt failed", () => {
  const raw: [string, string][] = [
    ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
    ["a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    ["another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"],
    ["a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"],
    ["a status that is none", "HTTP/1.1 99999 No\r\n\r\n"],
    ["nothing", ""],
  ];
  test.each(raw)("is told without the url: %s", async (_, answer) => {
    using server = await startRaw(answer);
    const { problem, logs } = await sendOnce(`${server.origin}/path?token=secret`);
    expect(problem).not.toBe("");
    expect(logs.join("\n")).not.toMatch(/token|secret|127\.0\.0\.1|path/);
  });

  test("is told without the url: no connection, no host, a port without TLS", async () => {
    using server = await startRaw("no TLS");
    for (const origin of [
      `http://127.0.0.1:${await closedPort()}`,
      "http://h.invalid",
      server.origin.replace("http", "https"),
    ]) {
      const { problem, logs } = await sendOnce(`${origin}/path?token=secret`);
      expect(problem).not.toBe("");
      expect(logs.join("\n")).not.toMatch(/token|secret|127\.0\.0\.1|h\.invalid|path/);
    }
  });
});

describe("the number of attempts", () => {
  test.each([1, 3, 9])("is what max_attempts says: %d", async (maxAttempts) => {
    using receiver = startReceiver(() => new Response(null, { status: 500 }));
    using test = startDelivery({ hooks: { h: receiver.url }, keys: { maxAttempts } });
    test.send("h", "{}");
    await test.runUntil(() => test.delivery.events.deadLetters.size === 1);
    expect(receiver.received).toHaveLength(maxAttempts);
  });
});

test("connections are used again", async () => {
  using receiver = startReceiver();
  using test = startDelivery({ hooks: { h: receiver.url }, settings: { threads: 1, connsPerThread: 1 } });
  const ports = new Set<number>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, server) {
      ports.add(server.requestIP(request)!.port);
      return new Response("a short answer");
    },
  });
  test.hook("h").url = server.url.href;
  for (let i = 0; i < 20; i++) test.send("h", String(i));
  await test.delivery.drain();
  expect(ports.size).toBe(1);
  await server.stop(true);
});
