import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Webhook } from "standardwebhooks";

import { fromBytes, toByteString } from "../../lib/text/byte-string.ts";
import { createEvent, createRequest, datedUrl, publicUrl } from "../../lib/webhooks/hook.ts";
import { webHook } from "../support/webhooks.ts";

const HOOK = webHook("alert", "http://127.0.0.1:1/", { id: 3 });
const NOW = Date.UTC(2026, 2, 1, 23, 59, 59, 900);

interface Signed {
  body: string;
  secret: string;
  signature: string;
}

describe("a request", () => {
  test("is signed as wforce signed its own", () => {
    const file = join(import.meta.dir, "..", "..", "fixtures", "traffic", "signatures.jsonl");
    const cases = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(cases).toHaveLength(40);
    for (const line of cases) {
      const { body, secret, signature } = JSON.parse(line) as Signed;
      const { headers } = createRequest(
        createEvent({ ...HOOK, secret: toByteString(secret) }, toByteString(body)),
        NOW,
      );
      expect(headers["x-wforce-signature"]).toBe(signature);
    }
  });

  test("has the headers of Standard Webhooks; the id stays, the timestamp is the attempt's", () => {
    // The example of the specification: secret, id, timestamp, body and the signature of them.
    const secret = toByteString("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    const event = {
      ...createEvent({ ...HOOK, secret }, toByteString('{"test": 2432232314}')),
      deliveryId: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    };
    const { headers } = createRequest(event, 1_614_265_330_000);
    expect(headers).toMatchObject({
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      "x-wforce-delivery": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    });
    expect(createRequest(event, NOW).headers["webhook-id"]).toBe(headers["webhook-id"]!);
  });

  test("is accepted by another implementation of Standard Webhooks, with a plain secret and an encoded one", () => {
    const plain = "a plain secret, ü";
    for (const [secret, key] of [
      ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
      [plain, Buffer.from(plain).toString("base64")],
    ] as const) {
      const { headers, body } = createRequest(
        createEvent({ ...HOOK, secret: toByteString(secret) }, toByteString('{"ü":1}')),
        Date.now(),
      );
      const receiver = new Webhook(key);
      expect(receiver.verify(body, headers)).toEqual({ ü: 1 });
      expect(() => receiver.verify(`${body} `, headers)).toThrow("No matching signature");
    }
  });

  test("has no signature without a secret, and no credentials that were not given", () => {
    const { headers } = createRequest(createEvent(HOOK, toByteString("{}")), NOW);
    expect(Object.keys(headers).toSorted()).toEqual([
      "accept-encoding",
      "content-type",
      "user-agent",
      "webhook-id",
      "webhook-timestamp",
      "x-wforce-delivery",
      "x-wforce-event",
      "x-wforce-hookid",
    ]);
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "x-wforce-event": "alert",
      "x-wforce-hookid": "3",
    });
  });

  test("carries credentials and content type as given", () => {
    const hook = {
      ...HOOK,
      basicAuth: toByteString("user:pass:word"),
      apiKey: toByteString("key"),
      contentType: toByteString("text/plain"),
    };
    expect(createRequest(createEvent(hook, toByteString("x")), NOW).headers).toMatchObject({
      authorization: `Basic ${btoa("user:pass:word")}`,
      "x-api-key": "key",
      "content-type": "text/plain",
    });
  });

  test("is signed with the secret's bytes, whatever they are", () => {
    const bytes = Buffer.from([255, 254, 1]);
    const { headers } = createRequest(createEvent({ ...HOOK, secret: fromBytes(bytes) }, toByteString("x")), NOW);
    expect(headers["x-wforce-signature"]).toBe(new Bun.CryptoHasher("sha256", bytes).update("x").digest("base64"));
  });

  test("for Kafka wraps the body", () => {
    const { headers, body } = createRequest(createEvent({ ...HOOK, kafka: true }, toByteString('{"a":"ü"}')), NOW);
    expect(headers["content-type"]).toBe("application/vnd.kafka.json.v2+json");
    expect(body.toString()).toBe('{"records":[{"value":{"a":"ü"}}]}');
  });

  test("of each event has an id of its own", () => {
    const ids = Array.from({ length: 100 }, () => createEvent(HOOK, toByteString("")).deliveryId);
    expect(new Set(ids).size).toBe(100);
  });
});

test("a url is shown without its query", () => {
  const shown = (url: string): string => publicUrl({ ...HOOK, url });
  expect(shown("https://h/a/%{YYYY}?token=x#y")).toBe("https://h/a/%{YYYY}");
  expect(shown("https://h/a#token")).toBe("https://h/a");
});

test("a url has the date in UTC, each part as often as it stands there", () => {
  expect(datedUrl("http://h/%{YYYY}/%{MM}-%{dd}/%{YYYY}?%20", NOW)).toBe("http://h/2026/03-01/2026?%20");
});
