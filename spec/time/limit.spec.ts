import { expect, test } from "bun:test";

import { Limit } from "../../lib/time/limit.ts";

test("what ends at once is run at once, whatever the number", () => {
  const limit = new Limit(() => 1);
  for (let i = 0; i < 100; i++) expect(limit.run(() => i)).toBe(i);
});

test("no more than so many run at the same time, the others in the order they came", async () => {
  const limit = new Limit(() => 2);
  const started: number[] = [];
  const gates = [1, 2, 3, 4].map(() => Promise.withResolvers<void>());
  const runs = gates.map(({ promise }, i) => limit.run(() => (started.push(i), promise)));
  expect(started).toEqual([0, 1]);
  expect(limit.waiting).toBe(2);
  gates[1]!.resolve();
  await runs[1];
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toEqual([0, 1, 2]);
  expect(limit.waiting).toBe(1);
  for (const { resolve } of gates) resolve();
  await Promise.all(runs);
  expect(started).toEqual([0, 1, 2, 3]);
});

test("a bound that is changed counts from then on", async () => {
  let most = 2;
  const limit = new Limit(() => most);
  const gates = [1, 2, 3, 4, 5].map(() => Promise.withResolvers<void>());
  const started: number[] = [];
  const runs = gates.map(({ promise }, i) => limit.run(() => (started.push(i), promise)));
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  most = 1;
  gates[0]!.resolve();
  await settle();
  expect(started).toEqual([0, 1]);
  most = 3;
  gates[1]!.resolve();
  await settle();
  expect(started).toEqual([0, 1, 2, 3, 4]);
  for (const { resolve } of gates) resolve();
  await Promise.all(runs);
});

test("an operation that fails frees its place", async () => {
  const limit = new Limit(() => 1);
  const fail = (): never => {
    throw new Error("no");
  };
  expect(() => limit.run(fail)).toThrow("no");
  await expect(limit.run(async () => fail()) as Promise<void>).rejects.toThrow("no");
  const first = limit.run(async () => fail()) as Promise<void>;
  const second = limit.run(() => "turn");
  await expect(first).rejects.toThrow("no");
  expect(await second).toBe("turn");
});
