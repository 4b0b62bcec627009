import { expect, test } from "bun:test";

import { Circuit } from "../../lib/webhooks/circuit.ts";

function failing(times: number, now = 0): Circuit {
  const circuit = new Circuit();
  for (let i = 0; i < times; i++) circuit.failed(now, undefined);
  return circuit;
}

test("a circuit stays closed for four failures in a row and opens at the fifth", () => {
  const circuit = failing(4);
  expect(circuit.allows(0, 100)).toBeTrue();
  expect(circuit.failed(0, undefined)).toBeTrue();
  expect(circuit.allows(0, 0)).toBeFalse();
});

test("after the pause it lets one probe at a time pass", () => {
  const circuit = failing(5);
  expect(circuit.allows(4_999, 0)).toBeFalse();
  expect(circuit.allows(5_000, 0)).toBeTrue();
  expect(circuit.allows(5_000, 1)).toBeFalse();
});

test("a success closes it, and the count begins anew", () => {
  const circuit = failing(5);
  expect(circuit.succeeded(0)).toBeTrue();
  expect(circuit.succeeded(0)).toBeFalse();
  expect(circuit.allows(0, 100)).toBeTrue();
  expect(circuit.failed(0, undefined)).toBeFalse();
});

test("each probe that fails doubles the pause, up to five minutes; what left before the pause does not", () => {
  const circuit = failing(50); // as 50 attempts that left together
  let now = 0;
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    pauses.push((circuit.openUntil! - now) / 1000);
    now = circuit.openUntil!;
    expect(circuit.failed(now, undefined)).toBeFalse();
  }
  expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
});

test("a receiver that asks for it is left alone at its first failure", () => {
  const circuit = new Circuit();
  expect(circuit.failed(0, 60_000)).toBeTrue();
  expect([circuit.allows(59_999, 0), circuit.allows(60_000, 0), circuit.allows(60_000, 1)]).toEqual([
    false,
    true,
    false,
  ]);
});

test("the time that a receiver asks for is not cut short by the success of what it had already", () => {
  const circuit = new Circuit();
  circuit.failed(0, 60_000);
  expect(circuit.succeeded(10)).toBeFalse();
  expect([circuit.openUntil, circuit.allows(59_999, 0), circuit.allows(60_000, 0)]).toEqual([60_000, false, true]);
  expect(circuit.succeeded(60_001)).toBeTrue();
  expect(circuit.allows(60_001, 100)).toBeTrue();
});

test("of two pauses, asked for and after failures, the longer one counts", () => {
  const circuit = failing(5);
  circuit.failed(0, 1_000);
  expect(circuit.openUntil).toBe(5_000);
  circuit.failed(0, 60_000);
  expect(circuit.openUntil).toBe(60_000);
});
