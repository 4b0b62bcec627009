/** What README tells senders of HTTP about Bun's server: when a later Bun differs, its table is to be mended. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { connect } from "node:net";

import { until } from "../support/control.ts";
import { AUTHORIZATION, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon(`${PREAMBLE} setReport(function(lt) warnLog("ran " .. lt.login) end)`);
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(() => void (daemon.logs.length = 0));

const body = (login: string): string => JSON.stringify({ login });
const head = (...headers: string[]): string =>
  [
    "POST /?command=report HTTP/1.1",
    "Host: a",
    `Authorization: ${AUTHORIZATION.authorization}`,
    ...headers,
    "",
    "",
  ].join("\r\n");
const whole = (login: string): string => head(`Content-Length: ${body(login).length}`) + body(login);

/** What comes back for some bytes, until that ends as expected or the connection is closed. */
async function answerTo(sent: string, end: RegExp): Promise<string> {
  const socket = connect(daemon.daemon.addresses[0]!.port, "127.0.0.1");
  socket.write(sent);
  let answer = "";
  for await (const part of socket) {
    answer += String(part);
    if (end.test(answer)) break;
  }
  socket.destroy();
  return answer;
}

const NEVER = /(?!)/;

test("a request that is sent before the former one is answered closes the connection; the former has run", async () => {
  expect(await answerTo(whole("first") + whole("second"), NEVER)).toBe("");
  await until(() => daemon.logs.includes("ran first"));
  expect(daemon.logs).not.toContain("ran second");
});

test("a chunked body with a trailer is 400, and has run", async () => {
  const chunk = `${body("chunked").length.toString(16)}\r\n${body("chunked")}\r\n`;
  const answer = await answerTo(`${head("Transfer-Encoding: chunked")}${chunk}0\r\nX-Sum: 1\r\n\r\n`, NEVER);
  expect(answer).toContain("HTTP/1.1 400 Bad Request\r\n");
  await until(() => daemon.logs.includes("ran chunked"));
});

test.each([
  ["100-continue", true],
  ["100-Continue", false],
])("Expect: %s is told to continue: %p", async (value, told) => {
  const headers = head(`Expect: ${value}`, `Content-Length: ${body("joe").length}`);
  const answer = await answerTo(headers + body("joe"), /"ok"/);
  expect(answer.includes("100 Continue")).toBe(told);
  expect(answer).toContain("HTTP/1.1 200 OK");
});
