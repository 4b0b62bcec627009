import { expect, test } from "bun:test";

import { formatDeadLetters, formatHooks, formatQueue } from "../../lib/webhooks/console.ts";
import { START, startDelivery } from "../support/webhooks.ts";

const url = "https://h.example/";

test("webhooks are shown in the reference's columns", async () => {
  using test = startDelivery({
    hooks: { alert: url, "a name that is too long for its column": `${url}%{YYYY}?token=secret#x` },
    attempt: async ({ body }) => (body.length > 1 ? { kind: "delivered" } : { kind: "refused", reason: "no" }),
  });
  for (const body of ["1", "22", "33"]) test.send("alert", body);
  await test.delivery.drain();
  expect(formatHooks(test.delivery)).toBe(
    "ID        Name                 Successes Failures  URL\n" +
      "1         alert                2         1         https://h.example/\n" +
      "2         a name that is too l 0         0         https://h.example/%{YYYY}\n",
  );
});

test("the queue is shown with age, attempts, the time left and the last error", async () => {
  using test = startDelivery({ hooks: { h: url }, attempt: async () => ({ kind: "failed", reason: "line\nbreak" }) });
  test.send("h", "1");
  await test.delivery.drain();
  await test.clock.advanceTo(START + 6_000);
  const id = [...test.delivery.events.queue][0]!.deliveryId;
  expect(formatQueue(test.delivery)).toBe(
    "Delivery ID                                  Webhook              Age      Attempts Next in  Last error\n" +
      `${id} h                    6s       2        29s      line\\nbreak\n`,
  );
});

test("an event that waits for its receiver to work is shown with the time until that is probed", async () => {
  using test = startDelivery({ hooks: { h: url }, attempt: async () => ({ kind: "failed", reason: "no" }) });
  for (let i = 0; i < 20; i++) test.send("h", String(i));
  await test.delivery.drain();
  await test.clock.advanceTo(START + 5_000); // a probe has failed: 10 s
  const lines = formatQueue(test.delivery).split("\n").slice(1, -1);
  const next = lines.map((line) => line.slice(83, 91).trim());
  expect(next).toHaveLength(20);
  expect(next.filter((text) => text !== "10s" && text !== "30s")).toEqual([]);
});

test("dead letters are shown with their age and error", async () => {
  using test = startDelivery({ hooks: { h: url }, attempt: async () => ({ kind: "refused", reason: "no" }) });
  const ages = ["59s", "1m", "59m", "1h", "23h", "1d"];
  const ends = [59, 60, 3599, 3600, 86_399, 86_400];
  test.send("h", "1");
  await test.delivery.drain();
  for (const [i, age] of ages.entries()) {
    await test.clock.advanceTo(START + ends[i]! * 1000);
    const [header, line] = formatDeadLetters(test.delivery).split("\n");
    expect(header).toBe(
      "Delivery ID                                  Webhook              Age      Attempts Last error",
    );
    expect(line!.slice(44)).toBe(` h                    ${age.padEnd(8)} 1        no`);
  }
});

test("of long lists the beginning is shown, and how much more there is", () => {
  using test = startDelivery({ hooks: { h: url }, attempt: () => new Promise(() => {}) });
  for (let i = 0; i < 100; i++) test.send("h", "");
  expect(formatQueue(test.delivery)).not.toContain("more");
  for (let i = 0; i < 23; i++) test.send("h", "");
  const lines = formatQueue(test.delivery).split("\n");
  expect(lines).toHaveLength(1 + 100 + 1 + 1);
  expect(lines.at(-2)).toBe("and 23 more");
});
