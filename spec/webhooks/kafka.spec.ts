/** Webhooks for Kafka's REST proxy, against a stand-in that answers as the proxy's manual says. */
import { describe, expect, test } from "bun:test";

import { fromBytes, toByteString } from "../../lib/text/byte-string.ts";
import { readKafkaAnswer } from "../../lib/webhooks/kafka.ts";
import { PREAMBLE, startDaemon } from "../support/daemon.ts";
import { runPolicy } from "../support/replay.ts";
import { startDelivery } from "../support/webhooks.ts";

interface StandIn extends Disposable {
  url: string;
  /** The values of the records that came. */
  records: unknown[];
}

/** @param outcomes of the records, in turn; taken when there are no more */
function startKafka(outcomes: object[] = []): StandIn {
  const records: unknown[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const error = (status: number, error_code: number, message: string): Response =>
        Response.json(
          { error_code, message },
          { status, headers: { "content-type": "application/vnd.kafka.v2+json" } },
        );
      if (request.headers.get("content-type") !== "application/vnd.kafka.json.v2+json") {
        return error(415, 415, "HTTP 415 Unsupported Media Type");
      }
      if (new URL(request.url).pathname !== "/topics/alerts") return error(404, 40401, "Topic not found.");
      const body = (await request.json().catch(() => undefined)) as { records?: { value: unknown }[] } | undefined;
      if (!body) return error(400, 400, "Malformed JSON");
      if (!body.records) return error(422, 42201, "records may not be null");
      records.push(...body.records.map(({ value }) => value));
      const offsets = body.records.map((_, i) => outcomes.shift() ?? { partition: 0, offset: i, error_code: null });
      return Response.json({ key_schema_id: null, value_schema_id: null, offsets });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/topics/alerts`,
    records,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

const failure = (error_code: number, error: string): object => ({ partition: null, offset: null, error_code, error });

/** Sends events to a topic. @returns the delivery when all are delivered or given up */
async function deliver(
  url: string,
  ...events: string[]
): Promise<{ logs: string[]; problems: string[]; metrics: string }> {
  using test = startDelivery({ hooks: { k: url }, keys: { kafka: true } });
  for (const event of events) test.send("k", event);
  await test.runUntil(() => test.delivery.events.queue.size === 0);
  const problems = Array.from(test.delivery.events.deadLetters, ({ problem }) => problem);
  return { logs: test.logs, problems, metrics: await test.metrics() };
}

describe("an event", () => {
  test("is one record, or as it is when it has records", async () => {
    using kafka = startKafka();
    const { problems } = await deliver(
      kafka.url,
      '{"a":1}',
      "[1]",
      '"text"',
      "null",
      '{"records":[{"value":2},{"value":3}]}',
    );
    expect(problems).toEqual([]);
    expect(kafka.records).toEqual([{ a: 1 }, [1], "text", null, 2, 3]);
    await deliver(kafka.url, '{"records":"no list"}');
    expect(kafka.records.at(-1)).toEqual({ records: "no list" });
  });

  test.each(["", "text", "{'a':1}", '{"a":1}}', '{"a":1} {}', '"\xff"', "NaN"])(
    "that is no JSON is refused where it is queued: %j",
    async (event) => {
      using kafka = startKafka();
      using test = startDelivery({ hooks: { k: kafka.url, plain: kafka.url }, settings: { queueSize: 1 } });
      test.hook("k").kafka = true;
      test.delivery.send(test.hook("plain"), toByteString("waits"));
      const refused = test.delivery.send(test.hook("k"), fromBytes(Buffer.from(event, "latin1")));
      expect(refused).toBe('webhook k: kafka = "true" takes JSON alone: an event is lost');
      // It makes no room for itself first.
      expect([...test.delivery.events.queue].map(({ hookName }) => hookName)).toEqual(["plain"]);
      expect(await test.metrics()).toContain('trackalert_webhook_dropped_total{reason="unfit"} 1\n');
      expect(kafka.records).toEqual([]);
    },
  );

  test("that is no JSON is told in the log once, and on the console", async () => {
    await using daemon =
      await startDaemon(`${PREAMBLE} addCustomWebHook("k", { url = "http://127.0.0.1:1/", kafka = "true" })
      setReport(function() runCustomWebHook("k", "text") end)`);
    for (let i = 0; i < 3; i++) await daemon.post("/?command=report", {});
    const told = 'webhook k: kafka = "true" takes JSON alone: an event is lost';
    expect(daemon.logs.filter((line) => line === told)).toHaveLength(1);
    expect(await daemon.daemon.execute(toByteString(`runCustomWebHook("k", "text")`))).toContain(`Error: ${told}`);
    expect(await (await daemon.get("/metrics")).text()).toContain('dropped_total{reason="unfit"} 4\n');
  });

  test("that is no JSON is lost in a replay, too", async () => {
    const policy = `addCustomWebHook("k", { url = "http://k/", kafka = "true" })
      setReport(function(lt) runCustomWebHook("k", lt.login) end)`;
    using run = await runPolicy(
      policy,
      `reports: [{ at: +1m, login: joe }, { at: +2m, login: "{}" }]
expect: { webhooks: [{ name: k, body: {} }], logs: ['^error: webhook k: kafka = "true" takes JSON alone'] }`,
    );
    expect(run.output + run.aside).toStartWith("ok ");
  });
});

describe("an answer of 200", () => {
  test("with a retriable error is tried again until Kafka has taken the event", async () => {
    using kafka = startKafka([failure(50003, "leader not available"), failure(40403, "unknown partition")]);
    const { logs, problems, metrics } = await deliver(kafka.url, '{"a":1}');
    expect(problems).toEqual([]);
    expect(kafka.records).toEqual([{ a: 1 }, { a: 1 }, { a: 1 }]);
    expect(logs.filter((line) => line.includes("attempt"))).toEqual([
      "webhook k: Kafka error 50003: leader not available (attempt 1 of 7, next in 5 s)",
      "webhook k: Kafka error 40403: unknown partition (attempt 2 of 7, next in 30 s)",
    ]);
    expect(metrics).toContain(`status="error",url="${kafka.url}"} 2\n`);
    expect(metrics).toContain(`status="ok",url="${kafka.url}"} 1\n`);
  });

  test("with another error is final", async () => {
    using kafka = startKafka([failure(1, "record too large")]);
    const { problems } = await deliver(kafka.url, "1");
    expect(problems).toEqual(["Kafka error 1: record too large"]);
    expect(kafka.records).toHaveLength(1);
  });

  test("with both is final: the event would never get through", async () => {
    using kafka = startKafka([failure(50003, "later"), failure(40301, "not authorized")]);
    const { problems } = await deliver(kafka.url, '{"records":[{"value":1},{"value":2}]}');
    expect(problems).toEqual(["Kafka error 40301: not authorized"]);
  });

  test("for a webhook that is not Kafka's is not read", async () => {
    using test = startDelivery({ hooks: { h: "" } });
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json({ error_code: 50003 }) });
    test.hook("h").url = server.url.href;
    test.send("h", "{}");
    await test.runUntil(() => test.delivery.events.queue.size === 0);
    expect(test.delivery.counts(test.hook("h"))).toEqual({ successes: 1, failures: 0 });
  });

  test("that is too long to be read is tried again", async () => {
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("x".repeat(5 * 1024 * 1024)),
    });
    const { problems, logs } = await deliver(server.url.href, "1");
    expect(problems).toEqual(["the answer is too long to be read"]);
    expect(logs.filter((line) => line.includes("attempt 6 of 7"))).toHaveLength(1);
  });
});

test("a refusal is shown in the proxy's words", async () => {
  using kafka = startKafka();
  const { problems } = await deliver(kafka.url.replace("alerts", "other"), "1");
  expect(problems).toEqual(["the receiver answered 404: Kafka error 40401: Topic not found."]);
});

test.each([
  ["", undefined],
  ["<html>", undefined],
  ["[]", undefined],
  ['{"offsets":{}}', undefined],
  ['{"offsets":[null,1,{"offset":5}]}', undefined],
  ['{"offsets":[{"error_code":null,"error":null}]}', undefined],
  ['{"error_code":42902}', { reason: "Kafka error 42902", retriable: true }],
  ['{"error_code":40801,"message":"m"}', { reason: "Kafka error 40801: m", retriable: true }],
  ['{"error_code":2,"message":"m"}', { reason: "Kafka error 2: m", retriable: true }],
  ['{"error_code":42201,"message":5}', { reason: "Kafka error 42201", retriable: false }],
  ['{"error_code":500030}', { reason: "Kafka error 500030", retriable: false }],
  ['{"offsets":[{"error_code":50002,"error":"ü"}]}', { reason: "Kafka error 50002: ü", retriable: true }],
  [
    `{"error_code":1,"message":"${"x".repeat(1000)}"}`,
    { reason: `Kafka error 1: ${"x".repeat(200)}`, retriable: false },
  ],
])("%s is read as %j", (body, expected) => {
  expect(readKafkaAnswer(toByteString(body))).toEqual(expected);
});
