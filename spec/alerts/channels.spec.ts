import { describe, expect, test } from "bun:test";

import Ajv from "ajv/dist/2020";
import { Webhook } from "standardwebhooks";

import schema from "../../conf/alert.schema.json";
import { toByteString } from "../../lib/text/byte-string.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { startReceiver } from "../support/webhooks.ts";

const HOSTILE = "@everyone <!here> `*_~` <http://x|y>\\r\\nBcc: evil@example.org";

/** Raises an alert with a hostile login from the console, and delivers what can be delivered. */
async function raise({ loaded }: TestDaemon, fields = ""): Promise<void> {
  const chunk = `alert{ type = "brute_force", severity = "high", login = "${HOSTILE}", remote = "192.0.2.1", evidence = { n = 1 } ${fields} }`;
  await loaded.engine.runConsole(toByteString(chunk));
  await loaded.webhooks.drain();
}

describe("an alert channel", () => {
  test("of kind webhook gets the JSON of the schema, signed", async () => {
    using receiver = startReceiver();
    await using daemon = await startDaemon(
      `addAlertChannel("c", { kind = "webhook", url = "${receiver.url}", secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" })`,
    );
    await raise(daemon);
    const [{ body, headers }] = receiver.received as [(typeof receiver.received)[0]];
    const verified = new Webhook("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").verify(body, Object.fromEntries(headers));
    const validate = new Ajv().compile(schema);
    expect(validate(verified), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...(verified as object), count: 0 })).toBe(false);
  });

  test("gets the severities and types that it lets through", async () => {
    using receiver = startReceiver();
    await using daemon = await startDaemon(
      `addAlertChannel("c", { kind = "webhook", url = "${receiver.url}", min_severity = "critical" })
       addAlertChannel("t", { kind = "webhook", url = "${receiver.url}", types = { "other" } })`,
    );
    await raise(daemon);
    expect(receiver.received).toHaveLength(0);
    await raise(daemon, `, severity = "critical", key = "2", type = "other"`);
    expect(receiver.received).toHaveLength(2);
  });

  test("that redacts sends no login, address or evidence", async () => {
    using receiver = startReceiver();
    await using daemon = await startDaemon(
      `addAlertChannel("c", { kind = "webhook", url = "${receiver.url}", redact = true })`,
    );
    await raise(daemon);
    const { body } = receiver.received[0]!;
    expect(body).not.toMatch(/everyone|192\.0\.2\.1|evidence/);
    expect(JSON.parse(body)).toMatchObject({ login: expect.stringMatching(/^[0-9a-f]{16}$/) });
  });

  test("of kind slack shows what a login holds as text that pings, formats and links nothing", async () => {
    using receiver = startReceiver();
    await using daemon = await startDaemon(
      `addAlertChannel("c", { kind = "slack", url = "${receiver.url}T0/secret" })`,
    );
    await raise(daemon);
    const { text } = JSON.parse(receiver.received[0]!.body) as { text: string };
    expect(text).toContain("• login: `@\u200beveryone &lt;!here&gt; ");
    expect(text.replace(/`[^`\n]*`/g, "")).not.toMatch(/[@<]|everyone|evil/);
  });

  test("of kind wforce blocks the address", async () => {
    using receiver = startReceiver();
    await using daemon = await startDaemon(
      `addAlertChannel("c", { kind = "wforce", url = "${receiver.url}", password = "pw", expire = "2h", types = { "brute_force" } })`,
    );
    await raise(daemon);
    const { body, headers } = receiver.received[0]!;
    expect(JSON.parse(body)).toMatchObject({ ip: "192.0.2.1", expire_secs: 7200 });
    expect(headers.get("authorization")).toBe(`Basic ${btoa("wforce:pw")}`);
  });

  test.each([
    [`{ kind = "pager" }`, /channel "c": key 'kind' must be one of/],
    [`{ kind = "slack", url = "http://h/", token = "x" }`, /channel "c": key 'token' is unknown/],
    [`{ kind = "slack", url = "http://h/", min_severity = "bad" }`, /channel "c": key 'min_severity' must be/],
    [`{ kind = "slack" }`, /channel "c": key 'url' is missing/],
    [`{ kind = "wforce", url = "http://h/", password = "p" }`, /channel "c": key 'types' is missing/],
    [`{ kind = "mail", relay = "smtp://h", from = "a@b\\nBcc: c@d", to = "a@b" }`, /channel "c": key 'from' must/],
  ])("is refused with channel and key: %s", async (settings, problem) => {
    await expect(startDaemon(`addAlertChannel("c", ${settings})`)).rejects.toThrow(problem);
  });

  test("is tested from the console, and shows no secret of its url", async () => {
    using receiver = startReceiver((n) => new Response(n === 1 ? "ok" : "no", { status: n === 1 ? 200 : 403 }));
    await using daemon = await startDaemon(
      `addAlertChannel("c", { kind = "slack", url = "${receiver.url}T0/secret" })`,
    );
    const run = (chunk: string): Promise<string> => daemon.loaded.engine.runConsole(toByteString(chunk));
    expect(await run(`testAlertChannel("c")`)).toContain("delivered: the receiver said 200 ok");
    expect(await run(`testAlertChannel("c")`)).toContain("not delivered: the receiver answered 403");
    expect(await run(`showCustomWebHooks()`)).not.toContain("secret");
    expect(await daemon.loaded.metrics.format()).not.toContain("secret");
  });
});
